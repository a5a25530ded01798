//! A workload as it is kept, `orch/NAMESPACE/NAME`: what it is, and what it was.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::spec::{DEFAULT_NAMESPACE, Spec};
use crate::store::Txn;
use crate::wit::orchestrator::{PastVersion, Workload};

/// How many versions of a workload are kept.
const KEPT: usize = 10;

/// A workload as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) created_at: TimestampMs,
    /// When its instances were last started.
    pub(super) started_at: TimestampMs,
    /// How often all of them were started, which names them.
    pub(super) generation: u64,
    /// The latest version's number.
    version: u64,
    /// The versions, the latest last; there is always one.
    history: Vec<Version>,
}

/// A state that it was in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Version {
    number: u64,
    at: TimestampMs,
    spec: Spec,
}

/// A workload's names.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Place {
    /// Judges the names of a workload. `of` is where they stand in the request.
    pub(super) fn read(namespace: Option<&str>, name: &str, of: &str) -> Result<Self> {
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
        for (text, member) in [(namespace, "namespace"), (name, "name")] {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if text.is_empty() || text.len() > 63 || text.starts_with('-') || !text.chars().all(allowed) {
                let message = "must be 1 to 63 lower-case letters, digits and `-`, and not begin with `-`";
                return Err(Error::invalid(format!("{of}/{member}"), message));
            }
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The state's key.
    pub(super) fn key(&self) -> String {
        format!("orch/{}/{}", self.namespace, self.name)
    }

    /// The names in a state's key.
    pub(super) fn of_key(key: &str) -> Result<Self> {
        let parts = key.strip_prefix("orch/").and_then(|rest| rest.split_once('/'));
        let (namespace, name) =
            parts.ok_or_else(|| Error::internal(format!("a workload is kept at the unreadable key `{key}`")))?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// What it is called in a sentence.
    pub(super) fn told(&self) -> String {
        format!("the workload `{}` in `{}`", self.name, self.namespace)
    }

    /// Nothing is there.
    pub(super) fn missing(&self) -> Error {
        Error::not_found(format!("there is no workload `{}` in the namespace `{}`", self.name, self.namespace))
    }
}

impl Record {
    /// A workload that is new.
    pub(super) fn new(spec: Spec, now: TimestampMs) -> Self {
        let first = Version { number: 1, at: now, spec };
        Self { created_at: now, started_at: now, generation: 1, version: 1, history: vec![first] }
    }

    /// Reads one, and its revision; none where there is none.
    pub(super) fn find(txn: &Txn, place: &Place) -> Result<Option<(Self, String)>> {
        let Some(found) = txn.get(&place.key())? else { return Ok(None) };
        Ok(Some((found.json(&place.key())?, found.revision(0))))
    }

    /// What it is now.
    pub(super) fn spec(&self) -> Result<&Spec> {
        let latest = self.history.last();
        latest.map(|version| &version.spec).ok_or_else(|| Error::internal("a workload is kept without a version"))
    }

    /// Makes it something else; its instances are started anew unless only their number changes.
    pub(super) fn change(&mut self, spec: Spec, now: TimestampMs) -> Result<()> {
        let before = self.spec()?;
        if before.scaled(spec.replicas) != spec {
            self.restart(now);
        }
        self.version += 1;
        self.history.push(Version { number: self.version, at: now, spec });
        let surplus = self.history.len().saturating_sub(KEPT);
        self.history.drain(..surplus);
        Ok(())
    }

    /// Starts its instances anew.
    pub(super) fn restart(&mut self, now: TimestampMs) {
        self.generation += 1;
        self.started_at = now;
    }

    /// What it was at a version, or before the latest.
    pub(super) fn past(&self, wanted: Option<&str>) -> Result<Spec> {
        let found = match wanted {
            Some(wanted) => self.history.iter().find(|version| version.number.to_string() == wanted),
            None => self.history.iter().rev().nth(1),
        };
        found.map(|version| version.spec.clone()).ok_or_else(|| match wanted {
            Some(_) => {
                let kept: Vec<String> = self.history.iter().map(|version| version.number.to_string()).collect();
                Error::invalid("/version", format!("there is no such version; kept are {}", kept.join(", ")))
            }
            None => Error::conflict("it was never anything else, so there is nothing to go back to"),
        })
    }

    /// Its versions, the latest first.
    pub(super) fn versions(&self, place: &Place) -> Vec<PastVersion> {
        let told = |version: &Version| PastVersion {
            version: version.number.to_string(),
            at: Some(version.at),
            spec: version.spec.told(&place.namespace, &place.name),
            current: version.number == self.version,
        };
        self.history.iter().rev().map(told).collect()
    }

    /// As it is told, at a revision.
    pub(super) fn told(&self, place: &Place, revision: String) -> Result<Workload> {
        Ok(Workload {
            spec: self.spec()?.told(&place.namespace, &place.name),
            version: self.version.to_string(),
            created_at: Some(self.created_at),
            revision,
        })
    }
}
