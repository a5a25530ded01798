//! Ranges of versions where prereleases count. By semver's own rule `<1.2.3` holds no prerelease at all, which is right for
//! whoever chooses a version, and wrong for whoever asks whether one is affected: there `1.2.3-rc.1` came before the fix.

use std::cmp::Ordering;

use semver::{BuildMetadata, Comparator, Op, Prerelease, Version, VersionReq};

/// Whether a fault that these ranges are affected by is in a version. A prerelease of an affected version is affected, and
/// so is one that came before the first version that is not.
pub(crate) fn affects(range: &VersionReq, version: &Version) -> bool {
    range.matches(version) || range.comparators.iter().all(|one| holds(one, version, version))
}

/// Whether a version is in a range for someone who takes prereleases: one of a version that is in it. `<2.0.0` holds
/// `1.9.0-rc.1` and not `2.0.0-rc.1`, which is nothing that somebody wants who wants what was before 2.
pub(crate) fn admits(range: &VersionReq, version: &Version) -> bool {
    range.matches(version) || range.comparators.iter().all(|one| holds(one, version, &base(version)))
}

/// The version that a prerelease comes before.
fn base(version: &Version) -> Version {
    Version { pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY, ..version.clone() }
}

/// Whether a version is one that a comparator holds. What it must not be above is compared with `upper`; what it must not be
/// below with the version that it comes before, unless the comparator names a prerelease itself.
fn holds(one: &Comparator, version: &Version, upper: &Version) -> bool {
    let names_one = !one.pre.is_empty();
    let (low, high) = if names_one { (version.clone(), version) } else { (base(version), upper) };
    let named = (one.major, one.minor.unwrap_or(0), one.patch.unwrap_or(0));
    let to = |version: &Version| -> Ordering {
        let parts = (version.major, version.minor, version.patch).cmp(&named);
        parts.then_with(|| version.pre.cmp(&one.pre))
    };
    // `>1` and `<=1` are of all versions 1.x.
    let within = version.major == one.major
        && one.minor.is_none_or(|minor| version.minor == minor)
        && one.patch.is_none_or(|patch| version.patch == patch);
    let is_whole = one.patch.is_some();
    match one.op {
        Op::Exact | Op::Wildcard if is_whole => to(&low).is_eq(),
        Op::Exact | Op::Wildcard => within,
        Op::Greater if is_whole => to(&low).is_gt(),
        Op::Greater => to(&low).is_gt() && !within,
        Op::GreaterEq => to(&low).is_ge(),
        Op::Less => to(high).is_lt(),
        Op::LessEq if is_whole => to(high).is_le(),
        Op::LessEq => within || to(high).is_lt(),
        Op::Tilde => {
            to(&low).is_ge() && version.major == one.major && one.minor.is_none_or(|minor| version.minor == minor)
        }
        Op::Caret => to(&low).is_ge() && is_compatible(one, version),
        _ => false,
    }
}

/// Whether a version differs from a comparator's right of the first number that is not zero.
fn is_compatible(one: &Comparator, version: &Version) -> bool {
    if version.major != one.major || one.major > 0 {
        return version.major == one.major;
    }
    match (one.minor, one.patch) {
        (None, _) => true,
        (Some(0), None) => version.minor == 0,
        (Some(0), Some(patch)) => version.minor == 0 && version.patch == patch,
        (Some(minor), _) => version.minor == minor,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> VersionReq {
        text.parse().unwrap()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_prerelease_of_an_affected_version_or_before_the_fix_is_affected() {
        for (affected, of, expected) in [
            ("<1.2.3", "1.2.3-rc.1", true),
            ("<1.2.3", "1.2.0-rc.1", true),
            ("<1.2.3", "1.2.3", false),
            ("<1.2.3", "1.2.4-rc.1", false),
            ("<=1.2.3", "1.2.3-rc.1", true),
            ("<=1.2", "1.2.9-rc.1", true),
            ("<1.2.3-rc.2", "1.2.3-rc.1", true),
            ("<1.2.3-rc.2", "1.2.3-rc.2", false),
            ("<1.2.3-rc.2", "1.2.2", true),
            (">=1.2.0, <1.2.3", "1.2.0-rc.1", true),
            (">=1.2.0, <1.2.3", "1.1.9", false),
            (">=1.2.0-rc.2, <1.2.3", "1.2.0-rc.1", false),
            (">=1.2.0-rc.2, <1.2.3", "1.2.0-rc.2", true),
            (">1.2.3", "1.2.3-rc.1", false),
            (">1.2.3", "1.2.4-rc.1", true),
            (">1.2", "1.2.9-rc.1", false),
            ("=1.2.3", "1.2.3-rc.1", true),
            ("=1.2.3", "1.2.4-rc.1", false),
            ("1.2.*", "1.2.4-rc.1", true),
            ("*", "0.0.1-alpha", true),
            ("^1.2", "1.9.0-rc.1", true),
            ("^1.2", "2.0.0-rc.1", false),
            ("^0.2.1", "0.2.1-rc.1", true),
            ("^0.2.1", "0.3.0-rc.1", false),
            ("^0.0.3", "0.0.3-rc.1", true),
            ("^0.0.3", "0.0.4-rc.1", false),
            ("~1.2.3", "1.2.9-rc.1", true),
            ("~1.2.3", "1.3.0-rc.1", false),
        ] {
            assert_eq!(affects(&range(affected), &version(of)), expected, "{affected} {of}");
        }
    }

    #[test]
    fn whoever_takes_prereleases_takes_those_of_versions_that_are_wanted() {
        for (wanted, of, expected) in [
            ("<2.0.0", "2.0.0-rc.1", false),
            ("<2.0.0", "1.9.0-rc.1", true),
            (">=1.2", "1.2.0-rc.1", true),
            ("^1.2.0-rc.2", "1.2.0-rc.1", false),
            ("^1.2.0-rc.2", "1.2.0-rc.3", true),
            ("^1.2.0-rc.2", "1.3.0-rc.1", true),
            ("*", "3.0.0-rc.1", true),
        ] {
            assert_eq!(admits(&range(wanted), &version(of)), expected, "{wanted} {of}");
        }
    }

    proptest! {
        /// Of releases nothing else is said than semver says, whatever the range.
        #[test]
        fn of_a_release_they_say_what_semver_says(
            op in prop_oneof![Just("="), Just(">"), Just(">="), Just("<"), Just("<="), Just("~"), Just("^"), Just("")],
            numbers in prop::collection::vec(0_u64..4, 1..=3),
            of in (0_u64..4, 0_u64..4, 0_u64..4),
        ) {
            let text = format!("{op}{}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join("."));
            let (range, version) = (range(&text), Version::new(of.0, of.1, of.2));
            let all = |upper: &Version| range.comparators.iter().all(|one| holds(one, &version, upper));
            prop_assert_eq!(all(&version), range.matches(&version), "{} {}", text, version);
            prop_assert_eq!(admits(&range, &version), range.matches(&version));
        }
    }
}
