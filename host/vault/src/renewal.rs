//! What the host itself puts in a credential, or finds out of one: a refresh token that its server exchanged for another, a
//! consent that a person gave, a refusal that only a person can end. Everything else of a credential is the operator's.
//!
//! A server that rotates refresh tokens (RFC 9700, 4.14) may refuse the old one the moment that it has given the new one, so
//! what is in the vault is what decides whether the credential lives. Therefore a renewal is one commit, durable before
//! whoever asked for it goes on; it says what was there before, so that none is undone by one that came late; and it can be
//! said again, since an answer of the store that was lost does not tell whether it was made. Each is sealed with a data key
//! of its own and bound to its number: what was sealed before does not open in its place.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError},
};

use jackfield_store::{Bucket, Expect};

use crate::{
    CredentialKind, Lease, Material, Vault, VaultError, VersionState,
    credential::{REFRESH_TOKEN, Record},
    credentials::key,
    now_ms,
    vault::Stored,
};

/// How many earlier values are looked for in what plugins are told.
const REMEMBERED: usize = 4;

/// What versions held before the host renewed them, by the record's id and the version's number.
pub(crate) type Before = HashMap<(String, u64), VecDeque<Arc<Material>>>;

impl Vault {
    /// What the version of a lease holds now. Not counted: nobody uses it yet.
    pub fn look_again(&self, lease: &Lease) -> Result<Lease, VaultError> {
        let stored = self.same(lease)?;
        let version = stored.record.version(lease.version).filter(|version| version.sealed.is_some());
        let version = version.ok_or_else(|| self.gone(lease))?;
        let (material, generation, held) = self.whole(&stored.record, version, false)?;
        let needs_reauthorization = version.needs_reauthorization.is_some();
        Ok(Lease { material, generation, needs_reauthorization, held, ..lease.clone() })
    }

    /// Puts another refresh token in the version of a lease, where that still holds the lease's. It is durable when this
    /// returns. Said twice it is done once; if it fails it may have been done, and can be said again.
    pub async fn renew(&self, lease: &Lease, refresh_token: &str) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        let keys = self.keys()?;
        let stored = self.same(lease)?;
        let mut record = stored.record.clone();
        let version = record.version(lease.version).ok_or_else(|| self.gone(lease))?;
        let before = self.open(&record, version)?;
        match before.text(REFRESH_TOKEN) {
            Some(now) if now == refresh_token => return Ok(()),
            now if now != lease.material.text(REFRESH_TOKEN) => return Err(self.gone(lease)),
            _ => {}
        }
        let material = before.with(REFRESH_TOKEN, refresh_token.as_bytes());
        record.kind.judge(&material).or_else(|error| match version.sources.is_empty() {
            true => Err(error),
            // Not all of it is here.
            false => Ok(()),
        })?;
        record.renew(lease.version, &material, &keys)?;
        self.remember(lease, before);
        if let Err(error) = self.commit(&lease.name, record, Expect::Revision(stored.revision)).await {
            self.reload(&lease.name).await;
            return Err(error);
        }
        if let Some(found) = self.found.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&place(lease)) {
            found.material = Arc::new(found.material.with(REFRESH_TOKEN, refresh_token.as_bytes()));
        }
        Ok(())
    }

    /// Remembers that the server takes the refresh token of a lease no more, if that is still what the version holds. Returns
    /// whether that is news.
    pub async fn refuse(&self, lease: &Lease) -> Result<bool, VaultError> {
        let _turn = self.turn.lock().await;
        let stored = self.same(lease)?;
        let mut record = stored.record.clone();
        let version = record.version(lease.version).ok_or_else(|| self.gone(lease))?;
        let other = self.open(&record, version)?.text(REFRESH_TOKEN) != lease.material.text(REFRESH_TOKEN);
        if other || version.needs_reauthorization.is_some() {
            return Ok(false);
        }
        record.refuse(lease.version, now_ms());
        if let Err(error) = self.commit(&lease.name, record, Expect::Revision(stored.revision)).await {
            self.reload(&lease.name).await;
            return Err(error);
        }
        Ok(true)
    }

    /// A new version, staged, that holds what the version of a lease does and the refresh token of a new consent. That version
    /// must still be the one that is used: the consent was for what it says. Returns the new one's number.
    pub async fn consented(&self, lease: &Lease, refresh_token: &str) -> Result<u64, VaultError> {
        let _turn = self.turn.lock().await;
        let keys = self.keys()?;
        let stored = self.same(lease)?;
        let mut record = stored.record.clone();
        let version = record.in_state(VersionState::Current).filter(|version| version.number == lease.version);
        let version = version.ok_or_else(|| self.gone(lease))?;
        let (material, ..) = self.whole(&record, version, false)?;
        lease.kind.judge(&material.with(REFRESH_TOKEN, refresh_token.as_bytes()))?;
        let material = self.open(&record, version)?.with(REFRESH_TOKEN, refresh_token.as_bytes());
        let sources = version.sources.clone();
        let number = record.add(&material, sources, VersionState::Staged, &keys, now_ms())?;
        if let Err(error) = self.commit(&lease.name, record, Expect::Revision(stored.revision)).await {
            self.reload(&lease.name).await;
            return Err(error);
        }
        Ok(number)
    }

    /// The credential of a lease: not another that was made with its name.
    fn same(&self, lease: &Lease) -> Result<Arc<Stored>, VaultError> {
        let stored = self.read().stored(&lease.name)?;
        let same = *stored.record.id == *lease.id && stored.record.kind == CredentialKind::Oauth2User;
        if same { Ok(stored) } else { Err(self.gone(lease)) }
    }

    fn gone(&self, lease: &Lease) -> VaultError {
        let reason = format!("was changed meanwhile: version {} is not what it was", lease.version);
        VaultError::Version { name: lease.name.to_string(), reason }
    }

    /// What a version held is looked for a while yet: it may still come back.
    fn remember(&self, lease: &Lease, before: Arc<Material>) {
        let mut all = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = all.entry(place(lease)).or_default();
        // One that could not be stored is said again.
        if earlier.front().is_some_and(|last| last.text(REFRESH_TOKEN) == before.text(REFRESH_TOKEN)) {
            return;
        }
        earlier.push_front(before);
        earlier.truncate(REMEMBERED);
    }

    /// Looks at what is stored after a commit whose answer was lost.
    async fn reload(&self, name: &str) {
        let Ok(Some(found)) = self.store.get(Bucket::Vault, &key(name)).await else { return };
        let Ok(record) = serde_json::from_slice::<Record>(&found.value) else { return };
        let mut state = self.write();
        state.credentials.insert(name.to_owned(), Arc::new(Stored { record, revision: found.revision }));
        self.moved_on();
    }
}

fn place(lease: &Lease) -> (String, u64) {
    (lease.id.to_string(), lease.version)
}
