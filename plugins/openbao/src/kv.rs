//! Keys and values over KV version 2. A key's revision is the version of its secret. Deleting marks the newest version as deleted and
//! keeps the count, so a revision never comes back; the secret stays in OpenBao until its versions are destroyed there.
//!
//! What a write expects is read first and then held against the version, by the engine's check-and-set: whoever comes between has
//! made a new version, and the write is a `conflict`. One thing the engine cannot tell: a deletion makes no new version, so a key
//! that is deleted between the reading and the writing of a conditional put is put all the same. Two deletions at the same time may
//! both count the key. Nothing makes a write happen once by its key; the host's own journal does what can be done.

use jackfield_sdk::prelude::*;

use crate::client::{OpenBao, Stored};
use crate::scan::Walk;
use crate::wit::KeyValue;
use crate::wit::key_value::{ChangeBatch, Deletion, Entry, EntryPage};
use crate::{OpenBaoPlugin, names, value};

/// How many keys a page looks at where the caller does not say: each takes a request.
const DEFAULT_LIMIT: usize = 100;
/// How many it looks at at most.
const MOST: usize = 500;
/// How many bytes of values end a page.
const BUDGET: usize = 8 << 20;
/// The revision of what a dry run would write. No key ever has it.
const NOT_WRITTEN: &str = "0";

impl Stored {
    fn revision(&self) -> Option<String> {
        self.secret.is_some().then(|| self.version.to_string())
    }

    fn value(&self, field: &str) -> Option<Vec<u8>> {
        self.secret.as_ref().map(|secret| value::of_secret(field, secret))
    }

    fn entry(self, key: String, field: &str) -> Option<Entry> {
        let value = self.value(field)?;
        Some(Entry { key, value, revision: self.version.to_string(), lease: None })
    }
}

impl OpenBao {
    /// Sets a key if `check` finds nothing wrong with what is kept there; without one whatever that is.
    fn set(
        &self,
        key: String,
        value: Vec<u8>,
        dry_run: bool,
        check: Option<impl FnOnce(&Stored) -> Result<()>>,
    ) -> Result<Entry> {
        names::key(&key, "/key")?;
        let at = match check {
            Some(check) => {
                let stored = self.read(&key)?;
                check(&stored)?;
                Some(stored.version)
            }
            None => None,
        };
        let revision = match dry_run {
            true => NOT_WRITTEN.to_owned(),
            false => {
                let secret = value::to_secret(&self.settings.field, value.clone());
                self.write(&key, &secret, at).map_err(|error| came_first(error, &key))?.to_string()
            }
        };
        Ok(Entry { key, value, revision, lease: None })
    }
}

fn came_first(error: Error, key: &str) -> Error {
    match error.is_conflict() {
        true => Error {
            message: format!("the key `{key}` was changed by another at the same time; read it again"),
            ..error
        },
        false => error,
    }
}

fn check(options: &WriteOptions, key: &str, stored: &Stored) -> Result<()> {
    options.check(&format!("the key `{key}`"), stored.revision().as_deref())
}

impl KeyValue for OpenBaoPlugin {
    fn get(key: String) -> Result<Option<Entry>> {
        names::key(&key, "/key")?;
        let bao = OpenBao::open()?;
        Ok(bao.read(&key)?.entry(key, &bao.settings.field))
    }

    fn list(prefix: String, page: Page) -> Result<EntryPage> {
        names::prefix(&prefix, "/prefix")?;
        let limit = paging::limit(&page, DEFAULT_LIMIT)?.min(MOST);
        let after = page.cursor.as_deref().map(|cursor| cursor_of(cursor, &prefix)).transpose()?;
        let bao = OpenBao::open()?;
        let mut walk = Walk::new(&bao, &prefix, after.as_deref())?;
        let (mut items, mut looked, mut bytes, mut last) = (Vec::new(), 0, 0, None);
        while let Some(key) = walk.next()? {
            if looked == limit || bytes > BUDGET {
                return Ok(EntryPage { items, next: last.map(|key: String| paging::seal(&key)) });
            }
            let entry = bao.read(&key)?.entry(key.clone(), &bao.settings.field);
            bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
            items.extend(entry);
            (looked, last) = (looked + 1, Some(key));
        }
        Ok(EntryPage { items, next: None })
    }

    fn poll_changes(_: String, _: Option<String>, _: u32) -> Result<ChangeBatch> {
        Err(Error::unsupported(
            "OpenBao tells nobody what changes in a secrets engine, and to find out means to ask for every key; list the prefix when \
             you need to know, and compare revisions",
        ))
    }

    fn put(key: String, value: Vec<u8>, lease: Option<String>, options: WriteOptions) -> Result<Entry> {
        if lease.is_some() {
            return Err(Error::unsupported("OpenBao keeps keys under no lease; put it without one"));
        }
        let judge = |stored: &Stored| check(&options, &key, stored);
        let judge = options.precondition.is_some().then_some(judge);
        OpenBao::open()?.set(key.clone(), value, options.dry_run, judge)
    }

    fn delete(key: String, options: WriteOptions) -> Result<Deletion> {
        names::key(&key, "/key")?;
        let bao = OpenBao::open()?;
        let stored = bao.read(&key)?;
        check(&options, &key, &stored)?;
        let there = stored.secret.is_some();
        if there && !options.dry_run {
            // That version and no other: one that somebody writes meanwhile stays.
            bao.delete(&key, stored.version)?;
        }
        Ok(Deletion { deleted: u64::from(there) })
    }

    fn compare_and_set(key: String, expected: Option<Vec<u8>>, value: Vec<u8>, options: WriteOptions) -> Result<Entry> {
        let bao = OpenBao::open()?;
        let judge = |stored: &Stored| {
            check(&options, &key, stored)?;
            let message = match (&expected, stored.value(&bao.settings.field)) {
                (Some(expected), Some(value)) if *expected == value => return Ok(()),
                (None, None) => return Ok(()),
                (None, Some(_)) => format!("the key `{key}` exists already"),
                (Some(_), None) => format!("the key `{key}` does not exist"),
                (Some(_), Some(_)) => format!("the key `{key}` holds another value than expected; read it again"),
            };
            Err(Error::conflict(message))
        };
        bao.set(key.clone(), value, options.dry_run, Some(judge))
    }
}

/// The key that the page before ended with.
fn cursor_of(cursor: &str, prefix: &str) -> Result<String> {
    let key = paging::unseal(cursor)?;
    match key.starts_with(prefix) {
        true => Ok(key),
        false => Err(Error::invalid("/page/cursor", "this cursor belongs to another list; start without one")),
    }
}

#[cfg(test)]
#[path = "kv_tests.rs"]
mod tests;
