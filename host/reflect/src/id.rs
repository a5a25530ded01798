//! Names: of capabilities (`jackfield:metrics@0.1.0`) and of the interfaces in them (`jackfield:metrics/metrics@0.1.0`).

use std::{fmt, str::FromStr};

use semver::Version;
use serde::{Deserialize, Serialize};

/// A capability: a WIT package and its version. Displays as `namespace:name@version`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CapabilityId {
    /// Who owns the package, e.g. `jackfield`.
    pub namespace: String,
    /// The package's name, e.g. `metrics`; what people call the capability.
    pub name: String,
    /// The package's version.
    pub version: Version,
}

impl CapabilityId {
    /// Whether `wanted` names this capability: as `name`, `namespace:name`, or either with `@version`.
    pub fn answers_to(&self, wanted: &str) -> bool {
        let (name, version) = match wanted.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted, None),
        };
        let named = match name.split_once(':') {
            Some((namespace, name)) => namespace == self.namespace && name == self.name,
            None => name == self.name,
        };
        named && version.is_none_or(|v| Version::parse(v).is_ok_and(|v| v == self.version))
    }

    /// `namespace:name`, without the version.
    pub fn package(&self) -> String {
        format!("{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for CapabilityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.namespace, self.name, self.version)
    }
}

/// A text that is not a name of the form asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct InvalidId {
    found: String,
    expected: &'static str,
}

impl FromStr for CapabilityId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parts = || {
            let (package, version) = text.split_once('@')?;
            let (namespace, name) = package.split_once(':')?;
            let version = Version::parse(version).ok()?;
            (is_kebab(namespace) && is_kebab(name)).then(|| Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                version,
            })
        };
        parts().ok_or_else(|| InvalidId {
            found: text.to_owned(),
            expected: "a capability such as `jackfield:metrics@0.1.0`",
        })
    }
}

impl TryFrom<String> for CapabilityId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<CapabilityId> for String {
    fn from(id: CapabilityId) -> Self {
        id.to_string()
    }
}

/// An interface of a capability. Displays as `namespace:name/interface@version`, the form wasmtime uses for exports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId {
    /// The package it is in.
    pub package: CapabilityId,
    /// Its name within the package.
    pub name: String,
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CapabilityId { namespace, name, version } = &self.package;
        write!(f, "{namespace}:{name}/{}@{version}", self.name)
    }
}

impl FromStr for InterfaceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parts = || {
            let (path, version) = text.split_once('@')?;
            let (package, interface) = path.split_once('/')?;
            let package = format!("{package}@{version}").parse().ok()?;
            is_kebab(interface).then(|| Self { package, name: interface.to_owned() })
        };
        parts().ok_or_else(|| InvalidId {
            found: text.to_owned(),
            expected: "an interface such as `jackfield:metrics/metrics@0.1.0`",
        })
    }
}

/// WIT's identifiers: words joined by single dashes, each of letters in one case and digits; the first starts with a letter.
fn is_kebab(text: &str) -> bool {
    let word = |word: &str| {
        let all = |letter: fn(&u8) -> bool| word.bytes().all(|byte| byte.is_ascii_digit() || letter(&byte));
        !word.is_empty() && (all(u8::is_ascii_lowercase) || all(u8::is_ascii_uppercase))
    };
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.split('-').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_answers_to_its_short_its_full_and_its_versioned_name() {
        let id: CapabilityId = "jackfield:key-value@0.1.0".parse().unwrap();
        for wanted in ["key-value", "jackfield:key-value", "key-value@0.1.0", "jackfield:key-value@0.1.0"] {
            assert!(id.answers_to(wanted), "{wanted}");
        }
        for wanted in ["keyvalue", "acme:key-value", "key-value@0.2.0", "key-value@", ""] {
            assert!(!id.answers_to(wanted), "{wanted}");
        }
    }

    #[test]
    fn names_survive_display_and_parse() {
        for text in ["a:b@0.1.0", "jackfield:key-value@1.2.3-rc.1", "acme:route-53@1.0.0", "acme:s3-API-v2@1.0.0"] {
            assert_eq!(text.parse::<CapabilityId>().unwrap().to_string(), text);
        }
        let text = "jackfield:key-value/locks@0.1.0";
        assert_eq!(text.parse::<InterfaceId>().unwrap().to_string(), text);
    }

    #[test]
    fn a_text_that_is_no_name_says_what_a_name_looks_like() {
        for text in
            ["", "a", "a:b", "a:b@", "a:b@1", "A_b:c@0.1.0", "a:-b@0.1.0", "a:b--c@0.1.0", "a:3b@0.1.0", "a:bC@0.1.0"]
        {
            let error = text.parse::<CapabilityId>().unwrap_err().to_string();
            assert!(error.contains("jackfield:metrics@0.1.0"), "{error}");
        }
    }
}
