//! What somebody wants of an index: a plugin, in some range of versions, with some capabilities.

use std::{fmt, str::FromStr};

use jackfield_registry::CapabilityRef;
use semver::{Version, VersionReq};

use crate::{Release, ranges, text};

/// A plugin that somebody wants: `etcd`, `etcd@^1.2`, `etcd@1.2.0`, `acme/etcd@>=1, <3`.
///
/// ```
/// use jackfield_index::{Want, Wanted};
/// let want: Want = "acme/etcd@1.2.0".parse().unwrap();
/// assert_eq!(want.index.as_deref(), Some("acme"));
/// assert_eq!(want.version, Wanted::Exactly("1.2.0".parse().unwrap()));
/// assert_eq!(want.to_string(), "acme/etcd@1.2.0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The index that it is to be from, as the operator calls it. Without one it is the first index, in the operator's order,
    /// that has a plugin of the name: a later one cannot put one in its place.
    pub index: Option<String>,
    /// The plugin's name.
    pub name: String,
    /// Which of its versions.
    pub version: Wanted,
    /// What it must offer.
    pub capabilities: Vec<Need>,
    /// Whether prereleases will do that are not named.
    pub prereleases: bool,
}

/// Versions that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The newest that will do, of a range.
    Range(VersionReq),
    /// This one. It may be a prerelease, or have been taken back: whoever names it knows it.
    Exactly(Version),
}

/// A capability that somebody wants, in a range of versions: `jackfield:key-value@^0.1`, `jackfield:key-value/locks@0.1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The namespace of the capability's package.
    pub namespace: String,
    /// The package.
    pub package: String,
    /// The interface; a package's main interface has the package's name.
    pub interface: String,
    /// The versions of the package that will do.
    pub range: VersionReq,
}

/// Why a text says nothing that could be wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantError {
    /// The name of the plugin or of the index is none.
    #[error("`{given}` names no plugin; write `NAME`, `NAME@VERSION`, `NAME@RANGE` or `INDEX/NAME@RANGE`")]
    Name {
        /// What was given.
        given: String,
    },
    /// The versions are none.
    #[error("`{given}` is neither a version (`1.2.0`) nor a range of versions (`^1.2`, `>=1, <3`): {reason}")]
    Versions {
        /// What was given.
        given: String,
        /// What is wrong.
        reason: String,
    },
    /// The capability is none.
    #[error("`{given}` names no capability; write `namespace:package@RANGE` or `namespace:package/interface@RANGE`")]
    Capability {
        /// What was given.
        given: String,
    },
}

impl Want {
    /// The newest version of a plugin.
    pub fn newest(name: impl Into<String>) -> Self {
        let version = Wanted::Range(VersionReq::STAR);
        Self { index: None, name: name.into(), version, capabilities: Vec::new(), prereleases: false }
    }
}

impl Want {
    /// Whether a release of the plugin is one of those, wherever it is to run. One that was taken back is only for whoever names
    /// it.
    pub fn holds(&self, release: &Release) -> bool {
        let offers = |need: &Need| release.capabilities.iter().any(|capability| need.is_met_by(capability));
        self.version.holds(&release.version, self.prereleases)
            && (release.yanked.is_none() || self.version.names(&release.version))
            && self.capabilities.iter().all(offers)
    }
}

impl Wanted {
    /// Whether a version is one of those.
    pub(crate) fn holds(&self, version: &Version, prereleases: bool) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == version,
            Self::Range(range) if prereleases => ranges::admits(range, version),
            Self::Range(range) => range.matches(version),
        }
    }

    /// Whether a version is named, and not only one of a range.
    pub(crate) fn names(&self, version: &Version) -> bool {
        matches!(self, Self::Exactly(wanted) if wanted == version)
    }
}

impl Need {
    /// Whether this is the interface, of whichever version.
    pub(crate) fn is_of(&self, capability: &CapabilityRef) -> bool {
        let named = (&self.namespace, &self.package, &self.interface);
        named == (&capability.namespace, &capability.package, &capability.interface)
    }

    /// Whether a capability will do.
    pub fn is_met_by(&self, capability: &CapabilityRef) -> bool {
        self.is_of(capability) && self.range.matches(&capability.version)
    }

    /// The capability without its versions.
    pub fn id(&self) -> String {
        let Self { namespace, package, interface, .. } = self;
        if interface == package {
            format!("{namespace}:{package}")
        } else {
            format!("{namespace}:{package}/{interface}")
        }
    }
}

/// The beginning of what was given.
fn given(text: &str) -> String {
    crate::error::shown(&text.chars().take(120).collect::<String>())
}

fn range(text: &str) -> Result<VersionReq, WantError> {
    VersionReq::parse(text)
        .map_err(|error| WantError::Versions { given: given(text), reason: crate::error::shown(&error.to_string()) })
}

impl FromStr for Wanted {
    type Err = WantError;

    fn from_str(text: &str) -> Result<Self, WantError> {
        let text = text.trim();
        let exact = text.strip_prefix('=').unwrap_or(text).trim_start();
        match Version::parse(exact) {
            Ok(version) => Ok(Self::Exactly(version)),
            Err(_) => Ok(Self::Range(range(text)?)),
        }
    }
}

impl FromStr for Want {
    type Err = WantError;

    fn from_str(text: &str) -> Result<Self, WantError> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, version.parse()?),
            None => (text, Wanted::Range(VersionReq::STAR)),
        };
        let (index, name) = match path.split_once('/') {
            Some((index, name)) => (Some(index.to_owned()), name),
            None => (None, path),
        };
        if !text::is_name(name) || !index.as_deref().is_none_or(text::is_name) {
            return Err(WantError::Name { given: given(text) });
        }
        Ok(Self { index, version, ..Self::newest(name) })
    }
}

impl FromStr for Need {
    type Err = WantError;

    fn from_str(text: &str) -> Result<Self, WantError> {
        let (path, range) = match text.split_once('@') {
            Some((path, versions)) => (path, range(versions)?),
            None => (text, VersionReq::STAR),
        };
        // What a name is, one parser says.
        let named: CapabilityRef =
            format!("{path}@0.0.0").parse().map_err(|_| WantError::Capability { given: given(text) })?;
        Ok(Self { namespace: named.namespace, package: named.package, interface: named.interface, range })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Exactly(version) => version.fmt(f),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id(), self.range)
    }
}

/// Without the capabilities, in the form that is read.
impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = &self.index {
            write!(f, "{index}/")?;
        }
        f.write_str(&self.name)?;
        match &self.version {
            Wanted::Range(range) if *range == VersionReq::STAR => Ok(()),
            version => write!(f, "@{version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_and_shown_in_one_form() {
        for text in ["etcd", "etcd@1.2.0", "etcd@1.2.0-rc.1", "etcd@^1.2", "acme/etcd@>=1, <3", "a/b"] {
            assert_eq!(text.parse::<Want>().unwrap().to_string(), text);
        }
        assert_eq!("etcd@=1.2.0".parse::<Want>().unwrap().to_string(), "etcd@1.2.0");
        assert_eq!("etcd@ = 1.2.0".parse::<Want>().unwrap().to_string(), "etcd@1.2.0");
        assert_eq!("etcd@1.2".parse::<Want>().unwrap().to_string(), "etcd@^1.2");
        for text in ["", "@1", "Etcd", "a/b/c", "../etcd", "/etcd", "etcd/", "etcd@", "etcd@1.2.3.4", "etcd@y"] {
            assert!(text.parse::<Want>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_capability_without_an_interface_is_its_packages_main_one() {
        let need: Need = "jackfield:key-value@^0.1".parse().unwrap();
        assert!(need.is_met_by(&"jackfield:key-value/key-value@0.1.3".parse().unwrap()));
        assert!(!need.is_met_by(&"jackfield:key-value/locks@0.1.3".parse().unwrap()));
        assert!(!need.is_met_by(&"jackfield:key-value@0.2.0".parse().unwrap()));
        assert_eq!(need.to_string(), "jackfield:key-value@^0.1");
        assert_eq!("a:b/c".parse::<Need>().unwrap().to_string(), "a:b/c@*");
        assert!("key-value@1".parse::<Need>().is_err());
    }
}
