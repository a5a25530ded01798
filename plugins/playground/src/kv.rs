//! Keys and values. A key `a` is the state's key `kv/a`, which holds the lease's id, a line feed, and the value; its
//! revision is the state's own, so it changes with every change of the key and never otherwise.

use jackfield_sdk::prelude::*;

use crate::store::{self, Found, Request, Txn};
use crate::wit::key_value::{ChangeBatch, Deletion, Entry, EntryPage};
use crate::{KeyValue, Playground, feed, leases, limits};

/// How many entries a page has where the caller does not say.
const DEFAULT_LIMIT: usize = 100;

/// The state's key.
pub(crate) fn key(key: &str) -> String {
    format!("kv/{key}")
}

fn encode(value: &[u8], lease: Option<&str>) -> Vec<u8> {
    [lease.unwrap_or_default().as_bytes(), b"\n", value].concat()
}

fn decode(stored: &[u8]) -> (Option<&str>, &[u8]) {
    let end = stored.iter().position(|byte| *byte == b'\n').unwrap_or(stored.len());
    let lease = std::str::from_utf8(&stored[..end]).ok().filter(|lease| !lease.is_empty());
    (lease, stored.get(end + 1..).unwrap_or_default())
}

/// The lease a stored key is under.
pub(crate) fn lease_of(stored: &[u8]) -> Option<&str> {
    decode(stored).0
}

/// The value of a stored key.
pub(crate) fn value_of(stored: &[u8]) -> &[u8] {
    decode(stored).1
}

/// The entry of a stored key.
pub(crate) fn entry(key: impl Into<String>, stored: &[u8], revision: String) -> Entry {
    let (lease, value) = decode(stored);
    Entry { key: key.into(), value: value.to_vec(), revision, lease: lease.map(str::to_owned) }
}

/// The revision of a key, where there is one, as preconditions compare it.
pub(crate) fn revision(found: Option<&Found>) -> Option<String> {
    found.map(|found| found.revision(0))
}

/// Sets a key within a transaction. `field` is where the request has key, value and lease.
pub(crate) fn put(txn: &mut Txn, name: &str, value: &[u8], lease: Option<&str>, field: &str) -> Result<()> {
    limits::key(name, &format!("{field}/key"))?;
    limits::value(value, &format!("{field}/value"))?;
    if let Some(lease) = lease {
        leases::find(txn, lease)?;
    }
    txn.set(key(name), encode(value, lease));
    Ok(())
}

/// Removes a key within a transaction and says how many that were.
pub(crate) fn remove(txn: &mut Txn, name: &str) -> Result<u64> {
    let there = txn.get(&key(name))?.is_some();
    if there {
        txn.remove(key(name));
    }
    Ok(u64::from(there))
}

impl KeyValue for Playground {
    fn get(name: String) -> Result<Option<Entry>> {
        limits::key(&name, "/key")?;
        let found = store::read(|txn| txn.get(&key(&name)))?;
        Ok(found.map(|found| entry(name, &found.value, found.revision(0))))
    }

    fn list(prefix: String, page: Page) -> Result<EntryPage> {
        if !prefix.is_empty() {
            limits::key(&prefix, "/prefix")?;
        }
        let limit = paging::limit(&page, DEFAULT_LIMIT)?;
        let after = page.cursor.as_deref().map(paging::unseal).transpose()?;
        let after = match after.as_deref().map(|text| text.strip_prefix("after:")) {
            None => None,
            Some(Some(name)) => Some(key(name)),
            Some(None) => {
                return Err(Error::invalid("/page/cursor", "this cursor belongs to another list; start without one"));
            }
        };
        // One more than asked for tells whether there is a next page.
        let ask = u32::try_from(limit + 1).unwrap_or(u32::MAX).min(state::MAX_LIST);
        let stored = store::read(|_| state::list(&key(&prefix), after.as_deref(), ask))?;
        let full = stored.len() == ask as usize;
        let (mut items, mut bytes) = (Vec::new(), 0);
        for item in &stored[..stored.len() - usize::from(full)] {
            bytes += item.value.len();
            if !items.is_empty() && bytes > limits::MAX_PAGE_BYTES {
                break;
            }
            let name = item.key.strip_prefix("kv/").unwrap_or(&item.key);
            items.push(entry(name, &item.value, item.revision.to_string()));
        }
        let more = items.len() < stored.len();
        let next = items.last().filter(|_| more).map(|last| paging::seal(&format!("after:{}", last.key)));
        Ok(EntryPage { items, next })
    }

    fn poll_changes(prefix: String, cursor: Option<String>, wait_ms: u32) -> Result<ChangeBatch> {
        feed::entries(&prefix, cursor.as_deref(), wait_ms)
    }

    fn put(name: String, value: Vec<u8>, lease: Option<String>, options: WriteOptions) -> Result<Entry> {
        let request = Request::new("put").with(&name).with(&value).with_opt(lease.as_ref());
        let ((), committed) = store::write(&request, &options, |txn| {
            let found = txn.get(&key(&name))?;
            options.check(&format!("the key `{name}`"), revision(found.as_ref()).as_deref())?;
            put(txn, &name, &value, lease.as_deref(), "")
        })?;
        Ok(Entry { key: name, value, revision: committed.to_string(), lease })
    }

    fn delete(name: String, options: WriteOptions) -> Result<Deletion> {
        limits::key(&name, "/key")?;
        let request = Request::new("delete").with(&name);
        let (deleted, _) = store::write(&request, &options, |txn| {
            let found = txn.get(&key(&name))?;
            options.check(&format!("the key `{name}`"), revision(found.as_ref()).as_deref())?;
            remove(txn, &name)
        })?;
        Ok(Deletion { deleted })
    }

    fn compare_and_set(
        name: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        options: WriteOptions,
    ) -> Result<Entry> {
        let request = Request::new("compare-and-set").with(&name).with_opt(expected.as_ref()).with(&value);
        let ((), committed) = store::write(&request, &options, |txn| {
            let found = txn.get(&key(&name))?;
            options.check(&format!("the key `{name}`"), revision(found.as_ref()).as_deref())?;
            match (&expected, found.as_ref().map(|found| value_of(&found.value))) {
                (Some(expected), Some(value)) if expected == value => {}
                (None, None) => {}
                (None, Some(_)) => return Err(Error::conflict(format!("the key `{name}` exists already"))),
                (Some(_), None) => return Err(Error::conflict(format!("the key `{name}` does not exist"))),
                (Some(_), Some(_)) => {
                    return Err(Error::conflict(format!(
                        "the key `{name}` holds another value than expected; read it again"
                    )));
                }
            }
            put(txn, &name, &value, None, "")
        })?;
        Ok(Entry { key: name, value, revision: committed.to_string(), lease: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_and_lease_are_kept_apart() {
        for (value, lease) in [(&b""[..], None), (b"\n", None), (b"a\nb\0", Some("1f")), (b"", Some("x"))] {
            assert_eq!(decode(&encode(value, lease)), (lease, value));
        }
    }
}
