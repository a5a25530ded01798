//! What makes a write with an idempotency key happen once: the key, what was asked under it, and the silence that came of
//! it, kept in the plugin's state. A key is written down *before* anything is sent; without an id beside it, it says that
//! a silence may or may not have been made. The latest 500 keys are kept.

use jackfield_sdk::prelude::*;
use jackfield_sdk::state::{Batch, Expect};
use serde::{Deserialize, Serialize};

/// How many keys are kept.
const KEPT: usize = 500;
/// The longest key, in bytes.
const MAX_KEY: usize = 256;
const PREFIX: &str = "once/";

/// Tells requests apart (FNV-1a, 64 bits). It guards against mistaken use of a key, not against forgery: whoever may
/// write may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// A request of an operation.
    pub(crate) fn new(operation: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).with(operation)
    }

    /// Adds a part. Its length goes in too, so that parts cannot flow into each other.
    pub(crate) fn with(self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
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

    /// As hexadecimal digits.
    pub(crate) fn digits(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// What is kept of a write.
#[derive(Serialize, Deserialize)]
struct Record {
    request: Fingerprint,
    /// The silence that was made or ended; absent while that is not known.
    id: Option<String>,
    /// When it was written down.
    at: TimestampMs,
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is new, or has no key.
    New,
    /// It was sent, or was about to be, and what came of it is not known.
    Tried,
    /// It was carried out, on this silence.
    Done(String),
}

/// A write's idempotency key with what it is used for; or that there is none, and then nothing is kept.
pub(crate) struct Once {
    key: Option<String>,
    request: Fingerprint,
}

impl Once {
    /// The key of these options, for this request.
    pub(crate) fn new(options: &WriteOptions, request: Fingerprint) -> Result<Self> {
        if let Some(key) = &options.idempotency_key
            && (key.is_empty() || key.len() > MAX_KEY)
        {
            return Err(Error::invalid("/options/idempotency-key", format!("a key has 1 to {MAX_KEY} bytes")));
        }
        let condition = options.precondition.as_ref().map(|condition| format!("{condition:?}"));
        let key = options.idempotency_key.as_ref().map(|key| format!("{PREFIX}{key}"));
        Ok(Self { key, request: request.with_opt(condition) })
    }

    /// What is known of the request. A key that was used for another one is a conflict.
    pub(crate) fn known(&self) -> Result<Known> {
        let Some(key) = &self.key else { return Ok(Known::New) };
        match state::get_json::<Record>(key)? {
            None => Ok(Known::New),
            Some((record, _)) if record.request != self.request => Err(Error::conflict(
                "this idempotency key was used for another request; use a new key for each request",
            )),
            Some((Record { id: Some(id), .. }, _)) => Ok(Known::Done(id)),
            Some(_) => Ok(Known::Tried),
        }
    }

    /// Adds to a batch what came of the request.
    pub(crate) fn write(&self, batch: Batch, id: &str) -> Result<Batch> {
        match &self.key {
            Some(key) => batch.set_json(key.clone(), &self.record(Some(id)), Expect::Any),
            None => Ok(batch),
        }
    }

    /// Keeps at once what came of the request.
    pub(crate) fn remember(&self, id: &str) -> Result<()> {
        let batch = self.prune(self.write(Batch::new(), id)?)?;
        if batch.is_empty() { Ok(()) } else { batch.commit().map(drop) }
    }

    /// Adds to a batch that the request is about to be sent, unless another one has come first under this key.
    pub(crate) fn intend(&self, batch: Batch) -> Result<Batch> {
        let Some(key) = &self.key else { return Ok(batch) };
        let expect = state::get(key)?.map_or(Expect::Absent, |found| Expect::Revision(found.revision));
        batch.set_json(key.clone(), &self.record(None), expect)
    }

    fn record(&self, id: Option<&str>) -> Record {
        Record { request: self.request, id: id.map(str::to_owned), at: time::now_ms() }
    }

    /// Adds to a batch that the request was never carried out.
    pub(crate) fn forget(&self, batch: Batch) -> Batch {
        match &self.key {
            Some(key) => batch.delete(key.clone(), Expect::Any),
            None => batch,
        }
    }

    /// Forgets the oldest keys beyond those that are kept.
    pub(crate) fn prune(&self, batch: Batch) -> Result<Batch> {
        let Some(own) = &self.key else { return Ok(batch) };
        let mut kept = state::list_all(PREFIX)?;
        if kept.len() <= KEPT {
            return Ok(batch);
        }
        let at = |value: &[u8]| state::from_json::<Record>(own, value).map_or(0, |record| record.at);
        kept.sort_by_cached_key(|item| at(&item.value));
        let too_many = kept.len() - KEPT;
        let oldest = kept.into_iter().take(too_many).filter(|item| item.key != *own);
        // If one of them is used at this very moment, it is forgotten all the same: so is every key this old.
        Ok(oldest.fold(batch, |batch, item| batch.delete(item.key, Expect::Any)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(key: &str, what: &str) -> Once {
        let options = WriteOptions { idempotency_key: Some(key.into()), ..WriteOptions::default() };
        Once::new(&options, Fingerprint::new(what)).unwrap()
    }

    #[test]
    fn requests_that_differ_in_any_part_differ() {
        let all = [
            Fingerprint::new("a"),
            Fingerprint::new("a").with(""),
            Fingerprint::new("a").with("bc").with("d"),
            Fingerprint::new("a").with("b").with("cd"),
            Fingerprint::new("a").with_opt(None::<&str>),
            Fingerprint::new("a").with_opt(Some("")),
        ];
        assert!((0..all.len()).all(|one| (0..one).all(|other| all[one] != all[other])));
    }

    #[test]
    fn a_key_says_what_is_known_of_its_request() {
        let once = once("k", "a");
        assert_eq!(once.known().unwrap(), Known::New);
        once.intend(Batch::new()).unwrap().commit().unwrap();
        assert_eq!(once.known().unwrap(), Known::Tried);
        once.write(Batch::new(), "7").unwrap().commit().unwrap();
        assert_eq!(once.known().unwrap(), Known::Done("7".into()));
        assert!(super::tests::once("k", "b").known().unwrap_err().is_conflict());
        once.forget(Batch::new()).commit().unwrap();
        assert_eq!(once.known().unwrap(), Known::New);
    }

    #[test]
    fn the_oldest_keys_make_room() {
        for n in 0..KEPT + 5 {
            let record = Record { request: Fingerprint::new("a"), id: None, at: n as i64 };
            Batch::new().set_json(format!("once/{n:04}"), &record, Expect::Any).unwrap().commit().unwrap();
        }
        once("0001", "a").prune(Batch::new()).unwrap().commit().unwrap();
        let left = state::list_all("once/").unwrap();
        let keys: Vec<&str> = left.iter().map(|item| item.key.as_str()).take(2).collect();
        assert_eq!((left.len(), keys), (KEPT + 1, vec!["once/0001", "once/0005"]));
    }
}
