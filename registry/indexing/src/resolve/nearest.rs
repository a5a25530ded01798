//! What to change where nothing will do: the release that would need the least.

use std::fmt;

use semver::{Version, VersionReq};

use super::judge::Reason;
use crate::{Need, Release, Severity, Want, Wanted};

/// The release that would do, if this were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The release.
    pub version: Version,
    /// Everything that would have to be changed for it.
    pub changes: Vec<Change>,
}

/// Something to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Ask for exactly this version.
    AskFor(Version),
    /// Pin the plugin to this version, or to none.
    Pin(Version),
    /// Run a host of these versions.
    Host(VersionReq),
    /// Be content with this version of a capability.
    Need {
        /// What was needed.
        need: Need,
        /// What there is.
        offered: Version,
    },
    /// Do without a capability.
    DoWithout(Need),
    /// Accept known faults.
    Accept {
        /// The advisories, worse ones first.
        ids: Vec<String>,
        /// How bad the worst is: the policy would have to let this pass.
        severity: Severity,
    },
}

/// How much is asked of the operator by a reason's remedy. What is graver outweighs everything that is less so together.
fn weight(reason: &Reason) -> u32 {
    match reason {
        Reason::OutOfRange | Reason::Prerelease => 1,
        Reason::Pinned { .. } => 1 << 1,
        Reason::Host { .. } => 1 << 2,
        Reason::Capability { offered: Some(_), .. } => 1 << 3,
        Reason::Yanked { .. } => 1 << 4,
        Reason::Capability { offered: None, .. } => 1 << 5,
        Reason::Advisory { severity, .. } => match severity {
            Severity::Low => 1 << 6,
            Severity::Medium => 1 << 7,
            Severity::High => 1 << 8,
            Severity::Critical => 1 << 9,
        },
    }
}

/// The nearest of releases that will not do; none where there are no releases.
pub(super) fn nearest(want: &Want, judged: &[(&Release, Vec<Reason>)]) -> Option<Nearest> {
    let cost = |reasons: &[Reason]| -> (u32, usize) {
        (reasons.iter().map(weight).fold(0, |all, one| all | one), reasons.len())
    };
    let (release, reasons) = judged.iter().min_by(|(a, why_a), (b, why_b)| {
        let distance = |release: &Release| distance(&want.version, &release.version);
        let by_cost = cost(why_a).cmp(&cost(why_b));
        by_cost.then_with(|| distance(a).cmp(&distance(b))).then_with(|| b.version.cmp(&a.version))
    })?;
    Some(Nearest { version: release.version.clone(), changes: changes(&release.version, reasons) })
}

fn changes(version: &Version, reasons: &[Reason]) -> Vec<Change> {
    let mut changes = Vec::new();
    for reason in reasons {
        let change = match reason {
            Reason::OutOfRange | Reason::Prerelease | Reason::Yanked { .. } => Change::AskFor(version.clone()),
            Reason::Pinned { .. } => Change::Pin(version.clone()),
            Reason::Host { needs } => Change::Host(needs.clone()),
            Reason::Capability { need, offered: Some(offered) } => {
                Change::Need { need: need.clone(), offered: offered.clone() }
            }
            Reason::Capability { need, offered: None } => Change::DoWithout(need.clone()),
            Reason::Advisory { id, severity } => match changes.last_mut() {
                // They come last, worse ones first.
                Some(Change::Accept { ids, .. }) => {
                    ids.push(id.clone());
                    continue;
                }
                _ => Change::Accept { ids: vec![id.clone()], severity: *severity },
            },
        };
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}

/// How far a version is from what is wanted: the difference of the first numbers that differ counts before that of the next.
fn distance(wanted: &Wanted, version: &Version) -> (u64, u64, u64) {
    if wanted.holds(version, true) {
        return (0, 0, 0);
    }
    let to = |end: (u64, u64, u64)| {
        let parts = (version.major.abs_diff(end.0), version.minor.abs_diff(end.1), version.patch.abs_diff(end.2));
        // Where the major differs, the minor is no distance to anything.
        match parts {
            (0, 0, patch) => (0, 0, patch),
            (0, minor, _) => (0, minor, 0),
            (major, ..) => (major, 0, 0),
        }
    };
    let range = match wanted {
        Wanted::Exactly(wanted) => return to((wanted.major, wanted.minor, wanted.patch)),
        Wanted::Range(range) => range,
    };
    // From the versions that it names: what follows ^1.2 is as far away as a major version is.
    let named = range.comparators.iter().map(|one| (one.major, one.minor.unwrap_or(0), one.patch.unwrap_or(0)));
    named.map(to).min().unwrap_or_default()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AskFor(version) => write!(f, "ask for exactly {version}"),
            Self::Pin(version) => write!(f, "pin it to {version} or to nothing"),
            Self::Host(range) => write!(f, "use a host {range}"),
            Self::Need { need, offered } => write!(f, "be content with {} {offered}", need.id()),
            Self::DoWithout(need) => write!(f, "do without {}", need.id()),
            Self::Accept { ids, severity } => {
                write!(f, "let the policy pass known faults that are {severity} ({})", ids.join(", "))
            }
        }
    }
}
