//! The lock file, `jackfield.lock`: which plugins there are to be, to the byte, from where, by whom, and with which rights.
//! It lies in an operator's repository and is what a reviewer sees change; what is installed by it is that and nothing
//! else, whatever a tag names meanwhile and whoever could sign.
//!
//! Here it is read, written and compared, and nothing else: no file, no network. It is no signature and makes nobody
//! trusted. The trust policy judges a locked plugin like any other; the lock only refuses more.

mod drift;
mod read;
mod write;

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::Digest;
pub use drift::Drift;
pub use read::{LockError, MAX_LOCK_BYTES};

/// What a lock file is called unless it is called something else.
pub const LOCK_FILE: &str = "jackfield.lock";

/// The form of lock files that is read and written.
const FORM: i64 = 1;

/// A lock file: one entry a version of a plugin.
///
/// ```
/// use jackfield_registry::{Digest, Lock, LockedPlugin};
/// let mut lock = Lock::default();
/// lock.insert(LockedPlugin {
///     name: "echo".into(),
///     version: "1.0.0".parse().unwrap(),
///     digest: Digest::of(b"the file"),
///     from: Some("plugins/echo.wasm".into()),
///     signer: None,
///     rights: vec![],
///     accept: None,
/// });
/// let text = lock.to_string();
/// assert_eq!(text.parse(), Ok(lock));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock(BTreeMap<(String, Version), LockedPlugin>);

/// A version of a plugin as it is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPlugin {
    /// The manifest's name.
    pub name: String,
    /// The manifest's version.
    pub version: Version,
    /// Of the whole file.
    pub digest: Digest,
    /// What fetches it again: a place pinned by a digest, or a file's path from the lock file's folder with `/` between
    /// names. None where nobody knows: a file that was handed over to the host from somewhere.
    pub from: Option<String>,
    /// Who signed it; none where that was not needed.
    pub signer: Option<LockedSigner>,
    /// Everything that it asks for, a line each, as [`Rights::lines`](crate::Rights::lines) has them.
    pub rights: Vec<String>,
    /// What stands for exactly those rights, as [`Rights::token`](crate::Rights::token) makes it; none where there are none.
    pub accept: Option<String>,
}

/// Who signed a locked plugin, as the host proved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum LockedSigner {
    /// The holder of a key.
    Key {
        /// The SHA-256 of the public key's DER.
        fingerprint: Digest,
    },
    /// Someone who an issuer of identities vouched for.
    Identity {
        /// The issuer, a URL.
        issuer: String,
        /// Who.
        subject: String,
    },
}

impl Lock {
    /// Locks a version of a plugin, in place of what was locked of that version.
    pub fn insert(&mut self, plugin: LockedPlugin) -> Option<LockedPlugin> {
        self.0.insert((plugin.name.clone(), plugin.version.clone()), plugin)
    }

    /// What is locked of a version of a plugin.
    pub fn get(&self, name: &str, version: &Version) -> Option<&LockedPlugin> {
        self.0.get(&(name.to_owned(), version.clone()))
    }

    /// Every version of a plugin that is locked, older ones first.
    pub fn versions<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a LockedPlugin> {
        self.iter().filter(move |plugin| plugin.name == name)
    }

    /// Everything that is locked, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &LockedPlugin> {
        self.0.values()
    }

    /// Whether nothing is locked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl LockedPlugin {
    /// `NAME@VERSION`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}
