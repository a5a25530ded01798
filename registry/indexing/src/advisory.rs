//! Advisories: which versions of a plugin, of the host or of the runtime within it have a known fault.

use std::{fmt, str::FromStr};

use jackfield_trust::Severity;
use semver::{Version, VersionReq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Timestamp, ranges,
    text::{self, Fault, MAX_LINE, MAX_PROSE},
};

/// The longest id, in bytes: `GHSA-xxxx-xxxx-xxxx`, `CVE-2026-12345`, `RUSTSEC-2026-0001`.
const MAX_ID: usize = 64;
/// The most ranges of one advisory.
const MAX_RANGES: usize = 32;

/// A known fault of some versions of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Advisory {
    /// What it is called everywhere, e.g. `CVE-2026-12345`: letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// What has the fault.
    pub subject: Subject,
    /// The versions that have it: those in one of these ranges. A prerelease of an affected version is affected, and so is one
    /// that came before a range's end: `<1.2.3` holds `1.2.3-rc.1`.
    pub affected: Vec<VersionReq>,
    /// How bad it is.
    pub severity: Severity,
    /// A few words.
    pub title: String,
    /// What can happen, and what to do, in one paragraph.
    pub description: String,
    /// The first version without it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Version>,
    /// Where to read more: an `https://` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it was published.
    pub published: Timestamp,
    /// When it was taken back; from then on nothing is affected by it, and it is kept for those who remember it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Timestamp>,
}

/// What an advisory is about, written `plugin:etcd`, `host` or `runtime`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A plugin of the same index, by its name. Versions are the plugin's.
    Plugin(String),
    /// Jackfield itself. Versions are Jackfield's.
    Host,
    /// The WebAssembly runtime within the host. Versions are wasmtime's.
    Runtime,
}

/// A text that names nothing that advisories are about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an advisory is about `plugin:NAME`, `host` or `runtime`")]
pub struct SubjectError;

impl Advisory {
    /// Whether a version has the fault. None has one that was taken back.
    pub fn affects(&self, version: &Version) -> bool {
        self.withdrawn.is_none() && self.affected.iter().any(|range| ranges::affects(range, version))
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let starts_well = self.id.starts_with(|c: char| c.is_ascii_alphanumeric());
        if self.id.len() > MAX_ID || !starts_well || !self.id.bytes().all(plain) {
            let message = format!("is no id: at most {MAX_ID} letters, digits, `-`, `_` and `.`");
            return Err(("id".into(), message));
        }
        if self.affected.is_empty() {
            return Err(("affected".into(), "names no versions; write `[\"*\"]` where all are affected".into()));
        }
        text::at_most("affected", self.affected.len(), MAX_RANGES)?;
        text::line("title", &self.title, MAX_LINE)?;
        text::line("description", &self.description, MAX_PROSE)?;
        text::optional("url", self.url.as_ref(), MAX_LINE)?;
        if self.url.as_ref().is_some_and(|url| !url.starts_with("https://") || url.contains(char::is_whitespace)) {
            return Err(("url".into(), "is not an `https://` address".into()));
        }
        if let Some(fixed) = self.fixed.as_ref().filter(|fixed| self.affected_if_not_withdrawn(fixed)) {
            return Err((
                "fixed".into(),
                format!("is {fixed}, which is in `affected`; end the range before it: `<{fixed}`"),
            ));
        }
        Ok(())
    }

    fn affected_if_not_withdrawn(&self, version: &Version) -> bool {
        self.affected.iter().any(|range| ranges::affects(range, version))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) => write!(f, "plugin:{name}"),
            Self::Host => f.write_str("host"),
            Self::Runtime => f.write_str("runtime"),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        match (text, text.strip_prefix("plugin:")) {
            ("host", _) => Ok(Self::Host),
            ("runtime", _) => Ok(Self::Runtime),
            (_, Some(name)) if text::is_name(name) => Ok(Self::Plugin(name.to_owned())),
            _ => Err(SubjectError),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
