//! A conflict in words: for each want that nothing will do for, what there is, why it will not do, and what to change.

use std::fmt;

use semver::Version;

use super::{Nearest, Reason, Source};
use crate::{Release, Timestamp, Want, text};

/// The most groups of versions that are told of one want.
const MAX_GROUPS: usize = 12;
/// The most names that are told in place of one that there is not.
const MAX_NEAR: usize = 3;

/// Nothing will do for some of what is wanted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", unmet.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Conflict {
    /// For each, why; in the order of the wants' texts.
    pub unmet: Vec<Unmet>,
}

/// A want that nothing will do for.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmet {
    /// What is wanted.
    pub want: Want,
    /// Why nothing will do.
    pub problem: Problem,
}

/// Why nothing will do for a want.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// There is no index that the operator calls so.
    NoIndex {
        /// Those there are.
        known: Vec<String>,
    },
    /// An index was never had, and it may have it.
    NotHere {
        /// The index.
        index: String,
    },
    /// No index has a plugin of the name.
    Unknown {
        /// Plugins of similar names.
        near: Vec<String>,
    },
    /// The index that has it is past its time.
    Expired {
        /// The index.
        index: String,
        /// Since when.
        expires: Timestamp,
    },
    /// The plugin's page is not there.
    NoPage {
        /// The index.
        index: String,
    },
    /// None of its versions will do.
    NoVersion {
        /// The index.
        index: String,
        /// The host's version.
        host: Version,
        /// Why each will not do.
        excluded: Vec<Excluded>,
        /// The one that would need the least; none where there is none at all.
        nearest: Option<Box<Nearest>>,
    },
}

/// Versions that will not do for the same reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The versions, older ones first.
    pub versions: Vec<Version>,
    /// Why. Of versions that are not in the range nothing else is told.
    pub reasons: Vec<Reason>,
}

/// Versions that will not do for the same reasons together, in the order of their oldest.
pub(super) fn grouped(judged: &[(&Release, Vec<Reason>)]) -> Vec<Excluded> {
    let mut groups: Vec<Excluded> = Vec::new();
    let mut sorted: Vec<_> = judged.iter().filter(|(_, reasons)| !reasons.is_empty()).collect();
    sorted.sort_by(|(a, _), (b, _)| a.version.cmp(&b.version));
    for (release, reasons) in sorted {
        let told = match reasons.first() {
            Some(Reason::OutOfRange) => vec![Reason::OutOfRange],
            _ => reasons.clone(),
        };
        match groups.iter_mut().find(|group| group.reasons == told) {
            Some(group) => group.versions.push(release.version.clone()),
            None => groups.push(Excluded { versions: vec![release.version.clone()], reasons: told }),
        }
    }
    groups
}

/// Names of plugins that a name was probably meant to be.
pub(super) fn near(name: &str, sources: &[Source<'_>]) -> Vec<String> {
    // Comparing takes time by the product of their lengths.
    if !text::is_name(name) {
        return Vec::new();
    }
    let all = sources.iter().filter_map(|source| source.root).flat_map(|root| root.plugins.keys());
    let mut near: Vec<(usize, &String)> = all
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + name.len().min(other.len()) / 4 || other.starts_with(name))
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(MAX_NEAR).map(|(_, name)| name.clone()).collect()
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let want = &self.want;
        match &self.problem {
            Problem::NoIndex { known } if known.is_empty() => {
                write!(f, "`{want}`: there is no index; add one with `jackfield registry add`")
            }
            Problem::NoIndex { known } => write!(f, "`{want}`: no index is called so; there are {}", known.join(", ")),
            Problem::NotHere { index } => write!(
                f,
                "`{want}`: the index `{index}` may have it, and is not here yet; `jackfield registry sync {index}`, or name another index: `INDEX/{}`",
                want.name
            ),
            Problem::Unknown { near } if near.is_empty() => {
                write!(
                    f,
                    "`{want}`: no index has a plugin of this name; `jackfield registry search` shows those there are"
                )
            }
            Problem::Unknown { near } => {
                write!(f, "`{want}`: no index has a plugin of this name; did you mean {}?", near.join(" or "))
            }
            Problem::Expired { index, expires } => write!(
                f,
                "`{want}`: the index `{index}` expired on {expires} and offers nothing new; `jackfield registry sync {index}`, or ask whoever hosts it"
            ),
            Problem::NoPage { index } => write!(
                f,
                "`{want}`: the index `{index}` has it, and its page is not here; `jackfield registry sync {index}`"
            ),
            Problem::NoVersion { index, host, excluded, nearest } => {
                write!(f, "`{want}`: no version in the index `{index}` will do for a host {host}")?;
                for group in excluded.iter().take(MAX_GROUPS) {
                    write!(f, "\n  - {group}")?;
                }
                if let Some(more) = excluded.len().checked_sub(MAX_GROUPS).filter(|more| *more > 0) {
                    write!(f, "\n  - and {more} more reasons")?;
                }
                match nearest {
                    Some(nearest) => write!(f, "\n  the nearest is {nearest}"),
                    None => write!(f, "\n  it has no versions yet"),
                }
            }
        }
    }
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.versions.as_slice() {
            [one] => write!(f, "{one}: ")?,
            [one, other] => write!(f, "{one} and {other}: ")?,
            [first, .., last] => write!(f, "{} versions from {first} to {last}: ", self.versions.len())?,
            [] => {}
        }
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        f.write_str(&reasons.join("; "))
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        write!(f, "{}: {}", self.version, changes.join(", and "))
    }
}
