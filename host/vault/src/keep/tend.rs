//! Who sees to what is kept: renews and asks anew what is due, lets go of what nobody wants, gives back what nobody uses.
//! One for a vault; whoever has it calls it once a second, says which credentials are bound, and takes note of what was done.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{ActKind, Keeper, SourceAct, leases, lock};
use crate::{Vault, VaultError, VersionState, source::Origin};

/// How long giving back may take at the end. What is left is given back by the next process.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sees to what a vault has from elsewhere.
pub struct Tender {
    vault: Arc<Vault>,
    jobs: JoinSet<()>,
    acts: mpsc::Receiver<SourceAct>,
}

impl Tender {
    /// The tender of a vault; none where it has one.
    pub fn of(vault: &Arc<Vault>) -> Option<Self> {
        let acts = lock(&vault.keeper.told).take()?;
        Some(Self { vault: vault.clone(), jobs: JoinSet::new(), acts })
    }

    /// Whether there is anything to see to.
    pub fn has_work(&self) -> bool {
        let keeper = &self.vault.keeper;
        !lock(&keeper.kept).is_empty() || !lock(&keeper.old).is_empty() || !keeper.leases.is_empty()
    }

    /// Begins what is to be done now; nothing of it is waited for. `bound`: the credentials that integrations are bound to.
    pub fn tend(&mut self, bound: &BTreeSet<String>) {
        while self.jobs.try_join_next().is_some() {}
        self.vault.let_go_of_unwanted(bound);
        let keeper = &self.vault.keeper;
        let due: Vec<_> = lock(&keeper.kept).iter().map(|(place, kept)| (place.clone(), kept.clone())).collect();
        for (place, kept) in due.into_iter().filter(|(_, kept)| kept.is_due() || keeper.is_orphaned(kept)) {
            // Whoever has the turn asks already.
            let Ok(turn) = kept.turn.clone().try_lock_owned() else { continue };
            let vault = self.vault.clone();
            self.jobs.spawn(async move {
                let _turn = turn;
                vault.keeper.refresh(&kept).await;
                // What is used from now on is the new one, so that nothing keeps the old one.
                vault.look_anew(&place.id, place.version);
            });
        }
        keeper.give_back_unused();
        for (id, stored) in keeper.leases.due() {
            let keeper = keeper.clone();
            self.jobs.spawn(async move {
                // What came of it is in the list.
                let _ = keeper.revoke(&id, stored).await;
            });
        }
    }

    /// What was done since the last time.
    pub fn acts(&mut self) -> Vec<SourceAct> {
        std::iter::from_fn(|| self.acts.try_recv().ok()).collect()
    }

    /// Ends: gives back what was granted, as far as that is possible now.
    pub async fn end(&mut self) {
        self.vault.keeper.ended.store(true, Ordering::Release);
        // Whoever is asking is let finish: a lease that it is granted now must be known.
        let _ = timeout(PATIENCE / 2, async { while self.jobs.join_next().await.is_some() {} }).await;
        let keeper = self.vault.keeper.clone();
        keeper.let_go(|_, _| true);
        self.vault.let_go_of_found(|_, _| true);
        keeper.give_back_all();
        for (id, stored) in keeper.leases.due() {
            let keeper = keeper.clone();
            self.jobs.spawn(async move {
                // What is left is given back by the next process.
                let _ = keeper.revoke(&id, stored).await;
            });
        }
        let _ = timeout(PATIENCE, async { while self.jobs.join_next().await.is_some() {} }).await;
        self.jobs.shutdown().await;
    }
}

impl Keeper {
    /// Whether the login that a value was granted to is used no more: it ends with that.
    fn is_orphaned(&self, kept: &super::Kept) -> bool {
        let state = lock(&kept.state);
        let lease = state.now.as_ref().and_then(|value| value.lease.as_ref());
        let paused = state.is_paused();
        let Origin::Bao(path) = &kept.origin else { return false };
        let server = self.server(&path.server);
        !paused && lease.zip(server).is_some_and(|((_, granted), server)| !server.is_of_this_login(granted))
    }

    /// Has the leases of values given back that nobody uses any more.
    fn give_back_unused(&self) {
        lock(&self.old).retain(|value| {
            let used = Arc::strong_count(value) > 1;
            if let (false, Some((id, _))) = (used, &value.lease) {
                self.leases.give_back(id);
            }
            used && value.lease.is_some()
        });
    }

    /// The same of all.
    fn give_back_all(&self) {
        for value in lock(&self.old).drain(..) {
            if let Some((id, _)) = &value.lease {
                self.leases.give_back(id);
            }
        }
    }

    /// Gives a lease back.
    async fn revoke(&self, id: &str, stored: leases::Stored) -> Result<(), String> {
        let Some(server) = self.server(&stored.server) else {
            let reason = format!("this host knows no OpenBao `{}`; start it with `--secrets-bao`", stored.server);
            // It is in the list with the reason; a command that opens the data folder for a moment has nothing to record.
            self.leases.failed(id, reason.clone());
            return Err(reason);
        };
        let revoked = server.revoke(&stored.lease_id).await;
        let forgotten = match revoked {
            Ok(()) => self.leases.forget(id).await.map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        let act = |kind, reason| SourceAct {
            kind,
            credential: stored.credential.clone(),
            origin: format!("`{}` of the OpenBao `{}`", stored.path, stored.server),
            lease: Some(id.to_owned()),
            reason,
        };
        match forgotten {
            Ok(()) => {
                self.told(act(ActKind::Revoked, None));
                Ok(())
            }
            Err(reason) => {
                if self.leases.failed(id, reason.clone()) {
                    self.told(act(ActKind::RevokeFailed, Some(reason.clone())));
                }
                Err(reason)
            }
        }
    }
}

impl Vault {
    /// The leases that this host was granted and has not given back, oldest first.
    pub fn leases(&self) -> Vec<super::LeaseInfo> {
        self.keeper.leases.list()
    }

    /// Gives a lease back now, whoever uses it. With `force` it is forgotten here even where it cannot be given back; then
    /// the server has it until it ends. Returns whether it was given back.
    pub async fn revoke_lease(&self, id: &str, force: bool) -> Result<bool, VaultError> {
        let unknown = || VaultError::UnknownLease(id.chars().filter(|c| !c.is_control()).take(80).collect());
        let stored = self.keeper.leases.take(id).ok_or_else(unknown)?;
        if self.keeper.forget(id) {
            self.let_go_of_found(|_, _| true);
        }
        match self.keeper.revoke(id, stored).await {
            Ok(()) => Ok(true),
            Err(_) if force => self.keeper.leases.forget(id).await.map(|()| false),
            Err(reason) => Err(VaultError::LeaseStuck { id: id.to_owned(), reason }),
        }
    }

    /// Lets go of what versions have from elsewhere that nobody is bound to, or that are used no more.
    fn let_go_of_unwanted(&self, bound: &BTreeSet<String>) {
        let state = self.read();
        let gone = self.keeper.let_go(|place, kept| {
            let found = state.credentials.iter().find(|(_, stored)| stored.record.id == place.id);
            let wanted = found.is_some_and(|(name, stored)| {
                let version = stored.record.version(place.version);
                let used = version
                    .is_some_and(|version| matches!(version.state, VersionState::Current | VersionState::Staged));
                used && bound.contains(name)
            });
            !wanted && kept.is_idle()
        });
        drop(state);
        self.let_go_of_found(|id, version| gone.iter().any(|place| place.id == id && place.version == version));
    }
}
