//! Credentials: made, read, used, changed. Every change is one commit, seen by who reads afterwards and survives a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use jackfield_store::{Bucket, Expect, Mutation};

use crate::{
    CredentialInfo, CredentialKind, Sources, Vault, VaultError, VersionInfo, VersionState,
    credential::{Material, REFRESH_TOKEN, Record, Version, about, check_name},
    keep::{Held, Pending, Place},
    keyring::random_id,
    now_ms,
    source::{self, Found, Missing, Origin},
    vault::{CREDENTIAL, State, Stored},
};

/// A version of a credential, to be used.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The credential's name.
    pub name: Arc<str>,
    /// Another one where a credential of that name was deleted and made again.
    pub id: Arc<str>,
    /// What it consists of.
    pub kind: CredentialKind,
    /// Which version.
    pub version: u64,
    /// What it holds.
    pub material: Arc<Material>,
    /// Which of the values that the version's sources had; 0 where it has none.
    pub generation: u64,
    /// It is of no use until a person consents (anew).
    pub needs_reauthorization: bool,
    /// What of it was granted to the host and is not given back before this is dropped.
    pub(crate) held: Vec<Held>,
}

/// Tells leases of a credential apart that hold something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The version.
    pub version: u64,
    /// Which of the values that its sources had.
    pub generation: u64,
}

/// Keeps what was granted to the host for a lease from being given back, until it is dropped: for who is done with the
/// lease, but not with what it was used for.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    _held: Vec<Held>,
}

impl Lease {
    /// Keeps what was granted to the host for it from being given back.
    pub fn in_use(&self) -> InUse {
        InUse { _held: self.held.clone() }
    }

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
        let lease = self.unused(name, &stored.record, choose, missing, true)?;
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
        used: bool,
    ) -> Result<Lease, VaultError> {
        let version = choose(record).ok_or_else(|| VaultError::Version { name: name.to_owned(), reason: missing() })?;
        let (material, generation, held) = self.whole(record, version, used)?;
        Ok(Lease {
            name: name.into(),
            id: record.id.as_str().into(),
            kind: record.kind,
            version: version.number,
            material,
            generation,
            needs_reauthorization: version.needs_reauthorization.is_some(),
            held,
        })
    }

    /// The version of a credential that is used now, to see what it is for; no use is counted.
    pub fn peek(&self, name: &str) -> Result<Lease, VaultError> {
        let stored = self.read().stored(name)?;
        let missing = || "has no version that is current".to_owned();
        self.unused(name, &stored.record, |record| record.in_state(VersionState::Current), missing, false)
    }

    /// The version of a credential that is used now, or a certain one. Where something of it must be asked for elsewhere first,
    /// waits for that.
    pub async fn lease_until(&self, name: &str, version: Option<u64>, until: Instant) -> Result<Lease, VaultError> {
        let lease = || match version {
            Some(version) => self.lease_version(name, version),
            None => self.lease(name),
        };
        match lease() {
            Err(VaultError::NotFetched { .. }) => {}
            leased => return leased,
        }
        let stored = self.read().stored(name)?;
        let record = &stored.record;
        let wanted = match version {
            Some(version) => record.version(version),
            None => record.in_state(VersionState::Current),
        };
        if let Some(version) = wanted {
            let origins: BTreeSet<Origin> =
                version.sources.values().filter_map(|source| Some(source.origin()?.0)).collect();
            for origin in origins {
                let place = Place { id: record.id.clone(), version: version.number, origin };
                let asked = self.keeper.ensure(&place, name, &version.sources, until).await;
                asked.map_err(|reason| VaultError::NotFetched { origin: place.origin.to_string(), reason })?;
            }
        }
        lease()
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
                let (name, id): (Arc<str>, Arc<str>) = (name.as_str().into(), stored.record.id.as_str().into());
                let lease = |material, generation| Lease {
                    name: name.clone(),
                    id: id.clone(),
                    kind: stored.record.kind,
                    version: version.number,
                    material,
                    generation,
                    needs_reauthorization: version.needs_reauthorization.is_some(),
                    held: Vec::new(),
                };
                // One whose source is away is used by nobody; what it had before may still come back.
                let whole = self.whole(&stored.record, version, false);
                let ended = whole.is_err();
                leases.extend(whole.ok().map(|(material, generation, _)| lease(material, generation)));
                let place = (stored.record.id.clone(), version.number);
                let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = found.get(&place) {
                    let last = ended.then_some(&found.material);
                    leases.extend(last.into_iter().chain(&found.before).map(|material| lease(material.clone(), 0)));
                }
                drop(found);
                let renewed = self.before.lock().unwrap_or_else(PoisonError::into_inner);
                leases.extend(renewed.get(&place).into_iter().flatten().map(|material| lease(material.clone(), 0)));
            }
        }
        Ok((epoch, leases))
    }

    /// What a version holds, with what comes from elsewhere; and which of the values that had. `used`: by a request, so that
    /// it is wanted.
    pub(crate) fn whole(
        &self,
        record: &Record,
        version: &Version,
        used: bool,
    ) -> Result<(Arc<Material>, u64, Vec<Held>), VaultError> {
        let stored = self.open(record, version)?;
        if version.sources.is_empty() {
            return Ok((stored, 0, Vec::new()));
        }
        let of = |found: &Found| (found.material.clone(), found.generation, found.held.clone());
        let place = (record.id.clone(), version.number);
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.get(&place).filter(|found| found.is_fresh()) {
            return Ok(of(found));
        }
        let kept = |origin: &Origin| {
            let place = Place { id: record.id.clone(), version: version.number, origin: origin.clone() };
            self.keeper.held(&place, used)
        };
        let mut found = all.remove(&place);
        let looked = source::find(&self.allowed, &kept, &stored, &version.sources, &mut found);
        let whole = found.as_ref().map(of);
        // Also what has ended: it may still come back.
        if let Some(found) = found {
            all.insert(place, found);
        }
        drop(all);
        let of_version = || format!("version {} of a credential", version.number);
        match looked {
            Ok(is_other) => {
                if is_other {
                    self.moved_on();
                }
                let nothing = || VaultError::Source { place: of_version(), reason: "nothing was found".into() };
                whole.ok_or_else(nothing)
            }
            Err(Missing::Away(reason)) => Err(VaultError::Source { place: of_version(), reason }),
            Err(Missing::NotAsked(origin)) => {
                let reason = "it was not asked for yet, or what it gave has ended".to_owned();
                Err(VaultError::NotFetched { origin: origin.to_string(), reason })
            }
        }
    }

    /// Looks at a version again: what it has from elsewhere is another.
    pub(crate) fn look_anew(&self, id: &str, number: u64) {
        if let Some(found) = self.found.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&(id.to_owned(), number))
        {
            found.expire();
        }
        let stored = self.read().credentials.values().find(|stored| stored.record.id == id).cloned();
        let Some(stored) = stored else { return };
        if let Some(version) = stored.record.version(number) {
            // Whoever uses it is told what is wrong.
            let _ = self.whole(&stored.record, version, false);
        }
    }

    pub(crate) fn open(&self, record: &Record, version: &Version) -> Result<Arc<Material>, VaultError> {
        let keys = self.keys()?;
        let place = (record.id.clone(), version.number, version.renewals);
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
