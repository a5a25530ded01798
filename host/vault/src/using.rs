//! Using credentials: leases of what a version holds, with what comes from elsewhere put in; and everything secret, for those
//! who must find it where it should not be.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use crate::{
    CredentialKind, Vault, VaultError, VersionState,
    credential::{Material, Record, Version},
    keep::{Held, Place},
    source::{self, Found, Missing, Origin},
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
}
