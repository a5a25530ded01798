//! The root of an index: what is signed. It has the digest of each page, so its signature is one of all pages, and the
//! advisories, so that whoever has a fresh root has all of them.

use std::collections::{BTreeMap, BTreeSet};

use jackfield_registry::{CapabilityRef, Digest};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    Advisory, IndexError, IndexFile, MAX_PAGE_BYTES, Page, Subject, Timestamp, json,
    page::{self, Format},
    text::{self, Fault, MAX_LINE},
};

/// The largest root that is read, in bytes.
pub const MAX_ROOT_BYTES: usize = 16 * 1024 * 1024;
/// The most plugins of an index.
pub(crate) const MAX_PLUGINS: usize = 10_000;
/// The highest serial: what every reader of JSON takes for the same number.
const MAX_SERIAL: u64 = (1 << 53) - 1;
/// The most advisories of an index.
pub(crate) const MAX_ADVISORIES: usize = 2000;
/// The most advisories about one thing: each is held against each version of it.
const MAX_ADVISORIES_OF_ONE: usize = 200;

/// The root of an index, `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Root {
    pub(crate) format: Format,
    /// What the index calls itself. An operator may know it by another name; that it stays the same is held against what was
    /// seen before, so that nobody passes one index for another of the same signer.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// It grows with each change, from 1.
    pub serial: u64,
    /// When it was made.
    pub published: Timestamp,
    /// When it is to be believed no more: whoever holds a reader off from newer ones holds it off until then at most.
    pub expires: Timestamp,
    /// Its plugins, by name.
    pub plugins: BTreeMap<String, Listing>,
    /// Known faults of its plugins, of the host and of the runtime.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<Advisory>,
}

/// A plugin of an index, as its root has it: its page, and enough to find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listing {
    /// The digest of its page.
    pub page: Digest,
    /// The page's size, in bytes.
    pub size: u64,
    /// What it is, in a sentence.
    pub description: String,
    /// Its newest version that was not taken back and is no prerelease, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Version>,
    /// What the newest release exports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<CapabilityRef>,
    /// Whether it is to be used no more; its page says why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
}

/// What is remembered of an index, so that an old or another one is known when it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Seen {
    /// What it calls itself.
    pub name: String,
    /// The highest serial that was seen.
    pub serial: u64,
    /// The digest of that root.
    pub digest: Digest,
}

impl Root {
    /// Reads a root. Whether it is signed, newer than what was seen, and fresh are questions of their own:
    /// [`verify`](crate::verify), [`Root::follows`], [`Root::is_fresh`].
    pub fn read(bytes: &[u8]) -> Result<Self, IndexError> {
        let root: Self = json::read(bytes, MAX_ROOT_BYTES, IndexFile::Root)?;
        root.check().map_err(|(place, reason)| IndexError::Form { file: IndexFile::Root, place, reason })?;
        Ok(root)
    }

    /// Its bytes: the same root is the same bytes. What was signed are the bytes that were read, which may be others.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::write(self)
    }

    /// Reads the page of a plugin of this index.
    pub fn page(&self, plugin: &str, bytes: &[u8]) -> Result<Page, IndexError> {
        let listing = self.listing(plugin)?;
        let file = IndexFile::Page(plugin.to_owned());
        let page = Page::read_as(bytes, &listing.page, file.clone())?;
        if page.name != plugin {
            let reason = format!("is `{}`, and this is the page of `{plugin}`", page.name);
            return Err(IndexError::Form { file, place: "name".into(), reason });
        }
        Ok(page)
    }

    /// What the root says of a plugin.
    pub fn listing(&self, plugin: &str) -> Result<&Listing, IndexError> {
        let missing = || IndexError::NoSuchPlugin {
            index: self.name.clone(),
            plugin: crate::error::shown(&plugin.chars().take(64).collect::<String>()),
        };
        self.plugins.get(plugin).ok_or_else(missing)
    }

    /// What to remember of an index whose root, of these bytes, was taken.
    pub fn seen(&self, bytes: &[u8]) -> Seen {
        Seen { name: self.name.clone(), serial: self.serial, digest: Digest::of(bytes) }
    }

    /// Refuses a root, of these bytes, that is another index's than what was seen, or an older one, or one of the same serial
    /// that says something else.
    pub fn follows(&self, bytes: &[u8], seen: &Seen) -> Result<(), IndexError> {
        let index = self.name.clone();
        if self.name != seen.name {
            return Err(IndexError::OtherIndex { expected: seen.name.clone(), found: index });
        }
        if self.serial < seen.serial {
            return Err(IndexError::RolledBack { index, seen: seen.serial, found: self.serial });
        }
        let found = Digest::of(bytes);
        if self.serial == seen.serial && found != seen.digest {
            return Err(IndexError::Forked { index, serial: self.serial, seen: seen.digest, found });
        }
        Ok(())
    }

    /// Refuses a root that is past its time. It can be looked at and searched all the same.
    pub fn is_fresh(&self, now: Timestamp) -> Result<(), IndexError> {
        if now < self.expires {
            return Ok(());
        }
        Err(IndexError::Expired { index: self.name.clone(), expires: self.expires })
    }

    /// The advisories that a version of something is affected by, worse ones first.
    pub fn affecting(&self, subject: &Subject, version: &Version) -> Vec<&Advisory> {
        let about = |advisory: &&Advisory| advisory.subject == *subject && advisory.affects(version);
        let mut all: Vec<&Advisory> = self.advisories.iter().filter(about).collect();
        all.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        all
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        text::name("name", &self.name)?;
        text::line("description", &self.description, MAX_LINE)?;
        if self.serial == 0 {
            return Err(("serial".into(), "is 0; serials begin with 1".into()));
        }
        if self.serial > MAX_SERIAL {
            return Err(("serial".into(), format!("is {}; the highest is {MAX_SERIAL}", self.serial)));
        }
        if self.expires <= self.published {
            return Err(("expires".into(), format!("is {}, which is not after `published`", self.expires)));
        }
        text::at_most("plugins", self.plugins.len(), MAX_PLUGINS)?;
        for (name, listing) in &self.plugins {
            text::name("plugins", name)?;
            listing.check().map_err(text::within(&format!("plugins.{name}")))?;
        }
        text::at_most("advisories", self.advisories.len(), MAX_ADVISORIES)?;
        let (mut ids, mut subjects) = (BTreeSet::new(), BTreeMap::new());
        for (number, advisory) in self.advisories.iter().enumerate() {
            let place = format!("advisories[{number}]");
            advisory.check().map_err(text::within(&place))?;
            let about = subjects.entry(&advisory.subject).or_insert(0_usize);
            *about += usize::from(advisory.withdrawn.is_none());
            if *about > MAX_ADVISORIES_OF_ONE {
                let message = format!(
                    "is one of more than {MAX_ADVISORIES_OF_ONE} about `{}`; withdraw those that others tell of too",
                    advisory.subject
                );
                return Err((place, message));
            }
            if !ids.insert(&advisory.id) {
                return Err((place, format!("`{}` is there twice", advisory.id)));
            }
        }
        Ok(())
    }
}

impl Listing {
    /// What the root says of a page of these bytes.
    pub fn of(page: &Page, bytes: &[u8]) -> Self {
        let newest = page.newest();
        let stable = newest.filter(|release| release.yanked.is_none() && release.version.pre.is_empty());
        Self {
            page: Digest::of(bytes),
            size: bytes.len() as u64,
            description: page.description.clone(),
            newest: stable.map(|release| release.version.clone()),
            capabilities: newest.map(|release| release.capabilities.clone()).unwrap_or_default(),
            deprecated: page.deprecated.is_some(),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        if self.size > MAX_PAGE_BYTES as u64 {
            return Err(("size".into(), format!("is {}; at most {MAX_PAGE_BYTES} bytes are read", self.size)));
        }
        text::line("description", &self.description, MAX_LINE)?;
        page::capabilities("capabilities", &self.capabilities)
    }
}
