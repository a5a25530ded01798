//! Credentials: made, read, changed. Every change is one commit, seen by who reads afterwards and survives a crash.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use jackfield_store::{Bucket, Expect, Mutation};

use crate::{
    CredentialInfo, CredentialKind, Sources, Vault, VaultError, VersionInfo, VersionState,
    credential::{Material, REFRESH_TOKEN, Record, Version, about, check_name},
    keep::Pending,
    keyring::random_id,
    now_ms,
    source::{self, Missing, Origin},
    vault::{CREDENTIAL, State, Stored},
};

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
        if let Some((material, ..)) = current.and_then(|version| self.whole(&stored.record, version, false).ok()) {
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
            needs_reauthorization_since: version.needs_reauthorization,
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
        let small = kind.minimal(material)?;
        let material = small.as_ref().unwrap_or(material);
        // Before anything is asked for elsewhere that would be of no use.
        self.keys()?;
        let pending = self.keeper.draw(name, &sources).await.map_err(VaultError::Fields)?;
        let set = match self.judge(kind, material, &sources, &pending) {
            Ok(()) => self.add(name, kind, material, sources, state).await,
            Err(error) => Err(error),
        };
        let (id, number) = set?;
        pending.adopt(&id, number);
        Ok(number)
    }

    /// Adds a version; the record's id, and the version's number.
    async fn add(
        &self,
        name: &str,
        kind: CredentialKind,
        material: &Material,
        sources: Sources,
        state: VersionState,
    ) -> Result<(String, u64), VaultError> {
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
        let id = record.id.clone();
        self.commit(name, record, expect).await?;
        Ok((id, number))
    }

    fn judge(
        &self,
        kind: CredentialKind,
        material: &Material,
        sources: &Sources,
        pending: &Pending,
    ) -> Result<(), VaultError> {
        for name in sources.keys() {
            if kind == CredentialKind::Oauth2User && name == REFRESH_TOKEN {
                let reason = format!("the field `{name}` is kept here: the host renews it");
                return Err(VaultError::Fields(reason));
            }
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
        let drawn = |origin: &Origin| pending.held(origin);
        let mut found = None;
        source::find(&self.allowed, &drawn, material, sources, &mut found).map_err(|missing| match missing {
            Missing::Away(reason) => VaultError::Fields(reason),
            Missing::NotAsked(origin) => VaultError::Fields(format!("{origin} gives something that has ended already")),
        })?;
        found.map_or(Ok(()), |found| kind.judge(&found.material))
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
        state.opened.retain(|(id, ..), _| *id != stored.record.id);
        self.moved_on();
        drop(state);
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).forget(&stored.record.id);
        self.forget_found(|id, _| id == stored.record.id);
        self.keeper.let_go(|place, _| place.id == stored.record.id);
        Ok(())
    }

    /// Lets go of what came from elsewhere, and of what was there before a renewal.
    pub(crate) fn forget_found(&self, gone: impl Fn(&str, u64) -> bool) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|(id, number), _| !gone(id, *number));
        drop(found);
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.retain(|(id, number), _| !gone(id, *number));
    }

    /// Has what came from elsewhere used no more, but still known.
    pub(crate) fn let_go_of_found(&self, gone: impl Fn(&str, u64) -> bool) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter_mut().filter(|((id, number), _)| gone(id, *number)).for_each(|(_, found)| found.let_go());
    }

    /// Stores a credential; whoever reads from now on sees it.
    pub(crate) async fn commit(&self, name: &str, record: Record, expect: Expect) -> Result<(), VaultError> {
        let value = serde_json::to_vec(&record).map_err(|error| VaultError::Damaged(error.to_string()))?;
        let revision = self.store.commit(vec![Mutation::set(Bucket::Vault, key(name), value).expect(expect)]).await?;
        let mut state = self.write();
        let held = |number: u64| record.version(number).is_some_and(|version| version.sealed.is_some());
        let as_it_is = |number, renewals| {
            record.version(number).is_some_and(|version| version.renewals == renewals) && held(number)
        };
        state.opened.retain(|(id, number, renewals), _| *id != record.id || as_it_is(*number, *renewals));
        self.forget_found(|id, number| id == record.id && !held(number));
        self.keeper.let_go(|place, _| place.id == record.id && !held(place.version));
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

pub(crate) fn key(name: &str) -> String {
    format!("{CREDENTIAL}{name}")
}
