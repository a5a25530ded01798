//! One consistent change after the other, on a state that only knows single batches.
//!
//! Every transaction reads the key [`HEAD`] first and writes it back with the expectation that nobody else did in
//! between. So transactions happen as if one after the other, and a transaction that lost the race starts over from
//! reading. Reads of several keys are held to the same: they are repeated if the head moved under them.
//!
//! Keys are laid out as `kv/KEY`, `sd/SERVICE/ID`, `sd-ttl/SERVICE/ID`, `lease/ID`, `lock/NAME`, `orch/NAMESPACE/NAME`,
//! `log/NUMBER`, `once/KEY` and `once-slot/NUMBER`. Changes of the first two are what people watch, so they go to the log.

mod expiry;
pub(crate) mod log;
mod once;

use std::collections::BTreeMap;

use jackfield_sdk::prelude::*;
use jackfield_sdk::state::{Batch, Expect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use once::Request;

/// The key that every transaction writes.
const HEAD: &str = "head";
/// The keys whose changes go to the log.
const WATCHED: [&str; 2] = ["kv/", "sd/"];

/// What is true of the store as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Counts whatever needs a number that was never used before: leases, fencing.
    counter: u64,
    /// Where the log stands.
    #[serde(default)]
    pub(crate) log: log::Bounds,
    /// How many idempotency keys were ever kept.
    once: u64,
    /// Nothing expires before this.
    due: Option<TimestampMs>,
}

/// A key that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: Vec<u8>,
    /// The revision it was last changed at; none where this very transaction changed it.
    revision: Option<u64>,
}

impl Found {
    /// The revision, given that of the commit of this transaction.
    pub(crate) fn revision(&self, committed: u64) -> String {
        self.revision.unwrap_or(committed).to_string()
    }

    /// The revision; none where this very transaction changed the key.
    pub(crate) fn known_revision(&self) -> Option<u64> {
        self.revision
    }

    /// What the key holds, read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        state::from_json(key, &self.value)
    }
}

/// A transaction: what it has read stays valid until its commit, or its commit fails.
pub(crate) struct Txn {
    pub(crate) now: TimestampMs,
    head: Head,
    head_revision: Option<u64>,
    /// What was changed so far; `None` is a key that was removed.
    changes: BTreeMap<String, Option<Vec<u8>>>,
    /// The watched keys that were changed, in order.
    logged: Vec<String>,
    /// Whether there is anything to commit.
    touched: bool,
}

/// What became of a write.
enum Written {
    /// It was made, at this revision.
    Now(u64),
    /// It was made before: the answer of that time, and the revision.
    Before(Vec<u8>, u64),
}

/// Reads, repeating until nothing changed meanwhile.
pub(crate) fn read<T>(look: impl Fn(&Txn) -> Result<T>) -> Result<T> {
    let mut seen = None;
    read_with(&mut |txn| {
        seen = Some(look(txn)?);
        Ok(())
    })?;
    seen.ok_or_else(lost)
}

/// Writes as the options say. `act` may run several times; it must do nothing but use the transaction. Returns its answer
/// and the revision at which it was committed, for a repeated idempotency key those of the first time. With `dry-run`
/// nothing is committed and the revision is 0.
pub(crate) fn write<T: Serialize + DeserializeOwned>(
    request: &Request,
    options: &WriteOptions,
    act: impl Fn(&mut Txn) -> Result<T>,
) -> Result<(T, u64)> {
    let mut made = None;
    let written = write_with(request, options, &mut |txn| {
        let answer = act(txn)?;
        let json = if options.idempotency_key.is_some() { to_json(&answer)? } else { Vec::new() };
        made = Some(answer);
        Ok(json)
    })?;
    match written {
        Written::Now(revision) => Ok((made.ok_or_else(lost)?, revision)),
        Written::Before(answer, revision) => Ok((state::from_json("once/", &answer)?, revision)),
    }
}

// The bodies of `read` and `write` are not generic, so that a component has them once and not once an operation.

fn read_with(look: &mut dyn FnMut(&Txn) -> Result<()>) -> Result<()> {
    state::retry(|| {
        let txn = Txn::begin()?;
        // What expired is put away by whoever comes along, also by a read, which then starts over.
        if txn.touched {
            txn.commit()?;
            return Ok(None);
        }
        let seen = look(&txn);
        if txn.still_holds()? { seen.map(Some) } else { Ok(None) }
    })
}

fn write_with(
    request: &Request,
    options: &WriteOptions,
    act: &mut dyn FnMut(&mut Txn) -> Result<Vec<u8>>,
) -> Result<Written> {
    state::retry(|| {
        let mut txn = Txn::begin()?;
        if let Some((answer, revision)) = txn.done_before(request, options)? {
            return Ok(Some(Written::Before(answer, revision)));
        }
        let answer = match act(&mut txn) {
            Ok(answer) => answer,
            // A refusal counts only if what it rests on was true all at once.
            Err(refusal) => return if txn.still_holds()? { Err(refusal) } else { Ok(None) },
        };
        if !options.dry_run {
            txn.remember(request, options, &answer)?;
            if txn.touched {
                return Ok(txn.commit()?.map(Written::Now));
            }
        }
        Ok(txn.still_holds()?.then_some(Written::Now(0)))
    })
}

fn lost() -> Error {
    Error::internal("a transaction ended without an answer")
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::internal(format!("a record cannot be written: {e}")))
}

impl Txn {
    fn begin() -> Result<Self> {
        let (head, head_revision) = match state::get_json::<Head>(HEAD)? {
            Some((head, revision)) => (head, Some(revision)),
            None => (Head::default(), None),
        };
        let now = time::now_ms();
        let mut txn = Self { now, head, head_revision, changes: BTreeMap::new(), logged: Vec::new(), touched: false };
        txn.put_away_what_expired()?;
        Ok(txn)
    }

    /// Where the log stands.
    pub(crate) fn log(&self) -> log::Bounds {
        self.head.log
    }

    /// Reads a key, with the changes of this transaction.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Found>> {
        match self.changes.get(key) {
            Some(changed) => Ok(changed.as_ref().map(|value| Found { value: value.clone(), revision: None })),
            None => Ok(state::get(key)?.map(|found| Found { value: found.value, revision: Some(found.revision) })),
        }
    }

    /// Reads all keys that start with `prefix`, in order, with the changes of this transaction.
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<(String, Found)>> {
        let mut all: Vec<(String, Found)> = Vec::new();
        for item in state::list_all(prefix)? {
            if !self.changes.contains_key(&item.key) {
                all.push((item.key, Found { value: item.value, revision: Some(item.revision) }));
            }
        }
        let stored = all.len();
        for (key, changed) in self.changes.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
            if let Some(value) = changed {
                all.push((key.clone(), Found { value: value.clone(), revision: None }));
            }
        }
        if all.len() > stored {
            all.sort_by(|one, other| one.0.cmp(&other.0));
        }
        Ok(all)
    }

    /// Sets a key.
    pub(crate) fn set(&mut self, key: impl Into<String>, value: Vec<u8>) {
        self.change(key.into(), Some(value));
    }

    /// Sets a key to JSON.
    pub(crate) fn set_json(&mut self, key: impl Into<String>, value: &impl Serialize) -> Result<()> {
        let json =
            serde_json::to_vec(value).map_err(|e| Error::internal(format!("a record cannot be written: {e}")))?;
        self.set(key, json);
        Ok(())
    }

    /// Removes a key that is there.
    pub(crate) fn remove(&mut self, key: impl Into<String>) {
        self.change(key.into(), None);
    }

    fn change(&mut self, key: String, value: Option<Vec<u8>>) {
        if WATCHED.iter().any(|prefix| key.starts_with(prefix)) {
            // Of several changes of one key in one transaction, the last is what happened.
            self.logged.retain(|logged| *logged != key);
            self.logged.push(key.clone());
        }
        self.changes.insert(key, value);
        self.touched = true;
    }

    /// A number that was never handed out before.
    pub(crate) fn number(&mut self) -> u64 {
        self.head.counter += 1;
        self.head.counter
    }

    /// Whether nobody has committed anything since this transaction began.
    fn still_holds(&self) -> Result<bool> {
        Ok(state::get(HEAD)?.map(|found| found.revision) == self.head_revision)
    }

    /// Makes the changes; `None` when another transaction came first.
    fn commit(mut self) -> Result<Option<u64>> {
        let mut batch = self.write_log(Batch::new())?;
        for (key, changed) in self.changes {
            batch = match changed {
                Some(value) => batch.set(key, value, Expect::Any),
                None => batch.delete(key, Expect::Any),
            };
        }
        let expect = self.head_revision.map_or(Expect::Absent, Expect::Revision);
        batch.set_json(HEAD, &self.head, expect)?.try_commit()
    }
}
