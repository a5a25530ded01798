//! Building an index: from the plugins' files, the notes on them and the advisories, into a folder that can be hosted as it is.
//!
//! What the folder has is built upon: releases stay with the time when they came, whether their files are given again or not,
//! and an advisory is taken back in words. The same is the same bytes but for serial and times; where nothing changed nothing is
//! written, until half of the index's time is over.

mod error;
mod packed;
mod plan;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jackfield_registry::{Digest, Limits};
use jackfield_trust::PrivateKey;

use crate::{
    Advisory, IndexError, IndexFile, MAX_PAGE_BYTES, MAX_ROOT_BYTES, Notes, Page, ROOT_FILE, Root, SIGNATURE_FILE,
    Settings, Timestamp, folder, package_path, page_path,
};
pub use error::BuildError;
use packed::Packed;
use plan::Plan;

/// The longest of the files that people write, and of signatures, in bytes.
const MAX_SMALL_BYTES: usize = 1024 * 1024;
/// What a signature's name ends in, beside the file it is of.
pub(crate) const SIGNATURE_SUFFIX: &str = ".sigstore.json";

/// What an index is built from.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The folder with `index.toml`, `plugins/NAME.toml` and `advisories/ID.toml`.
    pub source: &'a Path,
    /// Plugins' packed files, and folders of which all `*.wasm` are taken. A signature beside a file, `FILE.sigstore.json`, goes
    /// with it where files are copied.
    pub packages: &'a [PathBuf],
    /// The limits of a plugin that asks for none: what a host gives beyond them is a right.
    pub given: &'a Limits,
    /// What the root is signed with. Without one it is written unsigned, to be signed by other means.
    pub key: Option<&'a PrivateKey>,
    /// Now.
    pub now: Timestamp,
}

/// An index that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its serial.
    pub serial: u64,
    /// Until when it is to be believed.
    pub expires: Timestamp,
    /// The digest of its root: what a signature is of.
    pub root: Digest,
    /// What was written.
    pub outcome: Outcome,
    /// The releases that it did not have before, as `NAME@VERSION`.
    pub added: Vec<String>,
}

/// What was written of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new root, and what changed of the rest.
    Written,
    /// A signature of the root that was there.
    Signed,
    /// Nothing.
    Unchanged,
}

/// An index that is in a folder already.
struct Before {
    root: Root,
    bytes: Vec<u8>,
    pages: BTreeMap<String, Page>,
}

impl Build<'_> {
    /// Builds the index into a folder, which is empty or has what was built there before. Pages are written first and the root
    /// last; a folder whose machine stopped in between is completed by the next build.
    pub fn write(&self, out: &Path) -> Result<Built, BuildError> {
        fs::create_dir_all(out).map_err(|error| folder::fault(out, error))?;
        folder::recover(out)?;
        let before = before(out)?;
        let plan = Plan {
            settings: &self.settings()?,
            notes: self.notes()?,
            advisories: self.advisories()?,
            packed: packed::read_all(self.packages, self.given)?,
            before: before.as_ref(),
            now: self.now,
        };
        let (root, pages) = plan.index()?;
        self.copy(&plan.packed, &pages, out)?;
        are_there(&pages, out)?;
        let added = plan::added(&pages, before.as_ref());
        let (root, bytes, outcome) = match before {
            Some(before) if before.is_still(&root, self.now) => (before.root, before.bytes, Outcome::Unchanged),
            _ => {
                let bytes = root.to_bytes();
                (root, bytes, Outcome::Written)
            }
        };
        // What is written is what can be read.
        Root::read(&bytes)?;
        let digest = Digest::of(&bytes);
        let signature = self.key.map(|key| key.bundle(&digest));
        let there = folder::read(&out.join(SIGNATURE_FILE), MAX_SMALL_BYTES)?;
        // A key makes one signature of one root.
        let outcome = match (outcome, &signature) {
            (Outcome::Unchanged, Some(signature)) if there.as_ref() != Some(signature) => Outcome::Signed,
            (outcome, _) => outcome,
        };
        if outcome != Outcome::Unchanged {
            let mut files: Vec<folder::File> = Vec::new();
            if outcome == Outcome::Written {
                files.extend(pages.iter().map(|(name, page)| (page_path(name), page.to_bytes())));
            }
            files.extend(signature.map(|signature| (SIGNATURE_FILE.to_owned(), signature)));
            files.push((ROOT_FILE.to_owned(), bytes));
            folder::publish(out, &files)?;
        }
        Ok(Built { serial: root.serial, expires: root.expires, root: digest, outcome, added })
    }

    fn settings(&self) -> Result<Settings, BuildError> {
        let path = self.source.join("index.toml");
        if !path.is_file() {
            return Err(BuildError::NoSettings { path });
        }
        let name = path.display().to_string();
        Ok(Settings::parse(&text(&path)?, &name)?)
    }

    fn notes(&self) -> Result<BTreeMap<String, (String, Notes)>, BuildError> {
        let mut all = BTreeMap::new();
        for (name, path) in toml_files(&self.source.join("plugins"))? {
            let shown = path.display().to_string();
            let notes = Notes::parse(&text(&path)?, &shown)?;
            all.insert(name, (shown, notes));
        }
        Ok(all)
    }

    fn advisories(&self) -> Result<Vec<Advisory>, BuildError> {
        let mut all = Vec::new();
        for (name, path) in toml_files(&self.source.join("advisories"))? {
            let shown = path.display().to_string();
            let advisory = Advisory::from_toml(&text(&path)?, &shown)?;
            if advisory.id != name {
                return Err(BuildError::Misnamed { path, id: advisory.id });
            }
            all.push(advisory);
        }
        Ok(all)
    }

    /// Copies the files that are to lie beside the index, and their signatures.
    fn copy(&self, packed: &[Packed], pages: &BTreeMap<String, Page>, out: &Path) -> Result<(), BuildError> {
        for one in packed {
            let release = pages.get(&one.name).and_then(|page| page.release(&one.version));
            let Some(release) = release.filter(|release| release.place.as_str() == package_path(&one.digest)) else {
                continue;
            };
            let path = release.place.as_str();
            folder::put(out, path, &one.bytes()?)?;
            let signature = PathBuf::from(format!("{}{SIGNATURE_SUFFIX}", one.path.display()));
            if let Some(signature) = folder::read(&signature, MAX_SMALL_BYTES)? {
                folder::put(out, &format!("{path}{SIGNATURE_SUFFIX}"), &signature)?;
            }
        }
        Ok(())
    }
}

impl Before {
    /// Whether a root says what this one says, and it is long enough to be believed.
    fn is_still(&self, root: &Root, now: Timestamp) -> bool {
        let Root { format: _, name, description, serial: _, published, expires, plugins, advisories } = &self.root;
        let same = (name, description, plugins, advisories)
            == (&root.name, &root.description, &root.plugins, &root.advisories);
        let half = (expires.seconds() - published.seconds()) / 2;
        same && now.seconds() < published.seconds() + half
    }
}

/// The index that a folder has.
fn before(out: &Path) -> Result<Option<Before>, BuildError> {
    let path = out.join(ROOT_FILE);
    let Some(bytes) = folder::read(&path, MAX_ROOT_BYTES)? else { return Ok(None) };
    let damaged = |error: IndexError| BuildError::Before { path: out.to_owned(), error: Box::new(error) };
    let root = Root::read(&bytes).map_err(damaged)?;
    let mut pages = BTreeMap::new();
    for name in root.plugins.keys() {
        let path = out.join(page_path(name));
        let Some(page) = folder::read(&path, MAX_PAGE_BYTES)? else {
            let (file, reason) = (IndexFile::Page(name.clone()), "is not there".to_owned());
            return Err(damaged(IndexError::Form { file, place: String::new(), reason }));
        };
        pages.insert(name.clone(), root.page(name, &page).map_err(damaged)?);
    }
    Ok(Some(Before { root, bytes, pages }))
}

/// Whether everything is there that is said to lie beside the index.
fn are_there(pages: &BTreeMap<String, Page>, out: &Path) -> Result<(), BuildError> {
    for (name, release) in pages.values().flat_map(|page| page.releases.iter().map(|release| (&page.name, release))) {
        let path = out.join(release.place.as_str());
        let is_there = || fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == release.size);
        if release.place.is_beside() && !is_there() {
            return Err(BuildError::NotThere { release: format!("{name}@{}", release.version), path });
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, BuildError> {
    let missing = || folder::fault(path, std::io::ErrorKind::NotFound.into());
    let bytes = folder::read(path, MAX_SMALL_BYTES)?.ok_or_else(missing)?;
    String::from_utf8(bytes).map_err(|_| folder::fault(path, std::io::Error::other("it is not text in UTF-8")))
}

/// The files `NAME.toml` of a folder that may not be there, by name.
fn toml_files(folder: &Path) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(folder::fault(folder, error)),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| folder::fault(folder, error))?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, path);
        }
    }
    Ok(files)
}
