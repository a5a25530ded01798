//! How often each version of a credential was used since the host was started: "who still uses the old one" has an answer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Uses by a credential's id and a version's number.
#[derive(Debug, Default)]
pub(crate) struct Uses(HashMap<(String, u64), Arc<AtomicU64>>);

impl Uses {
    /// The counter of a version.
    pub(crate) fn of(&mut self, id: &str, version: u64) -> Arc<AtomicU64> {
        self.0.entry((id.to_owned(), version)).or_default().clone()
    }

    /// How often a version was used.
    pub(crate) fn count(&self, id: &str, version: u64) -> u64 {
        self.0.get(&(id.to_owned(), version)).map_or(0, |uses| uses.load(Ordering::Relaxed))
    }

    /// Forgets a credential.
    pub(crate) fn forget(&mut self, id: &str) {
        self.0.retain(|(known, _), _| known != id);
    }
}
