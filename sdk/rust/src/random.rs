//! Random bytes fit for secrets, such as a lock's token. The standard library offers none: its hashers are seeded with
//! what WASI calls insecure. In a component these come from the host's `wasi:random/random`.

/// Random bytes that nobody can guess.
#[cfg(target_family = "wasm")]
pub fn bytes<const N: usize>() -> [u8; N] {
    unsafe extern "C" {
        fn getentropy(buffer: *mut u8, length: usize) -> i32;
    }
    let mut bytes = [0; N];
    // At most 256 bytes are given at once.
    for chunk in bytes.chunks_mut(256) {
        // SAFETY: the C library of this target has this function, and it writes only to the chunk that it is given.
        let result = unsafe { getentropy(chunk.as_mut_ptr(), chunk.len()) };
        // It cannot fail for so few bytes; going on with zeros would be worse than a trap.
        assert!(result == 0, "the host gave no random bytes");
    }
    bytes
}

/// Random bytes for a plugin's own tests, where nothing needs guarding.
#[cfg(not(target_family = "wasm"))]
pub fn bytes<const N: usize>() -> [u8; N] {
    use std::hash::{BuildHasher, Hasher};
    std::array::from_fn(|_| std::hash::RandomState::new().build_hasher().finish() as u8)
}

/// A text of 32 hexadecimal digits that nobody can guess.
///
/// ```
/// let (one, other) = (jackfield_sdk::random::token(), jackfield_sdk::random::token());
/// assert!(one.len() == 32 && one != other);
/// ```
pub fn token() -> String {
    format!("{:032x}", u128::from_le_bytes(bytes()))
}
