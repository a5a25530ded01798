//! The page of a plugin: all of its versions, and what is to be known of each before its file is fetched.

use std::collections::BTreeSet;

use jackfield_registry::{CapabilityRef, Compatibility, Digest, MAX_PACKAGE_BYTES};
use semver::{BuildMetadata, Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::{
    FORMAT, IndexError, IndexFile, Location, Timestamp, json,
    text::{self, Fault, MAX_LINE, MAX_PROSE},
};

/// The largest page that is read, in bytes.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// The most releases of a plugin.
pub(crate) const MAX_RELEASES: usize = 2000;
/// Capabilities of a release, as in manifests.
pub(crate) const MAX_CAPABILITIES: usize = 32;
/// Systems that a release was tested with, and versions of each, as in manifests.
const MAX_SYSTEMS: usize = 32;
const MAX_SYSTEM_VERSIONS: usize = 64;
/// A manifest asks for less than that many rights.
const MAX_RIGHTS: usize = 8192;
/// How many digits stand for rights.
const ACCEPT_DIGITS: usize = 32;

/// The page of a plugin, `plugins/NAME.json`.
///
/// What it says of a release is what whoever hosts the index says, so that one can be chosen. What is installed is the file,
/// and what the file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Page {
    #[serde(deserialize_with = "format")]
    pub(crate) format: Format,
    /// The plugin's name.
    pub name: String,
    /// What it is, in a sentence: that of its newest release.
    pub description: String,
    /// Whether the plugin as a whole is to be used no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// Its versions, older ones first.
    pub releases: Vec<Release>,
}

/// That something is to be used no more. It can be installed as ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deprecation {
    /// Why, in a sentence.
    pub reason: String,
    /// The plugin to use instead, by its name, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// A version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// Of the whole file.
    pub digest: Digest,
    /// Where the file is. One at [`package_path`](crate::package_path) beside the index is as good, wherever this is.
    pub place: Location,
    /// The file's size, in bytes.
    pub size: u64,
    /// The versions of the host that it works with.
    pub host: VersionReq,
    /// What it exports.
    pub capabilities: Vec<CapabilityRef>,
    /// The outside systems that it was tested with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compatibility: Vec<Compatibility>,
    /// What it asks for, a line each, as [`Rights::lines`](jackfield_registry::Rights::lines) has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
    /// What stands for exactly those rights; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Who signed it, for people to read. It proves nothing: the file's own signature does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Why it was taken back. It is chosen by nobody who does not name exactly this version, or has it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
    /// Whether this version is to be used no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// When the index first had it.
    pub published: Timestamp,
}

/// The format that files of an index say they have: always this one, once they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Format;

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(FORMAT)
    }
}

/// What it is was looked at before anything else.
pub(crate) fn format<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
    u64::deserialize(deserializer).map(|_| Format)
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        format(deserializer)
    }
}

impl Page {
    /// A page.
    pub fn new(name: String, description: String, releases: Vec<Release>) -> Self {
        let mut page = Self { format: Format, name, description, deprecated: None, releases };
        page.sort();
        page
    }

    /// Reads a page that must have this digest. Its name is not compared with anything: [`Root::page`](crate::Root::page) does.
    pub fn read(bytes: &[u8], expected: &Digest) -> Result<Self, IndexError> {
        let file = || IndexFile::Page("NAME".into());
        Self::read_as(bytes, expected, file())
    }

    pub(crate) fn read_as(bytes: &[u8], expected: &Digest, file: IndexFile) -> Result<Self, IndexError> {
        if bytes.len() > MAX_PAGE_BYTES {
            return Err(IndexError::TooLarge { file, size: bytes.len(), most: MAX_PAGE_BYTES });
        }
        let found = Digest::of(bytes);
        if found != *expected {
            return Err(IndexError::OtherPage { file, expected: *expected, found });
        }
        let mut page: Self = json::read(bytes, MAX_PAGE_BYTES, file.clone())?;
        page.sort();
        page.check().map_err(|(place, reason)| IndexError::Form { file, place, reason })?;
        Ok(page)
    }

    /// Its bytes: the same page is the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::write(self)
    }

    /// The release of exactly this version.
    pub fn release(&self, version: &Version) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == *version)
    }

    /// The newest release: one that was taken back, or a prerelease, only where there is no other.
    pub fn newest(&self) -> Option<&Release> {
        let rank = |release: &&Release| (release.yanked.is_none(), release.version.pre.is_empty());
        self.releases.iter().max_by_key(|release| (rank(release), &release.version))
    }

    /// Older releases first.
    pub(crate) fn sort(&mut self) {
        self.releases.sort_by(|a, b| a.version.cmp(&b.version));
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        text::name("name", &self.name)?;
        text::line("description", &self.description, MAX_LINE)?;
        deprecation("deprecated", self.deprecated.as_ref())?;
        text::at_most("releases", self.releases.len(), MAX_RELEASES)?;
        let mut versions = BTreeSet::new();
        for release in &self.releases {
            let place = format!("releases[{}]", release.version);
            release.check().map_err(text::within(&place))?;
            // Semver does not say which of two is newer that differ behind the `+`.
            if !versions.insert(Version { build: BuildMetadata::EMPTY, ..release.version.clone() }) {
                return Err((place, "is there twice; a version is one file, whatever stands behind `+`".into()));
            }
        }
        Ok(())
    }
}

impl Release {
    fn check(&self) -> Result<(), Fault> {
        if !(1..=MAX_PACKAGE_BYTES as u64).contains(&self.size) {
            return Err(("size".into(), format!("is {}; a plugin has from 1 to {MAX_PACKAGE_BYTES} bytes", self.size)));
        }
        text::line("version", &self.version.to_string(), 64)?;
        text::line("host", &self.host.to_string(), MAX_LINE)?;
        capabilities("capabilities", &self.capabilities)?;
        if self.capabilities.is_empty() {
            return Err(("capabilities".into(), "names none; a plugin exports at least one".into()));
        }
        text::at_most("compatibility", self.compatibility.len(), MAX_SYSTEMS)?;
        for with in &self.compatibility {
            text::line("compatibility.system", &with.system, 100)?;
            text::at_most("compatibility.versions", with.versions.len(), MAX_SYSTEM_VERSIONS)?;
            with.versions.iter().try_for_each(|version| text::line("compatibility.versions", version, 64))?;
        }
        text::at_most("rights", self.rights.len(), MAX_RIGHTS)?;
        self.rights.iter().try_for_each(|right| text::line("rights", right, MAX_PROSE))?;
        let digits = |text: &String| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if self.accept.as_ref().is_some_and(|accept| accept.len() != ACCEPT_DIGITS || !digits(accept)) {
            return Err(("accept".into(), format!("is not {ACCEPT_DIGITS} digits of 0-9 and a-f")));
        }
        if self.rights.is_empty() != self.accept.is_none() {
            return Err(("accept".into(), "stands for `rights`: there are both or none".into()));
        }
        text::optional("signer", self.signer.as_ref(), MAX_LINE)?;
        text::optional("yanked", self.yanked.as_ref(), MAX_LINE)?;
        deprecation("deprecated", self.deprecated.as_ref())
    }
}

pub(crate) fn deprecation(place: &str, deprecation: Option<&Deprecation>) -> Result<(), Fault> {
    let Some(Deprecation { reason, replacement }) = deprecation else { return Ok(()) };
    text::line("reason", reason, MAX_LINE).map_err(text::within(place))?;
    replacement.as_ref().map_or(Ok(()), |name| text::name("replacement", name).map_err(text::within(place)))
}

pub(crate) fn capabilities(place: &str, all: &[CapabilityRef]) -> Result<(), Fault> {
    text::at_most(place, all.len(), MAX_CAPABILITIES)?;
    all.iter().try_for_each(|one| text::line(place, &one.to_string(), MAX_LINE))
}
