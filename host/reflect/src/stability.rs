//! Since when something of a capability is there, since when it is not to be used any more, and when it may go: WIT's
//! `@since` and `@deprecated`, and the one rule that makes a version of removal of them.
//!
//! A component's own type holds neither; they stand in the WIT that travels with it, as its docs do.

use semver::Version;

/// What WIT says of the age of a function, a type or an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stability {
    /// `@since(version = …)`: the version of the package that has it first.
    pub since: Option<Version>,
    /// `@deprecated(version = …)`, where the package has reached that version.
    pub deprecated: Option<Deprecation>,
}

/// That something is not to be used any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deprecation {
    /// The version of the package that says so first.
    pub since: Version,
}

impl Deprecation {
    /// The earliest version of the package that may come without it: the next after `since` that may break callers.
    pub fn removal(&self) -> Version {
        next_breaking(&self.since)
    }
}

/// `deprecated since 0.2.0, removed in 0.3.0 at the earliest`.
impl std::fmt::Display for Deprecation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "deprecated since {}, removed in {} at the earliest", self.since, self.removal())
    }
}

/// The next version after `version` that need not be compatible with it: 2.0.0 after 1.4.2, 0.3.0 after 0.2.5, 0.0.4 after
/// 0.0.3. The next one after a prerelease is the one after its release.
///
/// ```
/// # use jackfield_reflect::next_breaking;
/// assert_eq!(next_breaking(&"0.2.5".parse()?).to_string(), "0.3.0");
/// # Ok::<(), semver::Error>(())
/// ```
pub fn next_breaking(version: &Version) -> Version {
    match (version.major, version.minor, version.patch) {
        (0, 0, patch) => Version::new(0, 0, patch.saturating_add(1)),
        (0, minor, _) => Version::new(0, minor.saturating_add(1), 0),
        (major, _, _) => Version::new(major.saturating_add(1), 0, 0),
    }
}

impl Stability {
    /// What an item of a package of this version says. A deprecation in a version that is still to come is announced in the
    /// WIT, and holds from then on.
    pub(crate) fn of(item: &wit_parser::Stability, package: Option<&Version>) -> Self {
        let (since, deprecated) = match item {
            wit_parser::Stability::Unknown => return Self::default(),
            wit_parser::Stability::Stable { since, deprecated } => (Some(since), deprecated.as_ref()),
            wit_parser::Stability::Unstable { deprecated, .. } => (None, deprecated.as_ref()),
        };
        let deprecated = deprecated.filter(|since| package.is_none_or(|package| *since <= package));
        Self { since: since.cloned(), deprecated: deprecated.map(|since| Deprecation { since: since.clone() }) }
    }

    /// What holds of a part of this: what it says itself, and else what is said of the whole.
    pub(crate) fn of_part(&self, part: &Self) -> Self {
        Self {
            since: part.since.clone().or_else(|| self.since.clone()),
            deprecated: part.deprecated.clone().or_else(|| self.deprecated.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deprecated_stays_until_the_next_version_that_may_break() {
        for (since, removal) in [
            ("0.2.0", "0.3.0"),
            ("0.2.7", "0.3.0"),
            ("1.0.0", "2.0.0"),
            ("1.9.3", "2.0.0"),
            ("0.0.3", "0.0.4"),
            ("2.0.0-rc.1", "3.0.0"),
        ] {
            let deprecation = Deprecation { since: since.parse().unwrap() };
            assert_eq!(deprecation.removal().to_string(), removal, "{since}");
        }
    }

    #[test]
    fn the_last_version_there_can_be_is_no_reason_to_panic() {
        let last = Version::new(u64::MAX, 0, 0);
        assert_eq!(next_breaking(&last), last);
    }
}
