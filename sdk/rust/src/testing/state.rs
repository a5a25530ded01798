//! An in-memory state with the revisions and expectations of the real one.

use std::collections::BTreeMap;

use crate::bindings::jackfield::plugin::state::{Expect, Item, Mutation, Versioned};
use crate::types::{Error, Result};

#[derive(Default)]
pub(crate) struct State {
    keys: BTreeMap<String, (Vec<u8>, u64)>,
    revision: u64,
}

impl State {
    pub(crate) fn get(&self, key: &str) -> Option<Versioned> {
        self.keys.get(key).map(|(value, revision)| Versioned { value: value.clone(), revision: *revision })
    }

    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<Item> {
        self.keys
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
            .take(limit.min(crate::state::MAX_LIST) as usize)
            .map(|(key, (value, revision))| Item { key: key.clone(), value: value.clone(), revision: *revision })
            .collect()
    }

    pub(crate) fn commit(&mut self, mutations: Vec<Mutation>) -> Result<u64> {
        for mutation in &mutations {
            let (key, expect) = match mutation {
                Mutation::Set(set) => (&set.key, &set.expect),
                Mutation::Delete(delete) => (&delete.key, &delete.expect),
            };
            let found = self.keys.get(key).map(|(_, revision)| *revision);
            let holds = match expect {
                Expect::Any => true,
                Expect::Absent => found.is_none(),
                Expect::Revision(wanted) => found == Some(*wanted),
            };
            if !holds {
                return Err(Error::conflict(format!("the key `{key}` is not as expected")));
            }
        }
        self.revision += 1;
        for mutation in mutations {
            match mutation {
                Mutation::Set(set) => {
                    self.keys.insert(set.key, (set.value, self.revision));
                }
                Mutation::Delete(delete) => {
                    self.keys.remove(&delete.key);
                }
            }
        }
        Ok(self.revision)
    }
}
