//! How a capability is named: `namespace:package@version`, or `namespace:package/interface@version` for one of a
//! package's optional interfaces. The name is parsed once, here; everything behind it trusts the type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One WIT interface that a plugin exports, by its full name.
///
/// ```
/// use jackfield_registry::CapabilityRef;
/// let short: CapabilityRef = "jackfield:key-value@0.1.0".parse().unwrap();
/// let full: CapabilityRef = "jackfield:key-value/key-value@0.1.0".parse().unwrap();
/// assert_eq!(short, full);
/// assert_eq!(full.to_string(), "jackfield:key-value@0.1.0");
/// assert_eq!(short.interface_id(), "jackfield:key-value/key-value@0.1.0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CapabilityRef {
    /// The package's namespace, e.g. `jackfield`.
    pub namespace: String,
    /// The package's name, e.g. `key-value`.
    pub package: String,
    /// The interface, e.g. `locks`; the package's main interface has the package's name.
    pub interface: String,
    /// The package's version.
    pub version: semver::Version,
}

impl CapabilityRef {
    /// The interface's id as a component spells it, e.g. `jackfield:key-value/locks@0.1.0`.
    pub fn interface_id(&self) -> String {
        format!("{}:{}/{}@{}", self.namespace, self.package, self.interface, self.version)
    }

    /// The package's id, e.g. `jackfield:key-value@0.1.0`.
    pub fn package_id(&self) -> String {
        format!("{}:{}@{}", self.namespace, self.package, self.version)
    }
}

/// Shows the short form where there is one.
impl fmt::Display for CapabilityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.interface == self.package { f.write_str(&self.package_id()) } else { f.write_str(&self.interface_id()) }
    }
}

/// Why a text does not name a capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` does not name a capability: {why}; write `namespace:package@1.2.3` or `namespace:package/interface@1.2.3`"
)]
pub struct CapabilityRefError {
    given: String,
    why: String,
}

impl FromStr for CapabilityRef {
    type Err = CapabilityRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: String| CapabilityRefError { given: text.chars().take(120).collect(), why };
        let (path, version) = text.split_once('@').ok_or_else(|| error("the version is missing".into()))?;
        let (namespace, rest) = path.split_once(':').ok_or_else(|| error("the namespace is missing".into()))?;
        let (package, interface) = rest.split_once('/').unwrap_or((rest, rest));
        for (what, name) in [("namespace", namespace), ("package", package), ("interface", interface)] {
            if !is_wit_name(name) {
                return Err(error(format!(
                    "the {what} `{name}` is not a WIT name (lower-case words of letters and digits, joined by `-`)"
                )));
            }
        }
        let version =
            semver::Version::parse(version).map_err(|e| error(format!("`{version}` is not a version: {e}")))?;
        Ok(Self { namespace: namespace.into(), package: package.into(), interface: interface.into(), version })
    }
}

/// Whether a text is a WIT name in lower case: words of letters and digits joined by single dashes, the first of which
/// starts with a letter (`route-53` is one).
pub(crate) fn is_wit_name(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(word)
}

impl Serialize for CapabilityRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CapabilityRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
