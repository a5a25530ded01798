//! What an operator accepts when a plugin is installed. A version that asks for nothing that the installed ones do not have
//! needs no acceptance; of one that does, exactly what is new is asked about.

use std::{collections::BTreeSet, sync::Arc};

use jackfield_reflect::{Reflection, did_you_mean};
use jackfield_registry::{Manifest, Rights};
use semver::Version;
use serde::Serialize;

use super::{Installed, NewPlugin, inspect::Inspected, provenance, provenance::Provenance};
use crate::{Error, ErrorKind, ErrorSource, KnownFault, Result, limits, registries, view::View};

/// Rights that are told of one by one.
const MOST_TOLD: usize = 40;

/// Whether what a plugin asks for is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Whatever it is: whoever installs it has judged its manifest.
    Everything,
    /// Nothing beyond what installed versions of it have.
    Nothing,
    /// Everything for which [`InstallPlan::accept`] stands, and nothing else.
    Only(String),
}

/// What installing a plugin would do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstallPlan {
    /// `NAME@VERSION`.
    pub id: String,
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// `sha256:…` of the whole file.
    pub digest: String,
    /// It is installed already, from the same file: nothing would be done.
    pub installed: bool,
    /// The versions of it that are installed.
    pub installed_versions: Vec<Version>,
    /// Everything that it asks for, a line each.
    pub rights: Rights,
    /// What of that no installed version of it has: what is to be accepted.
    pub new_rights: Rights,
    /// What stands for everything that it asks for, whatever is installed; none where it asks for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Operations that it offers and the newest installed version does not.
    pub operations_gained: Vec<String>,
    /// Operations that the newest installed version offers and it does not.
    pub operations_lost: Vec<String>,
    /// Operations that are not to be used any more, of which the newest installed version does not say so.
    pub operations_deprecated: Vec<String>,
    /// Where it came from, and who vouches for it where the trust policy lets it in.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Why the trust policy does not let it in; none where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What is known to be wrong with it, or with what it would run in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<KnownFault>,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Everything that a plugin asks for.
pub(crate) fn rights(manifest: &Manifest) -> Rights {
    Rights::of(manifest, &limits::default_limits())
}

/// What stands for everything that a plugin asks for.
pub(crate) fn token(manifest: &Manifest) -> Option<String> {
    let rights = rights(manifest);
    (!rights.is_empty()).then(|| rights.token(&manifest.plugin.name))
}

/// What the newest installed version of a plugin offers, if it can run.
fn newest<'v>(view: &'v View, name: &str) -> Option<&'v Reflection> {
    view.plugin(name).ok()?.code.as_ref().ok().map(|code| &*code.reflection)
}

/// What is told of operations that a plugin's new version says are not to be used any more.
pub(super) fn told_deprecated(view: &View, name: &str, after: &Reflection) -> String {
    let mut lines = newest(view, name).map_or_else(Vec::new, |before| newly_deprecated(before, after));
    let more = lines.len().saturating_sub(MOST_TOLD);
    lines.truncate(MOST_TOLD);
    match (lines.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; newly deprecated: {}", lines.join("; ")),
        (false, more) => format!("; newly deprecated: {}; and {more} more", lines.join("; ")),
    }
}

/// What of that no installed version of it has.
fn new_rights(view: &View, manifest: &Manifest) -> Rights {
    let had: Vec<Rights> = view.versions(&manifest.plugin.name).map(|plugin| rights(&plugin.record.manifest)).collect();
    rights(manifest).beyond(&had)
}

pub(super) fn plan(view: &View, new: &NewPlugin, inspected: &Inspected, judged: Result<Provenance>) -> InstallPlan {
    let manifest = &inspected.package.manifest;
    let name = &manifest.plugin.name;
    let new_rights = new_rights(view, manifest);
    let judged = judged.and_then(|found| provenance::goes_on(view, name, new, &found).map(|_| found));
    let advisories = registries::told(view, manifest);
    let known = registries::judge(view, manifest, &new.allow_advisories).err();
    let refused = judged.as_ref().err().or(known.as_ref()).map(|error| error.message.clone());
    let newest = newest(view, name);
    let (gained, lost) =
        newest.map_or_else(Default::default, |before| operations_between(before, &inspected.reflection));
    let deprecated = newest.map_or_else(Vec::new, |before| newly_deprecated(before, &inspected.reflection));
    let same = |plugin: &Arc<Installed>| plugin.record.digest == inspected.package.digest && plugin.code.is_ok();
    InstallPlan {
        id: super::id_of(manifest).to_string(),
        name: name.clone(),
        version: manifest.plugin.version.clone(),
        digest: inspected.package.digest.to_string(),
        installed: view.versions(name).any(same),
        installed_versions: view.versions(name).map(|plugin| plugin.version().clone()).collect(),
        rights: rights(manifest),
        accept: token(manifest),
        new_rights,
        operations_gained: gained,
        operations_lost: lost,
        operations_deprecated: deprecated,
        provenance: judged.unwrap_or_else(|_| Provenance {
            origin: Some(new.origin.clone()),
            pinned: new.pinned.clone(),
            ..Provenance::default()
        }),
        refused,
        advisories,
        manifest: manifest.clone(),
    }
}

/// The operations that a version offers and the one before does not, and the other way round.
pub(crate) fn operations_between(before: &Reflection, after: &Reflection) -> (Vec<String>, Vec<String>) {
    let all = |reflection: &Reflection| -> BTreeSet<String> {
        let capabilities = reflection.capabilities.iter();
        let named = |capability: &jackfield_reflect::Capability| {
            let of =
                |operation: &Arc<jackfield_reflect::Operation>| format!("{}.{}", operation.interface, operation.name);
            capability.operations.iter().map(of).collect::<Vec<_>>()
        };
        capabilities.flat_map(named).collect()
    };
    let (before, after) = (all(before), all(after));
    (after.difference(&before).cloned().collect(), before.difference(&after).cloned().collect())
}

/// The operations of which a version says that they are not to be used any more, and the one before does not; with since when.
pub(crate) fn newly_deprecated(before: &Reflection, after: &Reflection) -> Vec<String> {
    let all = |reflection: &Reflection| -> BTreeSet<(String, String)> {
        let operations = reflection.capabilities.iter().flat_map(|capability| &capability.operations);
        let deprecated = operations.filter_map(|o| Some((o, o.stability.deprecated.as_ref()?)));
        deprecated.map(|(o, said)| (o.action(), format!("{}.{}, {said}", o.interface, o.name))).collect()
    };
    let known: BTreeSet<String> = all(before).into_iter().map(|(action, _)| action).collect();
    all(after).into_iter().filter(|(action, _)| !known.contains(action)).map(|(_, told)| told).collect()
}

/// What a plugin asks for beyond what installed versions of it have, if that is accepted.
pub(super) fn judge(view: &View, manifest: &Manifest, accept: &Accept) -> Result<Rights> {
    let new = new_rights(view, manifest);
    if new.is_empty() || *accept == Accept::Everything {
        return Ok(new);
    }
    let token = token(manifest).unwrap_or_default();
    let asks = match accept {
        Accept::Only(given) if *given == token => return Ok(new),
        Accept::Only(given) => {
            let near = did_you_mean(given, [token.as_str()]);
            format!("what was accepted is not what it asks for.{near} It asks")
        }
        _ => "it asks".to_owned(),
    };
    let (some, more) = first(&new);
    let lines: String = some.iter().map(|line| format!("\n  - {line}")).collect();
    let more =
        more.map_or(String::new(), |more| format!("\n  - and {more} more, which `jackfield plugin inspect` shows"));
    let message = format!(
        "`{}` is not installed: {asks} for what no installed version of it has:{lines}{more}\nTo accept that, and nothing else, install it with `--accept {token}`",
        super::id_of(manifest)
    );
    let error = Error::new(ErrorKind::PermissionDenied, ErrorSource::Caller, message);
    Err(Error { code: Some("acceptance-needed".to_owned()), ..error })
}

/// What is told of rights that were accepted.
pub(super) fn told(accepted: &Rights) -> String {
    let (some, more) = first(accepted);
    if some.is_empty() {
        return String::new();
    }
    let more = more.map_or(String::new(), |more| format!("; and {more} more"));
    format!("; accepted: {}{more}", some.join("; "))
}

/// The first of some rights, a line each, and how many more there are.
fn first(rights: &Rights) -> (Vec<String>, Option<usize>) {
    let mut lines = rights.lines();
    let more = lines.len().checked_sub(MOST_TOLD).filter(|more| *more > 0);
    lines.truncate(MOST_TOLD);
    (lines, more)
}
