//! Credentials: made, read, used, changed. Every change is one commit, seen by who reads afterwards and survives a crash.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use jackfield_store::{Bucket, Expect, Mutation};

use crate::{
    CredentialInfo, CredentialKind, Sources, Vault, VaultError, VersionInfo, VersionState,
    credential::{Material, Record, Version, about, check_name},
    keyring::random_id,
    now_ms, source,
    vault::{CREDENTIAL, State, Stored},
};

/// A version of a credential, to be used.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The credential's name.
    pub name: Arc<str>,
    /// What it consists of.
    pub kind: CredentialKind,
    /// Which version.
    pub version: u64,
    /// What it holds.
    pub material: Arc<Material>,
    /// Which of the values that the version's sources had; 0 where it has none.
    pub generation: u64,
}

/// Tells leases of a credential apart that hold something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The version.
    pub version: u64,
    /// Which of the values that its sources had.
    pub generation: u64,
}

impl Lease {
    /// What changes whenever it holds something else.
    pub fn stamp(&self) -> Stamp {
        Stamp { version: self.version, generation: self.generation }
    }
}

impl Vault {
    /// All credentials, by name.
    pub fn credentials(&self) -> Vec<CredentialInfo> {
        let state = self.read();
        state.credentials.iter().map(|(name, stored)| self.info(name, stored)).collect()
    }

    /// One credential.
    pub fn credential(&self, name: &str) -> Result<CredentialInfo, VaultError> {
        let stored = self.read().stored(name)?;
        let mut info = self.info(name, &stored);
        let current = stored.record.in_state(VersionState::Current);
        if let Some((material, _)) = current.and_then(|version| self.whole(&stored.record, version).ok()) {
            info.about = about(stored.record.kind, &material);
        }
        Ok(info)
    }

    fn info(&self, name: &str, stored: &Stored) -> CredentialInfo {
        let Stored { record, revision } = stored;
        let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let version = |version: &Version| VersionInfo {
            version: version.number,
            state: version.state,
            created_at: version.created_at,
            since: version.since,
            uses: uses.count(&record.id, version.number),
            sources: version.sources.clone(),
        };
        CredentialInfo {
            name: name.to_owned(),
            kind: record.kind,
            versions: record.versions.iter().map(version).collect(),
            about: BTreeMap::new(),
            revision: *revision,
            created_at: record.created_at,
        }
    }

    /// Makes a credential, or a new version of one. The new version is `staged`, or `current` at once; the first is always
    /// current. Returns its number.
    pub async fn set(
        &self,
        name: &str,
        kind: CredentialKind,
        material: &Material,
        state: VersionState,
    ) -> Result<u64, VaultError> {
        self.set_from(name, kind, material, Sources::default(), state).await
    }

    /// The same with fields that come from elsewhere, where they must be now.
    pub async fn set_from(
        &self,
        name: &str,
        kind: CredentialKind,
        material: &Material,
        sources: Sources,
        state: VersionState,
    ) -> Result<u64, VaultError> {
        check_name(name)?;
        self.judge(kind, material, &sources)?;
        let small = kind.minimal(material)?;
        let material = small.as_ref().unwrap_or(material);
        let _turn = self.turn.lock().await;
        let keys = self.keys()?;
        let now = now_ms();
        let old = self.read().credentials.get(name).cloned();
        let (mut record, expect) = match &old {
            Some(stored) if stored.record.kind != kind => {
                return Err(VaultError::OtherKind { name: name.to_owned(), found: stored.record.kind, wanted: kind });
            }
            Some(stored) => (stored.record.clone(), Expect::Revision(stored.revision)),
            None => (Record { id: random_id()?, kind, created_at: now, versions: Vec::new() }, Expect::Absent),
        };
        let first = record.in_state(VersionState::Current).is_none();
        let state = if first { VersionState::Current } else { state };
        let number = record.add(material, sources, state, &keys, now)?;
        self.commit(name, record, expect).await?;
        Ok(number)
    }

    fn judge(&self, kind: CredentialKind, material: &Material, sources: &Sources) -> Result<(), VaultError> {
        for name in sources.keys() {
            let field = kind.fields().iter().find(|field| field.name == name);
            if let Some(field) = field.filter(|field| !source::may_be_elsewhere(field.form)) {
                return Err(VaultError::Fields(format!("the field `{}` is written down, not read", field.name)));
            }
            if material.get(name).is_some() {
                let shown: String = name.chars().take(40).collect();
                return Err(VaultError::Fields(format!("the field `{shown}` is given and read from elsewhere")));
            }
        }
        if sources.is_empty() {
            return kind.judge(material);
        }
        let (found, _) = source::find(&self.allowed, material, sources, None).map_err(VaultError::Fields)?;
        kind.judge(&found.material)
    }

    /// Makes a staged or previous version the current one: the newest staged, where none is named.
    pub async fn promote(&self, name: &str, version: Option<u64>) -> Result<u64, VaultError> {
        self.switch(name, version, VersionState::Staged, "has no version that is staged").await
    }

    /// Goes back to the version that was used before.
    pub async fn rollback(&self, name: &str) -> Result<u64, VaultError> {
        self.switch(name, None, VersionState::Previous, "has no version before the current one").await
    }

    async fn switch(
        &self,
        name: &str,
        wanted: Option<u64>,
        state: VersionState,
        missing: &str,
    ) -> Result<u64, VaultError> {
        let _turn = self.turn.lock().await;
        let stored = self.read().stored(name)?;
        let mut record = stored.record.clone();
        let refuse = |reason: String| VaultError::Version { name: name.to_owned(), reason };
        let number = match wanted {
            None => record.in_state(state).ok_or_else(|| refuse(missing.to_owned()))?.number,
            Some(number) => {
                let version = record.version(number).ok_or_else(|| refuse(format!("has no version {number}")))?;
                match version.state {
                    VersionState::Current => return Ok(number),
                    VersionState::Revoked => return Err(refuse(format!("has a version {number}, but it is revoked"))),
                    VersionState::Staged | VersionState::Previous => number,
                }
            }
        };
        record.promote(number, now_ms());
        self.commit(name, record, Expect::Revision(stored.revision)).await?;
        Ok(number)
    }

    /// Forgets what a version holds, for good. The current one is not revoked: whoever uses it would be left with nothing.
    pub async fn revoke(&self, name: &str, version: u64) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        let stored = self.read().stored(name)?;
        let mut record = stored.record.clone();
        let refuse = |reason: String| Err(VaultError::Version { name: name.to_owned(), reason });
        match record.version(version).map(|version| version.state) {
            None => return refuse(format!("has no version {version}")),
            Some(VersionState::Revoked) => return Ok(()),
            Some(VersionState::Current) => {
                return refuse(format!(
                    "is used in version {version}; promote another first, or delete the credential"
                ));
            }
            Some(VersionState::Staged | VersionState::Previous) => {}
        }
        record.revoke(version, now_ms());
        self.commit(name, record, Expect::Revision(stored.revision)).await
    }

    /// Deletes a credential with all its versions.
    pub async fn delete(&self, name: &str) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        let stored = self.read().stored(name)?;
        let gone = Mutation::delete(Bucket::Vault, key(name)).expect(Expect::Revision(stored.revision));
        self.store.commit(vec![gone]).await?;
        let mut state = self.write();
        state.credentials.remove(name);
        state.opened.retain(|(id, _), _| *id != stored.record.id);
        self.moved_on();
        drop(state);
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).forget(&stored.record.id);
        self.forget_found(|id, _| id == stored.record.id);
        Ok(())
    }

    /// The version of a credential that is used now, and counts the use.
    pub fn lease(&self, name: &str) -> Result<Lease, VaultError> {
        self.lease_in(name, VersionState::Current)
    }

    /// The version of a credential that is in a state, and counts the use.
    pub fn lease_in(&self, name: &str, state: VersionState) -> Result<Lease, VaultError> {
        self.lease_of(name, |record| record.in_state(state), || format!("has no version that is {state}"))
    }

    fn lease_of(
        &self,
        name: &str,
        choose: impl for<'r> FnOnce(&'r Record) -> Option<&'r Version>,
        missing: impl FnOnce() -> String,
    ) -> Result<Lease, VaultError> {
        let stored = self.read().stored(name)?;
        let lease = self.unused(name, &stored.record, choose, missing)?;
        let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner).of(&stored.record.id, lease.version);
        uses.fetch_add(1, Ordering::Relaxed);
        Ok(lease)
    }

    fn unused(
        &self,
        name: &str,
        record: &Record,
        choose: impl for<'r> FnOnce(&'r Record) -> Option<&'r Version>,
        missing: impl FnOnce() -> String,
    ) -> Result<Lease, VaultError> {
        let version = choose(record).ok_or_else(|| VaultError::Version { name: name.to_owned(), reason: missing() })?;
        let (material, generation) = self.whole(record, version)?;
        Ok(Lease { name: name.into(), kind: record.kind, version: version.number, material, generation })
    }

    /// The version of a credential that is used now, to see what it is for; no use is counted.
    pub fn peek(&self, name: &str) -> Result<Lease, VaultError> {
        let stored = self.read().stored(name)?;
        let missing = || "has no version that is current".to_owned();
        self.unused(name, &stored.record, |record| record.in_state(VersionState::Current), missing)
    }

    /// A certain version of a credential, to see whether it works, and counts the use.
    pub fn lease_version(&self, name: &str, version: u64) -> Result<Lease, VaultError> {
        self.lease_of(
            name,
            |record| record.version(version).filter(|version| version.sealed.is_some()),
            || format!("has no version {version} that holds anything"),
        )
    }

    /// What every version that still holds something holds, with a label for each; for those who must find it where it
    /// should not be. And a number that changes when the answer may have.
    pub fn secrets(&self) -> Result<(u64, Vec<Lease>), VaultError> {
        let (epoch, all) = {
            let state = self.read();
            (self.epoch(), state.credentials.clone())
        };
        let mut leases = Vec::new();
        for (name, stored) in &all {
            let held = stored.record.versions.iter().filter(|version| version.sealed.is_some());
            for version in held {
                let (name, kind): (Arc<str>, _) = (name.as_str().into(), stored.record.kind);
                let lease = |material, generation| Lease {
                    name: name.clone(),
                    kind,
                    version: version.number,
                    material,
                    generation,
                };
                // One whose source is away is used by nobody.
                let Ok((material, generation)) = self.whole(&stored.record, version) else { continue };
                leases.push(lease(material, generation));
                let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                let before = found.get(&(stored.record.id.clone(), version.number));
                leases.extend(before.iter().flat_map(|found| &found.before).map(|material| lease(material.clone(), 0)));
            }
        }
        Ok((epoch, leases))
    }

    /// What a version holds, with what comes from elsewhere; and which of the values that had.
    fn whole(&self, record: &Record, version: &Version) -> Result<(Arc<Material>, u64), VaultError> {
        let stored = self.open(record, version)?;
        if version.sources.is_empty() {
            return Ok((stored, 0));
        }
        let place = (record.id.clone(), version.number);
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.get(&place).filter(|found| found.is_fresh()) {
            return Ok((found.material.clone(), found.generation));
        }
        let last = all.remove(&place);
        let found = source::find(&self.allowed, &stored, &version.sources, last);
        let (found, is_other) = found.map_err(|reason| VaultError::Source {
            place: format!("version {} of a credential", version.number),
            reason,
        })?;
        let whole = (found.material.clone(), found.generation);
        all.insert(place, found);
        drop(all);
        if is_other {
            self.moved_on();
        }
        Ok(whole)
    }

    fn open(&self, record: &Record, version: &Version) -> Result<Arc<Material>, VaultError> {
        let keys = self.keys()?;
        let place = (record.id.clone(), version.number);
        if let Some(material) = self.read().opened.get(&place) {
            return Ok(material.clone());
        }
        let gone = || VaultError::Damaged(format!("version {} of a credential holds nothing", version.number));
        let material = Arc::new(Material::opened(record.open(version, &keys)?.ok_or_else(gone)?)?);
        let mut state = self.write();
        // Not after it was sealed: nothing of it would be let go then.
        if state.keys.is_some() {
            state.opened.insert(place, material.clone());
        }
        Ok(material)
    }

    /// Lets go of what came from elsewhere.
    pub(crate) fn forget_found(&self, gone: impl Fn(&str, u64) -> bool) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|(id, number), _| !gone(id, *number));
    }

    /// Stores a credential; whoever reads from now on sees it.
    pub(crate) async fn commit(&self, name: &str, record: Record, expect: Expect) -> Result<(), VaultError> {
        let value = serde_json::to_vec(&record).map_err(|error| VaultError::Damaged(error.to_string()))?;
        let revision = self.store.commit(vec![Mutation::set(Bucket::Vault, key(name), value).expect(expect)]).await?;
        let mut state = self.write();
        let held = |number: u64| record.version(number).is_some_and(|version| version.sealed.is_some());
        state.opened.retain(|(id, number), _| *id != record.id || held(*number));
        self.forget_found(|id, number| id == record.id && !held(number));
        state.credentials.insert(name.to_owned(), Arc::new(Stored { record, revision }));
        self.moved_on();
        Ok(())
    }
}

impl State {
    pub(crate) fn stored(&self, name: &str) -> Result<Arc<Stored>, VaultError> {
        self.credentials.get(name).cloned().ok_or_else(|| {
            let known: Vec<String> = self.credentials.keys().take(8).map(|name| format!("`{name}`")).collect();
            let hint = match (known.is_empty(), self.credentials.len() > known.len()) {
                (true, _) => " There is none yet.".to_owned(),
                (false, more) => format!(" There is {}{}.", known.join(", "), if more { ", …" } else { "" }),
            };
            VaultError::Unknown { name: name.chars().filter(|c| !c.is_control()).take(80).collect(), hint }
        })
    }
}

fn key(name: &str) -> String {
    format!("{CREDENTIAL}{name}")
}
