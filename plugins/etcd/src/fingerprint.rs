//! A fingerprint (FNV-1a, 128 bits) of all parts of a request, as far as telling two requests apart needs it. It guards
//! against the mistaken use of an idempotency key, not against forgery: whoever may write may write.

use std::fmt;

use jackfield_sdk::prelude::*;

/// A fingerprint that is being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// Of a request of an operation.
    pub(crate) fn new(operation: &str) -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d).with(operation)
    }

    /// Adds a part.
    pub(crate) fn with(self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        // The length goes in too, so that parts cannot flow into each other.
        let length = (part.len() as u64).to_le_bytes();
        let hash =
            |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        Self(part.iter().fold(length.iter().fold(self.0, hash), hash))
    }

    /// Adds a part that may be absent.
    pub(crate) fn with_opt(self, part: Option<impl AsRef<[u8]>>) -> Self {
        match part {
            Some(part) => self.with("some").with(part),
            None => self.with("none"),
        }
    }

    /// Adds the precondition.
    pub(crate) fn options(self, options: &WriteOptions) -> Self {
        match &options.precondition {
            None => self.with("any"),
            Some(Precondition::Absent) => self.with("absent"),
            Some(Precondition::Present) => self.with("present"),
            Some(Precondition::Revision(revision)) => self.with("revision").with(revision),
        }
    }

    /// A positive number that follows from the parts, for a lease.
    pub(crate) fn id(self) -> i64 {
        let folded = (self.0 >> 64) as u64 ^ self.0 as u64;
        ((folded >> 1).max(1)).cast_signed()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_differ_in_any_part_differ() {
        let of = |request: Fingerprint| request.options(&WriteOptions::default()).to_string();
        let held = WriteOptions { precondition: Some(Precondition::Absent), ..WriteOptions::default() };
        let all = [
            of(Fingerprint::new("put")),
            of(Fingerprint::new("put").with("ab").with("c")),
            of(Fingerprint::new("put").with("a").with("bc")),
            of(Fingerprint::new("put").with("ab").with("c").with_opt(None::<&str>)),
            of(Fingerprint::new("put").with("ab").with("c").with_opt(Some(""))),
            of(Fingerprint::new("set").with("ab").with("c")),
            Fingerprint::new("put").options(&held).to_string(),
        ];
        assert!((0..all.len()).all(|one| (0..one).all(|other| all[one] != all[other])));
        assert_eq!(all[0].len(), 32);
    }

    #[test]
    fn it_is_the_published_fnv_1a() {
        // The published value of 128-bit FNV-1a for "a", without the length that goes before it.
        let hash = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul((1 << 88) + 0x13b);
        assert_eq!(hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, b'a'), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        let prefix = 1u64.to_le_bytes().into_iter().chain(*b"a");
        let expected = prefix.fold(Fingerprint::new("x").0, hash);
        assert_eq!(Fingerprint::new("x").with("a").0, expected);
    }

    #[test]
    fn an_id_is_positive() {
        assert!((0..1000u32).all(|n| Fingerprint::new("id").with(n.to_le_bytes()).id() > 0));
    }
}
