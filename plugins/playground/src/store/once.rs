//! What makes a write happen once: the latest idempotency keys with what was asked and answered. A key that comes again
//! with the same request gets the same answer; with another one it is a conflict. Keys and answers are written in the
//! very batch that makes the change. They sit in a ring of slots, so the oldest makes room for the newest.

use jackfield_sdk::prelude::*;

use super::Txn;
use crate::limits;

/// How many keys are remembered.
const SLOTS: u64 = 256;

/// What a write is asked to do, as far as telling two requests apart needs it: a fingerprint (FNV-1a, 64 bits) of all its
/// parts. It guards against mistaken use of a key, not against forgery: whoever may write may write.
pub(crate) struct Request(u64);

impl Request {
    /// A request of an operation.
    pub(crate) fn new(operation: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).with(operation)
    }

    /// Adds a part.
    pub(crate) fn with(self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        // The length goes in too, so that parts cannot flow into each other.
        let bytes = (part.len() as u64).to_le_bytes().into_iter().chain(part.iter().copied());
        Self(bytes.fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    /// Adds a part that may be absent.
    pub(crate) fn with_opt(self, part: Option<impl AsRef<[u8]>>) -> Self {
        match part {
            Some(part) => self.with("some").with(part),
            None => self.with("none"),
        }
    }

    fn fingerprint(&self, options: &WriteOptions) -> u64 {
        let request = Self(self.0);
        match &options.precondition {
            None => request.with("any"),
            Some(Precondition::Absent) => request.with("absent"),
            Some(Precondition::Present) => request.with("present"),
            Some(Precondition::Revision(revision)) => request.with("revision").with(revision),
        }
        .0
    }
}

fn once_key(options: &WriteOptions) -> Result<Option<String>> {
    match &options.idempotency_key {
        Some(key) if !options.dry_run => {
            limits::key(key, "/options/idempotency-key")?;
            Ok(Some(format!("once/{key}")))
        }
        _ => Ok(None),
    }
}

impl Txn {
    /// The answer and the revision of a write that was made before.
    pub(super) fn done_before(&self, request: &Request, options: &WriteOptions) -> Result<Option<(Vec<u8>, u64)>> {
        let Some(key) = once_key(options)? else { return Ok(None) };
        let Some(found) = state::get(&key)? else { return Ok(None) };
        match found.value.split_first_chunk() {
            Some((asked, answer)) if u64::from_le_bytes(*asked) == request.fingerprint(options) => {
                Ok(Some((answer.to_vec(), found.revision)))
            }
            _ => Err(Error::conflict(
                "this idempotency key was used for another request; use a new key for each request",
            )),
        }
    }

    /// Keeps an answer for the time the same request comes again: the fingerprint, then the answer.
    pub(super) fn remember(&mut self, request: &Request, options: &WriteOptions, answer: &[u8]) -> Result<()> {
        let Some(key) = once_key(options)? else { return Ok(()) };
        let slot = format!("once-slot/{:03}", self.head.once % SLOTS);
        self.head.once += 1;
        if let Some(oldest) = self.get(&slot)? {
            self.remove(String::from_utf8_lossy(&oldest.value));
        }
        self.set(slot, key.clone().into_bytes());
        self.set(key, [&request.fingerprint(options).to_le_bytes()[..], answer].concat());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_differ_in_any_part_differ() {
        let options = WriteOptions::default();
        let of = |request: Request| request.fingerprint(&options);
        let all = [
            of(Request::new("put")),
            of(Request::new("put").with("ab").with("c")),
            of(Request::new("put").with("a").with("bc")),
            of(Request::new("put").with("ab").with("c").with_opt(None::<&str>)),
            of(Request::new("put").with("ab").with("c").with_opt(Some(""))),
            of(Request::new("set").with("ab").with("c")),
        ];
        assert!((0..all.len()).all(|one| (0..one).all(|other| all[one] != all[other])));
        let held = WriteOptions { precondition: Some(Precondition::Absent), ..options.clone() };
        assert_ne!(Request::new("put").fingerprint(&held), of(Request::new("put")));
    }
}
