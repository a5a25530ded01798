//! What is stored of a credential, and the states of its versions. Everything but the sealed bytes may be read by whoever
//! can read the data folder: names, types, numbers, times.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::{CredentialKind, Material};
use crate::{
    Secret, Sources, VaultError,
    keyring::Keys,
    seal::{self, KEY},
};

/// The most versions that are kept with what they hold.
const MOST_HELD: usize = 16;

/// How a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionState {
    /// It waits to be promoted; only a check uses it.
    Staged,
    /// The one that is used.
    Current,
    /// It was used before, and may be again.
    Previous,
    /// What it held is gone.
    Revoked,
}

impl VersionState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A credential, without what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialInfo {
    /// Its name.
    pub name: String,
    /// What it consists of.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// What the current version is, by what may be told of it; nothing while the vault is sealed, or in a list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
    /// Its versions, oldest first.
    pub versions: Vec<VersionInfo>,
    /// Grows with every change.
    pub revision: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
}

/// A version of a credential, without what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VersionInfo {
    /// Its number: 1, 2, 3, …
    pub version: u64,
    /// How it is.
    pub state: VersionState,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// When it came to be in this state, in milliseconds since 1970.
    pub since: i64,
    /// How often it was used since the host was started.
    pub uses: u64,
    /// The fields that are not kept here, and where they come from.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
}

/// What is stored of a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    /// Random, and another one when a credential of this name is made again: what is sealed for one opens for no other.
    pub(crate) id: String,
    pub(crate) kind: CredentialKind,
    pub(crate) created_at: i64,
    pub(crate) versions: Vec<Version>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) state: VersionState,
    pub(crate) created_at: i64,
    pub(crate) since: i64,
    /// Fields that are not in it.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub(crate) sources: Sources,
    /// None once it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed: Option<Sealed>,
}

/// A version's fields, sealed with a key of their own, which the vault key of that generation wraps. Both in base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Sealed {
    pub(crate) generation: u64,
    data_key: String,
    fields: String,
}

impl Record {
    /// What fields of a version of this credential are bound to.
    fn bound(&self, what: &str, number: u64) -> Vec<u8> {
        format!("jackfield/{what}/1\0{}\0{}\0{number}", self.id, self.kind).into_bytes()
    }

    /// Seals fields for a version, with a new data key.
    pub(crate) fn seal(&self, number: u64, fields: &[u8], keys: &Keys) -> Result<Sealed, VaultError> {
        let data_key = Secret::random(KEY)?;
        let sealed = seal::seal(&data_key, &self.bound("credential", number), fields)?;
        let wrapped = seal::seal(&keys.key, &self.bound("data-key", number), data_key.expose())?;
        Ok(Sealed { generation: keys.generation, data_key: BASE64.encode(wrapped), fields: BASE64.encode(sealed) })
    }

    /// The fields of a version.
    pub(crate) fn open(&self, version: &Version, keys: &Keys) -> Result<Option<Secret>, VaultError> {
        let Some(sealed) = &version.sealed else { return Ok(None) };
        let damaged = || VaultError::Damaged(format!("version {} of a credential does not open", version.number));
        let key = keys.of(sealed.generation).ok_or_else(damaged)?;
        let decode = |text: &str| BASE64.decode(text).map_err(|_| damaged());
        let data_key = seal::open(key, &self.bound("data-key", version.number), &decode(&sealed.data_key)?);
        let data_key = data_key.map_err(|_| damaged())?;
        let fields = seal::open(&data_key, &self.bound("credential", version.number), &decode(&sealed.fields)?);
        Ok(Some(fields.map_err(|_| damaged())?))
    }

    /// Seals every version anew that is not sealed under the newest vault key. Returns whether there was one.
    pub(crate) fn reseal(&mut self, keys: &Keys) -> Result<bool, VaultError> {
        let mut changed = false;
        for index in 0..self.versions.len() {
            let Some(version) = self.versions.get(index) else { break };
            if version.sealed.as_ref().is_none_or(|sealed| sealed.generation == keys.generation) {
                continue;
            }
            if let Some(fields) = self.open(version, keys)? {
                let sealed = self.seal(version.number, fields.expose(), keys)?;
                if let Some(version) = self.versions.get_mut(index) {
                    version.sealed = Some(sealed);
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    /// Adds a version in a state.
    pub(crate) fn add(
        &mut self,
        material: &Material,
        sources: Sources,
        state: VersionState,
        keys: &Keys,
        now: i64,
    ) -> Result<u64, VaultError> {
        let number = self.versions.iter().map(|version| version.number).max().unwrap_or(0) + 1;
        let sealed = Some(self.seal(number, material.sealable(), keys)?);
        if state == VersionState::Current {
            self.retire(now);
        }
        self.versions.push(Version { number, state, created_at: now, since: now, sources, sealed });
        self.shed(now);
        Ok(number)
    }

    /// Makes a version the current one.
    pub(crate) fn promote(&mut self, number: u64, now: i64) {
        self.retire(now);
        self.put(number, VersionState::Current, now);
    }

    /// Forgets what a version holds.
    pub(crate) fn revoke(&mut self, number: u64, now: i64) {
        self.put(number, VersionState::Revoked, now);
        if let Some(version) = self.versions.iter_mut().find(|version| version.number == number) {
            version.sealed = None;
        }
    }

    /// The version in a state; of several, the newest.
    pub(crate) fn in_state(&self, state: VersionState) -> Option<&Version> {
        self.versions
            .iter()
            .filter(|version| version.state == state)
            .max_by_key(|version| (version.since, version.number))
    }

    pub(crate) fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// What is used now becomes what was used before.
    fn retire(&mut self, now: i64) {
        if let Some(current) = self.in_state(VersionState::Current).map(|version| version.number) {
            self.put(current, VersionState::Previous, now);
        }
    }

    fn put(&mut self, number: u64, state: VersionState, now: i64) {
        if let Some(version) = self.versions.iter_mut().find(|version| version.number == number) {
            (version.state, version.since) = (state, now);
        }
    }

    /// Forgets the oldest of what was used before, where too much is held; of what is forgotten, only the number stays,
    /// and of that only the newest hundred.
    fn shed(&mut self, now: i64) {
        let held = |record: &Self| record.versions.iter().filter(|version| version.sealed.is_some()).count();
        while held(self) > MOST_HELD {
            let oldest = self.versions.iter().find(|v| v.sealed.is_some() && v.state == VersionState::Previous);
            let Some(oldest) = oldest.map(|version| version.number) else { break };
            self.revoke(oldest, now);
        }
        while self.versions.len() > 100 {
            let Some(gone) = self.versions.iter().position(|version| version.sealed.is_none()) else { break };
            self.versions.remove(gone);
        }
    }
}

/// Checks a credential's name: `[a-z][a-z0-9-]{0,62}`, like an integration's.
pub(crate) fn check_name(name: &str) -> Result<(), VaultError> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if begins && rest && name.len() <= 63 {
        return Ok(());
    }
    Err(VaultError::Name(name.chars().filter(|c| !c.is_control()).take(80).collect()))
}
