//! Whether one release will do.

use std::fmt;

use semver::{Version, VersionReq};

use super::Site;
use crate::{Need, Release, Root, Severity, Subject, Want};

/// Why a release will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not in the range.
    OutOfRange,
    /// It is a prerelease of the range, and those were not asked for.
    Prerelease,
    /// The operator wants another version and no other.
    Pinned {
        /// Which.
        to: Version,
    },
    /// It was taken back.
    Yanked {
        /// Why.
        why: String,
    },
    /// It does not work with this host.
    Host {
        /// With which it does.
        needs: VersionReq,
    },
    /// It does not offer what is needed.
    Capability {
        /// What is needed.
        need: Need,
        /// In which version it offers that instead, where it does; the newest.
        offered: Option<Version>,
    },
    /// It has a known fault that the policy refuses.
    Advisory {
        /// The advisory.
        id: String,
        /// How bad it is.
        severity: Severity,
    },
}

/// All reasons why a release will not do, in the order of [`Reason`]; none where it will.
pub(super) fn reasons(want: &Want, release: &Release, root: &Root, site: &Site) -> Vec<Reason> {
    let version = &release.version;
    let mut reasons = Vec::new();
    if !want.version.holds(version, want.prereleases) {
        let is_prerelease = !version.pre.is_empty() && want.version.holds(version, true);
        reasons.push(if is_prerelease { Reason::Prerelease } else { Reason::OutOfRange });
    }
    if let Some(to) = site.pinned.get(&want.name).filter(|to| *to != version) {
        reasons.push(Reason::Pinned { to: to.clone() });
    }
    let is_held = site.held.get(&want.name).is_some_and(|held| held.contains(version));
    if let Some(why) = release.yanked.as_ref().filter(|_| !want.version.names(version) && !is_held) {
        reasons.push(Reason::Yanked { why: why.clone() });
    }
    if !release.host.matches(&site.host) {
        reasons.push(Reason::Host { needs: release.host.clone() });
    }
    let is_met = |need: &Need| release.capabilities.iter().any(|one| need.is_met_by(one));
    let mut unmet: Vec<&Need> = want.capabilities.iter().filter(|need| !is_met(need)).collect();
    // The order in which somebody says what is needed changes no answer.
    unmet.sort_by_cached_key(ToString::to_string);
    unmet.dedup();
    for need in unmet {
        let offered = release.capabilities.iter().filter(|one| need.is_of(one)).map(|one| one.version.clone()).max();
        reasons.push(Reason::Capability { need: need.clone(), offered });
    }
    if let Some(from) = site.refuse_from {
        let known = root.affecting(&Subject::Plugin(want.name.clone()), version);
        let refused = known.into_iter().filter(|advisory| advisory.severity >= from);
        reasons.extend(refused.map(|one| Reason::Advisory { id: one.id.clone(), severity: one.severity }));
    }
    reasons
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => f.write_str("not in the range"),
            Self::Prerelease => f.write_str("a prerelease"),
            Self::Pinned { to } => write!(f, "pinned to {to}"),
            Self::Yanked { why } => write!(f, "taken back ({why})"),
            Self::Host { needs } => write!(f, "needs a host {needs}"),
            Self::Capability { need, offered: Some(offered) } => {
                write!(f, "offers {} {offered}, wanted {}", need.id(), need.range)
            }
            Self::Capability { need, offered: None } => write!(f, "does not offer {}", need.id()),
            Self::Advisory { id, severity } => write!(f, "has a known fault ({id}, {severity})"),
        }
    }
}
