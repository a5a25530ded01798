//! Choosing versions: which release of which index will do for what somebody wants, here and now.
//!
//! The choice is a pure function and depends on nothing but what is given to it, the order of indexes aside on no order. Each
//! want is chosen for by itself, since versions of one plugin stand side by side: the newest release that is in the range, works
//! with this host, offers what is needed, was not taken back, and has no fault that the operator's policy refuses.

mod conflict;
mod judge;
mod nearest;

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

pub use conflict::{Conflict, Excluded, Problem, Unmet};
pub use judge::Reason;
pub use nearest::{Change, Nearest};

use crate::{Advisory, Deprecation, Page, Release, Root, Severity, Subject, Timestamp, Want};

/// An index to choose from. All of an operator's are given, also those that could not be had: if one were left out, a later one
/// could put its own in the place of that one's plugins.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What the operator calls it.
    pub name: &'a str,
    /// Its root, verified; none where it was never had.
    pub root: Option<&'a Root>,
    /// The pages of its plugins, by name; those of plugins that nobody wants may be left out.
    pub pages: &'a BTreeMap<String, Page>,
}

/// What versions are chosen for.
#[derive(Clone, Debug)]
pub struct Site {
    /// The host's version.
    pub host: Version,
    /// Now: an index that is past its time offers nothing.
    pub now: Timestamp,
    /// Releases with a known fault of this severity or above are refused; none is where there is none.
    pub refuse_from: Option<Severity>,
    /// Plugins of which the operator wants one version and no other.
    pub pinned: BTreeMap<String, Version>,
    /// Versions that are installed or locked: that they were taken back since is nothing new to anybody.
    pub held: BTreeMap<String, BTreeSet<Version>>,
}

impl Site {
    /// A site where nothing is installed, pinned or refused.
    pub fn new(host: Version, now: Timestamp) -> Self {
        Self { host, now, refuse_from: None, pinned: BTreeMap::new(), held: BTreeMap::new() }
    }
}

/// A release that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// For what.
    pub want: Want,
    /// The index that it is from, as the operator calls it.
    pub index: String,
    /// The release.
    pub release: Release,
    /// Known faults of it that the policy lets pass, worse ones first.
    pub advisories: Vec<Advisory>,
    /// Whether the release, or the plugin, is to be used no more.
    pub deprecated: Option<Deprecation>,
    /// Newer releases in the range that would not do, and why.
    pub passed_over: Vec<Excluded>,
}

/// Chooses a release for each want; a conflict tells of all that nothing will do for.
///
/// `sources`: in the operator's order. A plugin is taken from the first that has one of its name, whether a version of it
/// will do or not, unless the want names another: nobody can offer a higher version of somebody else's plugin. The choices are
/// in the order of their wants' texts; wants that are the same are one.
pub fn resolve(wants: &[Want], sources: &[Source<'_>], site: &Site) -> Result<Vec<Choice>, Conflict> {
    let mut sorted: Vec<&Want> = wants.iter().collect();
    sorted.sort_by_cached_key(|want| key(want));
    sorted.dedup_by_key(|want| key(want));
    let (mut choices, mut unmet) = (Vec::new(), Vec::new());
    for want in sorted {
        match one(want, sources, site) {
            Ok(choice) => choices.push(choice),
            Err(problem) => unmet.push(Unmet { want: want.clone(), problem }),
        }
    }
    if unmet.is_empty() { Ok(choices) } else { Err(Conflict { unmet }) }
}

/// What tells wants apart: the order of what they need does not.
fn key(want: &Want) -> (String, bool, BTreeSet<String>) {
    (want.to_string(), want.prereleases, want.capabilities.iter().map(ToString::to_string).collect())
}

fn one(want: &Want, sources: &[Source<'_>], site: &Site) -> Result<Choice, Problem> {
    let (source, root) = source(want, sources)?;
    let index = source.name.to_owned();
    if root.is_fresh(site.now).is_err() {
        return Err(Problem::Expired { index, expires: root.expires });
    }
    let Some(page) = source.pages.get(&want.name) else { return Err(Problem::NoPage { index }) };
    let judged: Vec<(&Release, Vec<Reason>)> =
        page.releases.iter().map(|release| (release, judge::reasons(want, release, root, site))).collect();
    let chosen = judged.iter().filter(|(_, reasons)| reasons.is_empty()).map(|(release, _)| *release);
    let Some(release) = chosen.max_by(|a, b| a.version.cmp(&b.version)) else {
        let nearest = nearest::nearest(want, &judged).map(Box::new);
        let (host, excluded) = (site.host.clone(), conflict::grouped(&judged));
        return Err(Problem::NoVersion { index, host, excluded, nearest });
    };
    let would_be_newer = |(other, reasons): &&(&Release, Vec<Reason>)| {
        other.version > release.version && !matches!(reasons.first(), Some(Reason::OutOfRange))
    };
    let newer: Vec<_> = judged.iter().filter(would_be_newer).cloned().collect();
    let about = Subject::Plugin(want.name.clone());
    Ok(Choice {
        want: want.clone(),
        index,
        release: release.clone(),
        advisories: root.affecting(&about, &release.version).into_iter().cloned().collect(),
        deprecated: release.deprecated.clone().or_else(|| page.deprecated.clone()),
        passed_over: conflict::grouped(&newer),
    })
}

/// The index that a want is answered from, and its root.
fn source<'s, 'a>(want: &Want, sources: &'s [Source<'a>]) -> Result<(&'s Source<'a>, &'a Root), Problem> {
    let known = || sources.iter().map(|source| source.name.to_owned()).collect();
    let of_one = |name: &String| sources.iter().position(|source| source.name == *name);
    let sources = match &want.index {
        None => sources,
        Some(name) => {
            of_one(name).and_then(|at| sources.get(at..=at)).ok_or_else(|| Problem::NoIndex { known: known() })?
        }
    };
    for source in sources {
        // Whether it has the plugin nobody knows, so none behind it may have it either.
        let Some(root) = source.root else { return Err(Problem::NotHere { index: source.name.to_owned() }) };
        if root.plugins.contains_key(&want.name) {
            return Ok((source, root));
        }
    }
    if sources.is_empty() {
        return Err(Problem::NoIndex { known: Vec::new() });
    }
    Err(Problem::Unknown { near: conflict::near(&want.name, sources) })
}
