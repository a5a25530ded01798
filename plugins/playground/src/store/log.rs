//! The log of changes: what `poll-changes` reads. Changes are numbered from 1 on and written in the very batch that makes
//! them, so a change that happened is in the log and nothing else is. Only the latest are kept; a reader that stayed away
//! for longer is told so instead of being given a list with holes.

use jackfield_sdk::prelude::*;
use jackfield_sdk::state::{Batch, Expect, Item};
use serde::{Deserialize, Serialize};

use super::Txn;

/// The most changes that are kept.
const MAX_CHANGES: u64 = 1000;
/// How much the kept changes may hold, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where the log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// How many changes were ever made: the number of the latest.
    pub(crate) last: u64,
    /// How many of them were dropped: all numbers above this are kept.
    pub(crate) dropped: u64,
    /// What the kept ones hold, in bytes.
    bytes: u64,
}

/// A change as it was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its number.
    pub(crate) number: u64,
    /// The key that changed.
    pub(crate) key: String,
    /// What the key holds since; none where it was removed.
    pub(crate) value: Option<Vec<u8>>,
    /// The revision of the change.
    pub(crate) revision: u64,
}

/// The changes after `number`, at most `limit`.
pub(crate) fn after(number: u64, limit: u32) -> Result<Vec<Change>> {
    state::list("log/", Some(&key(number)), limit)?.iter().map(decode).collect()
}

fn key(number: u64) -> String {
    format!("log/{number:020}")
}

/// `+` or `-`, the length of the key, the key, the value.
fn encode(key: &str, value: Option<&[u8]>) -> Vec<u8> {
    let sign = if value.is_some() { '+' } else { '-' };
    let mut record = format!("{sign}{}:{key}", key.len()).into_bytes();
    record.extend_from_slice(value.unwrap_or_default());
    record
}

fn decode(item: &Item) -> Result<Change> {
    let parts = || {
        let number = item.key.strip_prefix("log/")?.parse().ok()?;
        let colon = item.value.iter().position(|byte| *byte == b':')?;
        let (head, rest) = (&item.value[..colon], &item.value[colon + 1..]);
        let length = std::str::from_utf8(head.get(1..)?).ok()?.parse().ok()?;
        let (key, value) = rest.split_at_checked(length)?;
        let key = std::str::from_utf8(key).ok()?.to_owned();
        let value = (head[0] == b'+').then(|| value.to_vec());
        Some(Change { number, key, value, revision: item.revision })
    };
    parts().ok_or_else(|| Error::internal(format!("the change log holds something unreadable at `{}`", item.key)))
}

impl Txn {
    /// Adds this transaction's changes to the log and drops the oldest beyond the bounds.
    pub(super) fn write_log(&mut self, mut batch: Batch) -> Result<Batch> {
        for changed in &self.logged {
            let record = encode(changed, self.changes.get(changed).and_then(Option::as_deref));
            self.head.log.last += 1;
            self.head.log.bytes += record.len() as u64;
            batch = batch.set(key(self.head.log.last), record, Expect::Any);
        }
        let stored = self.head.log.last - self.logged.len() as u64;
        while self.head.log.is_full() && self.head.log.dropped < stored {
            let oldest = state::list("log/", Some(&key(self.head.log.dropped)), 16)?;
            if oldest.is_empty() {
                break;
            }
            for item in oldest.iter().take_while(|item| item.key <= key(stored)) {
                if !self.head.log.is_full() {
                    break;
                }
                self.head.log.dropped = decode(item)?.number;
                self.head.log.bytes = self.head.log.bytes.saturating_sub(item.value.len() as u64);
                batch = batch.delete(&item.key, Expect::Any);
            }
        }
        Ok(batch)
    }
}

impl Bounds {
    fn is_full(&self) -> bool {
        self.last - self.dropped > MAX_CHANGES || self.bytes > MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_back_as_it_was_written() {
        for (changed, value) in [("kv/a", Some(&b"1:2\n\0"[..])), ("kv/a\n:b", None), ("kv/ü", Some(b""))] {
            let item = Item { key: key(7), value: encode(changed, value), revision: 3 };
            let change = Change { number: 7, key: changed.into(), value: value.map(<[u8]>::to_vec), revision: 3 };
            assert_eq!(decode(&item).unwrap(), change);
        }
    }

    #[test]
    fn what_is_no_change_is_told_as_such() {
        for value in ["", "+", "+9:kv", "+x:kv", ":", "+-1:k"] {
            let item = Item { key: key(1), value: value.into(), revision: 1 };
            assert!(decode(&item).is_err(), "{value}");
        }
    }

    #[test]
    fn log_keys_sort_as_their_numbers() {
        assert!(key(9) < key(10) && key(u64::MAX - 1) < key(u64::MAX));
    }
}
