//! The leases that this host was granted, each stored before what it is of is used, until it is given back: neither a crash
//! nor a server that is away loses one. What is stored is no secret by itself (only who may revoke leases can do anything
//! with it), so a vault that is sealed can still give them back; it is told to the operator and written to no log.
//!
//! What an earlier process has left is given back: its values were in that process alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jackfield_store::{Bucket, Mutation, Store};
use serde::{Deserialize, Serialize};

use super::{Kept, lock};
use crate::{
    VaultError,
    keyring::random_id,
    now_ms,
    source::{Granted, bao::BaoPath},
};

/// What leases stand behind, in [`Bucket::Vault`].
const LEASE: &str = "lease/";
/// Pauses between attempts to give one back: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A lease, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Stored {
    pub(super) server: String,
    pub(super) path: String,
    pub(super) lease_id: String,
    pub(super) credential: String,
    since: i64,
    ends_at: i64,
}

struct Lease {
    stored: Stored,
    /// None while it is used.
    giving_back: Option<GivingBack>,
}

struct GivingBack {
    next: Instant,
    next_at: i64,
    attempts: u32,
    reason: Option<String>,
    /// Somebody is at it.
    busy: bool,
}

/// How a lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// It is used.
    Held,
    /// It is used no more, and will be given back.
    Revoking,
    /// Giving it back has failed; it is tried again.
    Stuck,
}

/// A lease that this host was granted, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeaseInfo {
    /// What it is called here.
    pub id: String,
    /// How it is.
    pub state: LeaseState,
    /// The server that granted it.
    pub server: String,
    /// What was read there.
    pub path: String,
    /// As the server names it.
    pub lease_id: String,
    /// For which credential.
    pub credential: String,
    /// When it was granted, in milliseconds since 1970.
    pub since: i64,
    /// When it ends by itself, in milliseconds since 1970.
    pub ends_at: i64,
    /// How often it was tried to give it back.
    pub attempts: u32,
    /// When that is tried next, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<i64>,
    /// Why it could not be given back the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// All of them, by what they are called here.
pub(crate) struct Leases {
    store: Arc<dyn Store>,
    all: Mutex<BTreeMap<String, Lease>>,
}

impl Leases {
    pub(super) async fn load(store: Arc<dyn Store>) -> Result<Self, VaultError> {
        let mut all = BTreeMap::new();
        for (key, found) in store.list(Bucket::Vault, LEASE, None, usize::MAX).await? {
            let id = key.strip_prefix(LEASE).unwrap_or(&key).to_owned();
            match serde_json::from_slice(&found.value) {
                Ok(stored) => {
                    all.insert(id, Lease { stored, giving_back: Some(GivingBack::now()) });
                }
                Err(error) => tracing::error!(lease = id, %error, "a lease cannot be read; it was left as it is"),
            }
        }
        Ok(Self { store, all: Mutex::new(all) })
    }

    /// Remembers a lease for good, and returns what it is called here. Where it cannot be stored it is given back.
    pub(super) async fn begin(&self, kept: &Kept, path: &BaoPath, granted: &Granted) -> Result<String, VaultError> {
        let id = random_id()?.get(..12).unwrap_or_default().to_owned();
        let stored = Stored {
            server: path.server.clone(),
            path: path.path.clone(),
            lease_id: granted.id.clone(),
            credential: kept.credential.clone(),
            since: now_ms(),
            ends_at: after(granted.life),
        };
        let value = serde_json::to_vec(&stored).map_err(|error| VaultError::Damaged(error.to_string()))?;
        lock(&self.all).insert(id.clone(), Lease { stored, giving_back: None });
        let committed = self.store.commit(vec![Mutation::set(Bucket::Vault, key(&id), value)]).await;
        if let Err(error) = committed {
            self.give_back(&id);
            return Err(error.into());
        }
        Ok(id)
    }

    /// It was renewed. What is stored of it need not be right to the second.
    pub(super) fn extend(&self, id: &str, life: Duration) {
        if let Some(lease) = lock(&self.all).get_mut(id) {
            lease.stored.ends_at = after(life);
        }
    }

    /// It is used no more.
    pub(super) fn give_back(&self, id: &str) {
        if let Some(lease) = lock(&self.all).get_mut(id) {
            lease.giving_back.get_or_insert_with(GivingBack::now);
        }
    }

    /// Those that are to be given back now; whoever takes them tells what came of it.
    pub(super) fn due(&self) -> Vec<(String, Stored)> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (id, lease) in &mut *lock(&self.all) {
            if let Some(giving_back) = lease.giving_back.as_mut().filter(|it| !it.busy && it.next <= now) {
                giving_back.busy = true;
                due.push((id.clone(), lease.stored.clone()));
            }
        }
        due
    }

    /// The same of one, whenever it is due; it is used no more.
    pub(super) fn take(&self, id: &str) -> Option<Stored> {
        let mut all = lock(&self.all);
        let lease = all.get_mut(id)?;
        lease.giving_back.get_or_insert_with(GivingBack::now).busy = true;
        Some(lease.stored.clone())
    }

    /// It could not be given back. Returns whether that is new.
    pub(super) fn failed(&self, id: &str, reason: String) -> bool {
        let mut all = lock(&self.all);
        let Some(giving_back) = all.get_mut(id).and_then(|lease| lease.giving_back.as_mut()) else { return false };
        let doubled = FIRST_PAUSE.saturating_mul(1 << giving_back.attempts.min(16));
        let pause = doubled.min(LONGEST_PAUSE);
        giving_back.attempts = giving_back.attempts.saturating_add(1);
        giving_back.next = Instant::now() + pause;
        giving_back.next_at = after(pause);
        giving_back.busy = false;
        giving_back.reason.replace(reason).is_none()
    }

    /// It is no more, or nobody cares.
    pub(super) async fn forget(&self, id: &str) -> Result<(), VaultError> {
        self.store.commit(vec![Mutation::delete(Bucket::Vault, key(id))]).await?;
        lock(&self.all).remove(id);
        Ok(())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.all).is_empty()
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Vec<LeaseInfo> {
        let mut all: Vec<_> = lock(&self.all).iter().map(|(id, lease)| lease.info(id)).collect();
        all.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        all
    }
}

impl GivingBack {
    fn now() -> Self {
        Self { next: Instant::now(), next_at: now_ms(), attempts: 0, reason: None, busy: false }
    }
}

impl Lease {
    fn info(&self, id: &str) -> LeaseInfo {
        let Stored { server, path, lease_id, credential, since, ends_at } = self.stored.clone();
        let giving_back = self.giving_back.as_ref();
        let reason = giving_back.and_then(|it| it.reason.clone());
        let state = match (giving_back, &reason) {
            (None, _) => LeaseState::Held,
            (Some(_), None) => LeaseState::Revoking,
            (Some(_), Some(_)) => LeaseState::Stuck,
        };
        LeaseInfo {
            id: id.to_owned(),
            state,
            server,
            path,
            lease_id,
            credential,
            since,
            ends_at,
            attempts: giving_back.map_or(0, |it| it.attempts),
            next_attempt_at: giving_back.map(|it| it.next_at),
            reason,
        }
    }
}

fn after(time: Duration) -> i64 {
    now_ms().saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn key(id: &str) -> String {
    format!("{LEASE}{id}")
}
