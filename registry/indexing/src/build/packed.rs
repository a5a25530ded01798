//! The plugins' files that an index is built from: what is to be known of each, without keeping the file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jackfield_registry::{Digest, Limits, MAX_PACKAGE_BYTES, Package, Rights};
use semver::Version;

use super::BuildError;
use crate::{Location, Release, Timestamp, folder};

/// A plugin's file.
pub(super) struct Packed {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) digest: Digest,
    pub(super) description: String,
    /// What the index says of it, but for what the file does not say: where it is, and when it came.
    facts: Release,
}

/// Reads files, and all files of folders. A file that is given twice is one.
pub(super) fn read_all(packages: &[PathBuf], given: &Limits) -> Result<Vec<Packed>, BuildError> {
    let mut all: Vec<Packed> = Vec::new();
    for path in packages.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.concat() {
        let packed = read(path, given)?;
        match all.iter().find(|other| other.name == packed.name && other.version == packed.version) {
            Some(other) if other.digest == packed.digest => {}
            Some(other) => return Err(packed.is_not(&other.digest)),
            None => all.push(packed),
        }
    }
    all.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(all)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, BuildError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut files: Vec<PathBuf> = entries.map_err(|error| folder::fault(path, error))?;
    files.retain(|file| file.extension().is_some_and(|end| end == "wasm"));
    files.sort();
    Ok(files)
}

fn bytes(path: &Path) -> Result<Vec<u8>, BuildError> {
    let missing = || folder::fault(path, std::io::ErrorKind::NotFound.into());
    folder::read(path, MAX_PACKAGE_BYTES)?.ok_or_else(missing)
}

fn read(path: PathBuf, given: &Limits) -> Result<Packed, BuildError> {
    let bytes = bytes(&path)?;
    let package = Package::read(&bytes).map_err(|error| BuildError::Package { path: path.clone(), error })?;
    let rights = Rights::of(&package.manifest, given);
    let plugin = package.manifest.plugin;
    let facts = Release {
        version: plugin.version.clone(),
        digest: package.digest,
        place: Location::Beside(crate::package_path(&package.digest)),
        size: bytes.len() as u64,
        host: plugin.host,
        capabilities: plugin.capabilities,
        compatibility: package.manifest.compatibility,
        accept: (!rights.is_empty()).then(|| rights.token(&plugin.name)),
        rights: rights.lines(),
        signer: None,
        yanked: None,
        deprecated: None,
        published: Timestamp::default(),
    };
    let Release { version, digest, .. } = facts.clone();
    Ok(Packed { path, name: plugin.name, version, digest, description: plugin.description, facts })
}

impl Packed {
    /// The file's bytes, which are still those that were read.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, BuildError> {
        let bytes = bytes(&self.path)?;
        match Digest::of(&bytes) {
            found if found == self.digest => Ok(bytes),
            found => Err(BuildError::OtherDigest { release: self.id(), expected: self.digest, found }),
        }
    }

    /// What the index says of it.
    pub(super) fn release(&self, place: Location, published: Timestamp) -> Release {
        Release { place, published, ..self.facts.clone() }
    }

    /// That it is another file than the one that is known of its version.
    pub(super) fn is_not(&self, known: &Digest) -> BuildError {
        BuildError::OtherFile { path: self.path.clone(), release: self.id(), known: *known, found: self.digest }
    }

    fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}
