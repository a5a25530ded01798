//! A store that forgets: for tests, and for embedders who keep their own state. It obeys the whole contract but for
//! durability, and is simple enough to be believed: the SQLite store is tested against the same expectations.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Bucket, Change, Mutation, Quota, Record, Store, StoreError, StoreStats, Usage,
    check::{check, within},
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<(Bucket, String), Record>,
    revision: u64,
    stats: StoreStats,
    closed: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<R>(&self, run: impl FnOnce(&mut State) -> Result<R, StoreError>) -> Result<R, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(StoreError::Closed) } else { run(&mut state) }
    }
}

impl State {
    fn under<'a>(&'a self, bucket: Bucket, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Record)> {
        self.entries
            .range((bucket, prefix.to_owned())..)
            .take_while(move |((at, key), _)| *at == bucket && key.starts_with(prefix))
            .map(|((_, key), record)| (key.as_str(), record))
    }

    fn usage(&self, bucket: Bucket, prefix: &str) -> Usage {
        self.under(bucket, prefix).fold(Usage::default(), |usage, (key, record)| Usage {
            keys: usage.keys + 1,
            bytes: usage.bytes + (key.len() - prefix.len() + record.value.len()) as u64,
        })
    }

    fn commit(&mut self, mutations: Vec<Mutation>) -> Result<u64, StoreError> {
        for Mutation { bucket, key, expect, .. } in &mutations {
            let found = self.entries.get(&(*bucket, key.clone())).map(|record| record.revision);
            if !expect.holds(found) {
                return Err(StoreError::Conflict { bucket: *bucket, key: key.clone(), found });
            }
        }
        if mutations.iter().all(|mutation| mutation.change == Change::Keep) {
            return Ok(self.revision);
        }
        let quotas: HashSet<(Bucket, Quota)> =
            mutations.iter().filter_map(|m| m.quota.clone().map(|quota| (m.bucket, quota))).collect();
        let quotas: Vec<_> =
            quotas.into_iter().map(|(bucket, quota)| (self.usage(bucket, &quota.prefix), bucket, quota)).collect();
        let undo = self.apply(mutations);
        for (before, bucket, quota) in quotas {
            if let Err(error) = within(&quota, before, self.usage(bucket, &quota.prefix)) {
                self.undo(undo);
                return Err(error);
            }
        }
        self.stats.transactions += 1;
        Ok(self.revision)
    }

    /// Makes the changes and returns what was there before, newest first.
    fn apply(&mut self, mutations: Vec<Mutation>) -> Vec<Entry> {
        self.revision += 1;
        let mut before = Vec::new();
        for Mutation { bucket, key, change, .. } in mutations {
            match change {
                Change::Set(value) => {
                    let record = Record { value, revision: self.revision };
                    before.push(((bucket, key.clone()), self.entries.insert((bucket, key), record)));
                }
                Change::Delete => {
                    let gone = self.entries.remove(&(bucket, key.clone()));
                    before.push(((bucket, key), gone));
                }
                Change::DeletePrefix => {
                    let keys: Vec<String> = self.under(bucket, &key).map(|(key, _)| key.to_owned()).collect();
                    for key in keys {
                        let gone = self.entries.remove(&(bucket, key.clone()));
                        before.push(((bucket, key), gone));
                    }
                }
                Change::Keep => {}
            }
        }
        before.reverse();
        before
    }

    fn undo(&mut self, entries: Vec<Entry>) {
        self.revision -= 1;
        for (key, record) in entries {
            match record {
                Some(record) => self.entries.insert(key, record),
                None => self.entries.remove(&key),
            };
        }
    }
}

/// A key and the record it had.
type Entry = ((Bucket, String), Option<Record>);

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Record>, StoreError> {
        self.with(|state| Ok(state.entries.get(&(bucket, key.to_owned())).cloned()))
    }

    async fn list(
        &self,
        bucket: Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        self.with(|state| {
            let keys = state.under(bucket, prefix).filter(|(key, _)| after.is_none_or(|after| *key > after));
            Ok(keys.take(limit).map(|(key, record)| (key.to_owned(), record.clone())).collect())
        })
    }

    async fn commit(&self, mutations: Vec<Mutation>) -> Result<u64, StoreError> {
        check(&mutations)?;
        self.with(|state| {
            let result = state.commit(mutations);
            match &result {
                Ok(_) => state.stats.commits += 1,
                Err(_) => state.stats.refused += 1,
            }
            result
        })
    }

    async fn usage(&self, bucket: Bucket, prefix: &str) -> Result<Usage, StoreError> {
        self.with(|state| Ok(state.usage(bucket, prefix)))
    }

    fn stats(&self) -> StoreStats {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stats
    }

    async fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }
}
