//! Keys and values. A key's revision is etcd's `mod_revision`; what a put answers is what was written and the revision at
//! which it was, as etcd itself says, so nobody else's later change is ever taken for one's own. A put without a lease
//! takes a key off the lease it is under.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::client::Etcd;
use crate::fingerprint::Fingerprint;
use crate::once::{Done, Once};
use crate::scan::Cursor;
use crate::wire::{Answer, Compare, DeleteRange, Int, Kv, Op, Put, Range, Txn, TxnDone};
use crate::wit::KeyValue;
use crate::wit::key_value::{ChangeBatch, Deletion, Entry, EntryPage};
use crate::{EtcdPlugin, feed, names};

/// How many entries a page has where the caller does not say.
const DEFAULT_LIMIT: usize = 500;
/// The revision of what a dry run would write. No key ever has it.
pub(crate) const NOT_WRITTEN: &str = "0";

/// For answers of which request and revision tell everything.
#[derive(Serialize, Deserialize)]
pub(crate) struct Nothing {}

/// The entry of a key; none where the key is no text.
pub(crate) fn entry(kv: Kv) -> Option<Entry> {
    let key = String::from_utf8(kv.key.0).ok()?;
    let lease = Some(kv.lease.0).filter(|lease| *lease != 0);
    Some(Entry {
        key,
        value: kv.value.0,
        revision: kv.mod_revision.0.to_string(),
        lease: lease.map(|lease| lease.to_string()),
    })
}

/// The first key of the first answer that is a reading.
pub(crate) fn found(done: TxnDone) -> Option<Kv> {
    match done.responses.into_iter().next() {
        Some(Answer::Range(range)) => range.kvs.into_iter().next(),
        _ => None,
    }
}

impl Etcd {
    pub(crate) fn get(&self, key: &str) -> Result<Option<Kv>> {
        if self.settings.hides(key.as_bytes()) {
            return Ok(None);
        }
        Ok(self.range(&Range::key(key))?.kvs.into_iter().next())
    }

    /// Sets a key if all comparisons hold. `broken` tells the conflict from what is stored.
    fn set(&self, writing: Writing<'_>, broken: impl FnOnce(Option<&Kv>) -> Result<()>) -> Result<Entry> {
        let Writing { key, value, lease, compare, request, options } = writing;
        names::own_key(key, "/key", &self.settings)?;
        let id = lease.as_deref().map(|lease| names::lease(lease, "/lease")).transpose()?;
        let once = Once::of(options, request, &self.settings)?;
        let at = |revision: String, value, lease| Entry { key: key.to_owned(), value, revision, lease };
        if options.dry_run {
            if let Some(once) = &once
                && let Some((revision, Nothing {})) = once.recall(self)?
            {
                return Ok(at(revision.to_string(), value, lease));
            }
            broken(self.get(key)?.as_ref())?;
            if let Some(id) = id
                && self.time_to_live(id)?.is_none()
            {
                return Err(Error::not_found(format!("there is no lease `{id}`; it may have ended")).downstream());
            }
            return Ok(at(NOT_WRITTEN.to_owned(), value, lease));
        }
        let put =
            Put { key: key.into(), value: value.clone().into(), lease: Int(id.unwrap_or_default()), ..Put::default() };
        if once.is_none() && compare.is_empty() {
            let revision = self.put(&put)?.header.revision.0;
            return Ok(at(revision.to_string(), value, lease));
        }
        let txn = Txn { compare, success: vec![Op::Put(put)], failure: vec![Op::Range(Range::key(key))] };
        match self.commit(once.as_ref(), txn, &Nothing {}, None)? {
            Done::Before(revision, Nothing {}) => Ok(at(revision.to_string(), value, lease)),
            Done::Now(done) if done.succeeded => Ok(at(done.header.revision.0.to_string(), value, lease)),
            Done::Now(done) => {
                broken(found(done).as_ref())?;
                Err(Error::conflict(format!("the key `{key}` was changed by another at the same time; read it again")))
            }
        }
    }
}

/// What is to be set, and if what holds.
struct Writing<'a> {
    key: &'a str,
    value: Vec<u8>,
    lease: Option<String>,
    compare: Vec<Compare>,
    request: Fingerprint,
    options: &'a WriteOptions,
}

fn check(options: &WriteOptions, key: &str, found: Option<&Kv>) -> Result<()> {
    let revision = found.map(|kv| kv.mod_revision.0.to_string());
    options.check(&format!("the key `{key}`"), revision.as_deref())
}

impl KeyValue for EtcdPlugin {
    fn get(key: String) -> Result<Option<Entry>> {
        names::key(&key, "/key")?;
        Ok(Etcd::open()?.get(&key)?.and_then(entry))
    }

    fn list(prefix: String, page: Page) -> Result<EntryPage> {
        let limit = paging::limit(&page, DEFAULT_LIMIT)?;
        let cursor = Cursor::of(&page, &prefix)?;
        let part = Etcd::open()?.scan(&prefix, cursor.as_ref(), limit)?;
        let last = part.kvs.last().filter(|_| part.more).map(|kv| kv.key.0.clone());
        let next = last.map(|after| Cursor { revision: part.revision, after }.seal());
        let count = part.kvs.len();
        let items: Vec<Entry> = part.kvs.into_iter().filter_map(entry).collect();
        if items.len() < count {
            jackfield_sdk::warn!("{} keys below `{prefix}` are left out: they are no text", count - items.len());
        }
        Ok(EntryPage { items, next })
    }

    fn poll_changes(prefix: String, cursor: Option<String>, wait_ms: u32) -> Result<ChangeBatch> {
        feed::entries(&Etcd::open()?, &prefix, cursor.as_deref(), wait_ms)
    }

    fn put(key: String, value: Vec<u8>, lease: Option<String>, options: WriteOptions) -> Result<Entry> {
        let request = Fingerprint::new("put").with(&key).with(&value).with_opt(lease.as_ref());
        let compare = names::precondition(&options, &key)?.into_iter().collect();
        let writing = Writing { key: &key, value, lease, compare, request, options: &options };
        Etcd::open()?.set(writing, |found| check(&options, &key, found))
    }

    fn delete(key: String, options: WriteOptions) -> Result<Deletion> {
        let etcd = Etcd::open()?;
        names::own_key(&key, "/key", &etcd.settings)?;
        let request = Fingerprint::new("delete").with(&key);
        let condition = names::precondition(&options, &key)?;
        let once = Once::of(&options, request, &etcd.settings)?;
        let deletion = |there: bool| Deletion { deleted: u64::from(there) };
        // What must not be there is not removed, so there is nothing to write.
        if options.dry_run || options.precondition == Some(Precondition::Absent) {
            if let Some(once) = &once
                && let Some((_, there)) = once.recall(&etcd)?
            {
                return Ok(deletion(there));
            }
            let stored = etcd.get(&key)?;
            check(&options, &key, stored.as_ref())?;
            return Ok(deletion(stored.is_some()));
        }
        let delete = DeleteRange { key: key.as_str().into(), prev_kv: false };
        if once.is_none() && condition.is_none() {
            return Ok(deletion(etcd.delete(&delete)?.deleted.0 > 0));
        }
        // Whether there is such a key decides the branch, so that the marker can say what was removed.
        let may_be_gone = condition.is_none();
        let txn = Txn {
            compare: [Compare::present(&key)].into_iter().chain(condition).collect(),
            success: vec![Op::Delete(delete)],
            failure: vec![Op::Range(Range { keys_only: true, ..Range::key(&key) })],
        };
        match etcd.commit(once.as_ref(), txn, &true, may_be_gone.then_some(&false))? {
            Done::Before(_, there) => Ok(deletion(there)),
            Done::Now(done) if done.succeeded => Ok(deletion(true)),
            Done::Now(_) if may_be_gone => Ok(deletion(false)),
            Done::Now(done) => Err(names::broken(&options, &format!("the key `{key}`"), found(done).as_ref())),
        }
    }

    fn compare_and_set(key: String, expected: Option<Vec<u8>>, value: Vec<u8>, options: WriteOptions) -> Result<Entry> {
        let request = Fingerprint::new("compare-and-set").with(&key).with_opt(expected.as_ref()).with(&value);
        let mut compare: Vec<Compare> = names::precondition(&options, &key)?.into_iter().collect();
        compare.push(match &expected {
            Some(expected) => Compare::holds(&key, expected.clone()),
            None => Compare::absent(&key),
        });
        let writing = Writing { key: &key, value, lease: None, compare, request, options: &options };
        Etcd::open()?.set(writing, |found| {
            check(&options, &key, found)?;
            match (&expected, found.map(|kv| &kv.value.0)) {
                (Some(expected), Some(value)) if expected == value => Ok(()),
                (None, None) => Ok(()),
                (None, Some(_)) => Err(Error::conflict(format!("the key `{key}` exists already"))),
                (Some(_), None) => Err(Error::conflict(format!("the key `{key}` does not exist"))),
                (Some(_), Some(_)) => {
                    Err(Error::conflict(format!("the key `{key}` holds another value than expected; read it again")))
                }
            }
        })
    }
}
