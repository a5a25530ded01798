//! Known faults: of plugins, of Jackfield and of its runtime, as the registries tell of them. Any registry that the operator
//! named is believed about any plugin of that name: a warning too many is seen, one too few is not.

use std::fmt;

use jackfield_index::{Advisory, Subject};
use jackfield_registry::Manifest;
use semver::Version;
use serde::Serialize;

use super::Registry;
use crate::{
    Error, ErrorKind, ErrorSource, Result,
    plugins::{AllowAdvisories, PluginId},
    view::View,
};

/// Faults that are told of one by one.
const MOST_TOLD: usize = 10;

/// A known fault of something that is here, or that is to be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownFault {
    /// The version that has it.
    pub version: Version,
    /// The registry that tells of it.
    pub registry: String,
    /// What is known.
    #[serde(flatten)]
    pub advisory: Advisory,
    /// Whether the trust policy has nothing installed with it.
    pub refused: bool,
    /// The integrations that run with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<String>,
}

impl KnownFault {
    /// The version of a plugin that has it, where it is one.
    pub(crate) fn plugin(&self) -> Option<PluginId> {
        match &self.advisory.subject {
            Subject::Plugin(name) => Some(PluginId { name: name.clone(), version: self.version.clone() }),
            _ => None,
        }
    }
}

impl fmt::Display for KnownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advisory { id, subject, severity, title, fixed, .. } = &self.advisory;
        let what = match subject {
            Subject::Plugin(name) => format!("`{name}`"),
            Subject::Host => "Jackfield".to_owned(),
            Subject::Runtime => "the runtime, wasmtime".to_owned(),
        };
        write!(f, "{id} ({severity}) in {what} {}: {title}", self.version)?;
        match fixed {
            Some(fixed) => write!(f, "; fixed in {fixed}"),
            None => f.write_str("; not fixed yet"),
        }
    }
}

/// The versions of what is here whatever is installed.
fn own() -> Vec<(Subject, Version)> {
    let of = |subject, version: &str| version.parse().ok().map(|version| (subject, version));
    [of(Subject::Host, env!("CARGO_PKG_VERSION")), of(Subject::Runtime, jackfield_engine::WASMTIME_VERSION)]
        .into_iter()
        .flatten()
        .collect()
}

/// What a registry knows of some versions.
fn among(view: &View, registry: &Registry, versions: &[(Subject, Version)]) -> Vec<KnownFault> {
    let Ok(root) = registry.root() else { return Vec::new() };
    let refuses = |advisory: &Advisory| view.trust.policy().is_ok_and(|p| p.advisories().refuses(advisory.severity));
    let of = |(subject, version): &(Subject, Version)| {
        let known = root.affecting(subject, version).into_iter().map(|advisory| KnownFault {
            version: version.clone(),
            registry: registry.name.clone(),
            advisory: advisory.clone(),
            refused: refuses(advisory),
            integrations: Vec::new(),
        });
        known.collect::<Vec<_>>()
    };
    versions.iter().flat_map(of).collect()
}

/// What a registry knows of what is here.
pub(super) fn of(view: &View, registry: &Registry) -> Vec<KnownFault> {
    let mut versions = own();
    versions.extend(view.plugins.keys().map(|id| (Subject::Plugin(id.name.clone()), id.version.clone())));
    let mut all = among(view, registry, &versions);
    for known in &mut all {
        if let Some(id) = known.plugin() {
            known.integrations = view.users(&id);
        }
    }
    all
}

/// The known faults of what is here, worse ones first; each once, whoever else tells of it.
pub(crate) fn known(view: &View) -> Vec<KnownFault> {
    let registries = view.registries.in_order();
    first(registries.into_iter().flat_map(|registry| of(view, registry)).collect())
}

/// Each fault once, worse ones first.
fn first(mut all: Vec<KnownFault>) -> Vec<KnownFault> {
    let key = |known: &KnownFault| (known.advisory.subject.clone(), known.version.clone(), known.advisory.id.clone());
    // The worst that is said of it, whoever says less before.
    all.sort_by(|a, b| b.advisory.severity.cmp(&a.advisory.severity).then_with(|| key(a).cmp(&key(b))));
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|known| seen.insert(key(known)));
    all
}

/// The known faults of a plugin that is to be installed, and of what it would run in.
pub(crate) fn told(view: &View, manifest: &Manifest) -> Vec<KnownFault> {
    let mut versions = own();
    let plugin = &manifest.plugin;
    versions.push((Subject::Plugin(plugin.name.clone()), plugin.version.clone()));
    let registries = view.registries.in_order();
    first(registries.into_iter().flat_map(|registry| among(view, registry, &versions)).collect())
}

/// Known faults in words, the first of them.
pub(crate) fn first_of(known: &[impl fmt::Display], before: &str) -> String {
    let lines: String = known.iter().take(MOST_TOLD).map(|known| format!("{before}{known}")).collect();
    match known.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        Some(more) => format!("{lines}{before}and {more} more"),
        None => lines,
    }
}

/// Whether a plugin may be installed with the faults that are known; those that it has all the same.
pub(crate) fn judge(view: &View, manifest: &Manifest, allowed: &AllowAdvisories) -> Result<Vec<KnownFault>> {
    for registry in view.registries.in_order() {
        // What it would warn of nobody knows.
        registry.root()?;
    }
    let all = told(view, manifest);
    let is_allowed = |known: &KnownFault| match allowed {
        AllowAdvisories::All => true,
        AllowAdvisories::Only(ids) => ids.contains(&known.advisory.id),
    };
    let refused: Vec<&KnownFault> = all.iter().filter(|known| known.refused && !is_allowed(known)).collect();
    if refused.is_empty() {
        return Ok(all);
    }
    let lines: String = first_of(&refused, "\n  - ");
    let allow: String =
        refused.iter().take(MOST_TOLD).map(|known| format!(" --allow-advisory {}", known.advisory.id)).collect();
    let message = format!(
        "`{}@{}` is not installed, for what is known of it:{lines}\nInstall a version without that; if it cannot hurt you, add{allow}",
        manifest.plugin.name, manifest.plugin.version
    );
    let error = Error::new(ErrorKind::PermissionDenied, ErrorSource::Caller, message);
    Err(Error { code: Some("known-fault".to_owned()), ..error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(registry: &str, severity: &str) -> KnownFault {
        let advisory = serde_json::json!({
            "id": "CVE-2026-1", "subject": "plugin:etcd", "affected": ["*"], "severity": severity,
            "title": "t", "description": "d", "published": "2026-01-01T00:00:00Z",
        });
        KnownFault {
            version: Version::new(1, 0, 0),
            registry: registry.to_owned(),
            advisory: serde_json::from_value(advisory).unwrap(),
            refused: false,
            integrations: Vec::new(),
        }
    }

    #[test]
    fn who_says_less_of_a_fault_does_not_hide_who_says_more() {
        let told = first(vec![known("first", "low"), known("second", "critical"), known("third", "high")]);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].registry, "second");
    }

    #[test]
    fn of_many_faults_the_first_are_told_and_how_many_more_there_are() {
        let many: Vec<usize> = (0..MOST_TOLD + 3).collect();
        assert!(first_of(&many, ", ").ends_with(", 9, and 3 more"));
        assert_eq!(first_of(&many[..2], ", "), ", 0, 1");
    }
}
