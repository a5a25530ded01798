//! What is told of versions: which integrations understand one, what of two is the same.

use std::{collections::BTreeSet, sync::Arc};

use jackfield_reflect::{CapabilityId, InterfaceId, Operation};
use serde::{Deserialize, Serialize};

use super::Versions;
use crate::{Error, Host, Result, deprecation::Deprecated, integrations::Integration, view::View};

/// An integration that speaks another version of a capability, and what of this one it understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TranslatedInfo {
    /// The integration.
    pub integration: String,
    /// The version that it speaks.
    pub version: semver::Version,
    /// The operations that are translated.
    pub operations: Vec<String>,
    /// Those that are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<UntranslatedInfo>,
}

/// An operation that is not translated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UntranslatedInfo {
    /// The operation.
    pub operation: String,
    /// The difference, in words.
    pub reason: String,
}

/// Two versions of a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CapabilityComparison {
    /// The one, e.g. `acme:dns@0.1.0`.
    pub from: String,
    /// The other.
    pub to: String,
    /// Operations that only `to` has.
    pub gained: Vec<String>,
    /// Operations that only `from` has.
    pub lost: Vec<String>,
    /// Operations that both have.
    pub operations: Vec<OperationComparison>,
}

/// An operation that two versions of a capability have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OperationComparison {
    /// Its name.
    pub operation: String,
    /// Nothing is translated either way: who speaks the one speaks the other.
    pub same: bool,
    /// Why who speaks `from` cannot call a plugin of `to`; absent where that can be translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_clients: Option<String>,
    /// Why who speaks `to` cannot call a plugin of `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_clients: Option<String>,
}

impl Host {
    /// What can be called besides [`Host::operations`], by clients that speak a version which the integration does not:
    /// integration, the capability's name with that version, operation as it is there. Nothing that cannot be translated.
    pub fn translated_operations(&self) -> Vec<(String, String, Arc<Operation>)> {
        let view = self.shared().view.load();
        let mut all = Vec::new();
        for integration in view.integrations.values() {
            for (wanted, name) in understood(&view, integration) {
                let Ok(runtime) = integration.running() else { continue };
                for (_, _, operation) in view.versions.operations(&wanted) {
                    if super::target(&view, integration, runtime, &wanted.to_string(), &operation.name).is_ok() {
                        all.push((integration.name.to_string(), name.clone(), operation.clone()));
                    }
                }
            }
        }
        all
    }

    /// Two versions of a capability: what only one of them has, and which operations can be called by who speaks the other.
    pub fn compare_capabilities(&self, from: &str, to: &str) -> Result<CapabilityComparison> {
        let view = self.shared().view.load();
        let (from, to) = (view.known_capability(from)?, view.known_capability(to)?);
        view.versions.compare(&from, &to)
    }

    /// That an operation, as an integration offers it or as it is translated, is not to be used any more.
    pub fn deprecated(&self, integration: &str, capability: &str, operation: &str) -> Result<Option<Arc<Deprecated>>> {
        let view = self.shared().view.load();
        let integration = view.integration(integration)?;
        let target = super::target(&view, integration, integration.running()?, capability, operation)?;
        Ok(target.deprecated())
    }
}

/// The versions that an integration does not speak and that are known here, of what it offers; each with the name by which it
/// is called.
fn understood(view: &View, integration: &Integration) -> Vec<(CapabilityId, String)> {
    let offered: Vec<&CapabilityId> = integration.capability_ids().collect();
    let mut all: Vec<(CapabilityId, String)> = Vec::new();
    for id in &offered {
        let alone = offered.iter().all(|other| other.name != id.name || other.package() == id.package());
        for version in view.versions.versions_of(&id.package()) {
            let wanted = CapabilityId { version: version.clone(), ..(*id).clone() };
            let name = if alone { format!("{}@{version}", wanted.name) } else { wanted.to_string() };
            if !offered.contains(&&wanted) && all.iter().all(|(known, _)| *known != wanted) {
                all.push((wanted, name));
            }
        }
    }
    all
}

impl View {
    /// The integrations that speak another version of a capability than this.
    pub(crate) fn translated(&self, wanted: &CapabilityId) -> Vec<TranslatedInfo> {
        let mut all = Vec::new();
        for integration in self.integrations.values() {
            let Ok(runtime) = integration.running() else { continue };
            let mut offered: Vec<&CapabilityId> =
                runtime.capability_ids().filter(|id| id.package() == wanted.package()).collect();
            offered.sort();
            let Some(newest) = offered.last().filter(|_| !offered.contains(&wanted)) else { continue };
            let (mut operations, mut refused) = (Vec::new(), Vec::new());
            for (_, _, operation) in self.versions.operations(wanted) {
                let operation = operation.name.clone();
                match super::target(self, integration, runtime, &wanted.to_string(), &operation) {
                    Ok(_) => operations.push(operation),
                    Err(error) => refused.push(UntranslatedInfo { operation, reason: error.message }),
                }
            }
            let (integration, version) = (integration.name.to_string(), newest.version.clone());
            all.push(TranslatedInfo { integration, version, operations, refused });
        }
        all
    }
}

impl Versions {
    fn compare(&self, from: &CapabilityId, to: &CapabilityId) -> Result<CapabilityComparison> {
        if from.package() != to.package() {
            let message = format!("`{from}` and `{to}` are no versions of one capability; name two versions of one");
            return Err(Error::invalid(message));
        }
        let names = |id: &CapabilityId| -> BTreeSet<(String, String)> {
            self.operations(id).map(|(id, _, operation)| (id.name.clone(), operation.name.clone())).collect()
        };
        let (old, new) = (names(from), names(to));
        let only = |these: &BTreeSet<(String, String)>, those: &BTreeSet<(String, String)>| {
            these.difference(those).map(|(_, operation)| operation.clone()).collect()
        };
        let one = |(interface, operation): &(String, String)| {
            if from == to {
                let operation = operation.clone();
                return Some(OperationComparison { operation, same: true, old_clients: None, new_clients: None });
            }
            let id = |package: &CapabilityId| InterfaceId { package: package.clone(), name: interface.clone() };
            let (old_clients, new_clients) =
                (self.adapter(&id(to), &id(from), operation)?, self.adapter(&id(from), &id(to), operation)?);
            let nothing = |adapter: &jackfield_reflect::Adapter| adapter.request.is_none() && adapter.answer.is_none();
            let same = [old_clients, new_clients].iter().all(|found| found.as_ref().is_ok_and(|found| nothing(found)));
            let reason =
                |found: &Result<_, Arc<jackfield_reflect::Mismatch>>| found.as_ref().err().map(ToString::to_string);
            Some(OperationComparison {
                operation: operation.clone(),
                same,
                old_clients: reason(old_clients),
                new_clients: reason(new_clients),
            })
        };
        Ok(CapabilityComparison {
            from: from.to_string(),
            to: to.to_string(),
            gained: only(&new, &old),
            lost: only(&old, &new),
            operations: old.intersection(&new).filter_map(one).collect(),
        })
    }

    /// Every capability that is known, in each version.
    pub(crate) fn capabilities(&self) -> BTreeSet<&CapabilityId> {
        self.interfaces.keys().map(|id| &id.package).collect()
    }
}
