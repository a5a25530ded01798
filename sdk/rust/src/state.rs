//! A small key-value store of the integration's own, which survives restarts and has a quota. Changes are made in
//! batches, all or none; each may say what must be true of its key, so that writers who meet do not overwrite each other.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::jackfield::plugin::state::{DeleteMutation, Mutation, SetMutation};
pub use crate::bindings::jackfield::plugin::state::{Expect, Item, Versioned};
use crate::host;
use crate::types::{Error, Result};

/// The most keys one [`list`] returns.
pub const MAX_LIST: u32 = 1000;

/// Reads one key.
pub fn get(key: &str) -> Result<Option<Versioned>> {
    host::state_get(key)
}

/// Reads one key that holds JSON, and the revision it is at.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<(T, u64)>> {
    match get(key)? {
        Some(found) => Ok(Some((from_json(key, &found.value)?, found.revision))),
        None => Ok(None),
    }
}

/// Lists keys that start with `prefix`, in byte order, from the first one after `after`; at most `limit`, never more than
/// [`MAX_LIST`].
pub fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Item>> {
    host::state_list(prefix, after, limit.min(MAX_LIST))
}

/// Lists all keys that start with `prefix`, in byte order. For prefixes that are known to hold little.
pub fn list_all(prefix: &str) -> Result<Vec<Item>> {
    let mut all = list(prefix, None, MAX_LIST)?;
    let mut full = all.len() == MAX_LIST as usize;
    while full {
        let more = list(prefix, all.last().map(|item| item.key.as_str()), MAX_LIST)?;
        full = more.len() == MAX_LIST as usize;
        all.extend(more);
    }
    Ok(all)
}

/// Sets one key, whatever it holds now. Returns the new revision.
pub fn set(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Result<u64> {
    Batch::new().set(key, value, Expect::Any).commit()
}

/// Removes one key, whatever it holds now. Returns the new revision.
pub fn delete(key: impl Into<String>) -> Result<u64> {
    Batch::new().delete(key, Expect::Any).commit()
}

/// Reads JSON that this plugin wrote.
pub fn from_json<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T> {
    serde_json::from_slice(value)
        .map_err(|e| Error::internal(format!("the plugin's state holds something unreadable at `{key}`: {e}")))
}

/// Repeats an attempt until it succeeds: for changes that read, decide and commit. An attempt answers `None` when
/// another writer came first ([`Batch::try_commit`] says so); it starts over from reading.
pub fn retry<T>(mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut done = None;
    retry_until(&mut || {
        done = attempt()?;
        Ok(done.is_some())
    })?;
    done.ok_or_else(lost_out)
}

/// Not generic, so that a component has it once.
fn retry_until(attempt: &mut dyn FnMut() -> Result<bool>) -> Result<()> {
    const ATTEMPTS: u32 = 64;
    for round in 0..ATTEMPTS {
        if attempt()? {
            return Ok(());
        }
        // Losing means that somebody won, so waiting is only needed to spread many writers.
        if round >= 4 {
            std::thread::sleep(std::time::Duration::from_millis(u64::from(round % 8) + 1));
        }
    }
    Err(lost_out())
}

fn lost_out() -> Error {
    Error::conflict("other writers came first again and again; try again")
}

/// Changes that are made all or none.
///
/// ```
/// # use jackfield_sdk::state::{self, Batch, Expect};
/// let revision = Batch::new().set("a", "1", Expect::Absent).delete("b", Expect::Any).commit()?;
/// assert_eq!(state::get("a")?.unwrap().revision, revision);
/// assert!(Batch::new().set("a", "2", Expect::Absent).commit().unwrap_err().is_conflict());
/// # Ok::<(), jackfield_sdk::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "nothing happens until the batch is committed"]
pub struct Batch {
    mutations: Vec<Mutation>,
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>, expect: Expect) -> Self {
        self.mutations.push(Mutation::Set(SetMutation { key: key.into(), value: value.into(), expect }));
        self
    }

    /// Sets a key to JSON.
    pub fn set_json<T: Serialize>(self, key: impl Into<String>, value: &T, expect: Expect) -> Result<Self> {
        let key = key.into();
        let json = serde_json::to_vec(value)
            .map_err(|e| Error::internal(format!("what is to be kept at `{key}` cannot be written as JSON: {e}")))?;
        Ok(self.set(key, json, expect))
    }

    /// Removes a key. Removing one that is not there is no fault.
    pub fn delete(mut self, key: impl Into<String>, expect: Expect) -> Self {
        self.mutations.push(Mutation::Delete(DeleteMutation { key: key.into(), expect }));
        self
    }

    /// How many changes the batch has.
    pub fn len(&self) -> usize {
        self.mutations.len()
    }

    /// Whether the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.mutations.is_empty()
    }

    /// Makes the changes and returns the new revision. Fails with `conflict` when an expectation does not hold.
    pub fn commit(self) -> Result<u64> {
        host::state_commit(self.mutations)
    }

    /// As [`commit`](Self::commit), but `None` when an expectation does not hold.
    pub fn try_commit(self) -> Result<Option<u64>> {
        match self.commit() {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
