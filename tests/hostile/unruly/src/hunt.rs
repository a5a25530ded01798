//! Looks for bytes in the guest's own memory, all of it: what was freed, what the host wrote, the stack.

/// How often the bytes, given backwards so that they are not found in the parameter, are there.
#[cfg(target_arch = "wasm32")]
pub(crate) fn count(backwards: &[u8]) -> u64 {
    let Some(last) = backwards.first() else { return 0 };
    let end = core::arch::wasm32::memory_size::<0>() << 16;
    let mut found = 0;
    // SAFETY: every address of a linear memory below its size can be read; what stands there is nothing but bytes.
    let byte = |at: usize| unsafe { std::ptr::read_volatile(at as *const u8) };
    for at in backwards.len()..end {
        if byte(at) == *last && backwards.iter().enumerate().all(|(i, wanted)| byte(at - i) == *wanted) {
            found += 1;
        }
    }
    found
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn count(_: &[u8]) -> u64 {
    0
}
