//! What is installed and configured at one moment. A view never changes: the registrar makes the next one and swaps it
//! in, so a call that began with one ends with it, and reading needs no lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jackfield_reflect::{CapabilityId, Operation};

use crate::{
    CapabilityInfo, Error, OperationInfo, Result, integrations::Integration, names, plugins::Installed, wit_text,
};

/// Plugins and integrations by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) plugins: BTreeMap<String, Arc<Installed>>,
    pub(crate) integrations: BTreeMap<String, Arc<Integration>>,
}

impl View {
    pub(crate) fn plugin(&self, name: &str) -> Result<&Arc<Installed>> {
        let known = || self.plugins.keys().map(String::as_str);
        self.plugins.get(name).ok_or_else(|| names::unknown("plugin", name, known()))
    }

    pub(crate) fn integration(&self, name: &str) -> Result<&Arc<Integration>> {
        let known = || self.integrations.keys().map(String::as_str);
        self.integrations.get(name).ok_or_else(|| names::unknown("integration", name, known()))
    }

    /// Whether an integration is still the one of its name and runs as it did, be it at another revision.
    pub(crate) fn is_current(&self, integration: &Integration) -> bool {
        self.integrations.get(&*integration.name).is_some_and(|now| {
            Arc::ptr_eq(&now.live, &integration.live)
                && match (&now.runtime, &integration.runtime) {
                    (Ok(now), Ok(then)) => Arc::ptr_eq(now, then),
                    (now, then) => now.is_err() && then.is_err(),
                }
        })
    }

    /// The names of the integrations that use a plugin.
    pub(crate) fn users(&self, plugin: &str) -> Vec<String> {
        let users = self.integrations.values().filter(|i| i.record.plugin == plugin);
        users.map(|integration| integration.name.to_string()).collect()
    }

    /// Every capability that a plugin exports.
    pub(crate) fn capabilities(&self) -> Vec<CapabilityInfo> {
        let ids: BTreeSet<&CapabilityId> = self.reflected().map(|(_, capability)| &capability.id).collect();
        ids.into_iter().map(|id| self.capability_info(id)).collect()
    }

    /// The capability that `wanted` names.
    pub(crate) fn capability(&self, wanted: &str) -> Result<CapabilityInfo> {
        Ok(self.capability_info(self.capability_id(wanted)?))
    }

    /// The WIT text of the capability that `wanted` names, with that of the packages it uses.
    pub(crate) fn capability_wit(&self, wanted: &str) -> Result<String> {
        let id = self.capability_id(wanted)?;
        let exporters = self.reflected().filter(|(_, capability)| capability.id == *id);
        // The plugin that exports the most of it is as good as any: all carry the whole package.
        let (plugin, _) = exporters
            .max_by_key(|(_, capability)| capability.operations.len())
            .ok_or_else(|| Error::internal("a capability without a plugin"))?;
        let code = plugin.code.as_ref().map_err(Clone::clone)?;
        Ok(wit_text::package(&code.wit, &id.to_string()))
    }

    fn reflected(&self) -> impl Iterator<Item = (&Installed, &jackfield_reflect::Capability)> {
        self.plugins
            .values()
            .filter_map(|plugin| Some((&**plugin, plugin.code.as_ref().ok()?)))
            .flat_map(|(plugin, code)| code.reflection.capabilities.iter().map(move |capability| (plugin, capability)))
    }

    fn capability_id(&self, wanted: &str) -> Result<&CapabilityId> {
        choose(wanted, &self.reflected().map(|(_, capability)| &capability.id).collect::<Vec<_>>())
    }

    fn capability_info(&self, id: &CapabilityId) -> CapabilityInfo {
        let mut docs = String::new();
        let mut plugins = Vec::new();
        let mut operations: Vec<&Arc<Operation>> = Vec::new();
        for (plugin, capability) in self.reflected().filter(|(_, capability)| capability.id == *id) {
            plugins.push(plugin.name().to_owned());
            if docs.is_empty() {
                docs.clone_from(&capability.docs);
            }
            for operation in &capability.operations {
                let known = operations.iter().any(|o| o.interface == operation.interface && o.name == operation.name);
                if !known {
                    operations.push(operation);
                }
            }
        }
        let offers = |integration: &Integration| integration.capability_ids().any(|offered| offered == id);
        let integrations = self.integrations.values().filter(|i| offers(i)).map(|i| i.name.to_string()).collect();
        CapabilityInfo {
            id: id.to_string(),
            name: id.name.clone(),
            docs,
            plugins,
            integrations,
            operations: operations.into_iter().map(|operation| operation_info(operation)).collect(),
        }
    }
}

pub(crate) fn operation_info(operation: &Operation) -> OperationInfo {
    OperationInfo {
        name: operation.name.clone(),
        interface: operation.interface.clone(),
        kind: operation.kind.as_str().to_owned(),
        feed: operation.feed,
        docs: operation.docs.clone(),
        request_schema: operation.request_schema(),
        response_schema: operation.response_schema(),
    }
}

/// The one of some capabilities that `wanted` names: the newest where it names no version; an error where packages of
/// several owners answer to it.
pub(crate) fn choose<'a>(wanted: &str, known: &[&'a CapabilityId]) -> Result<&'a CapabilityId> {
    let answering = known.iter().copied().filter(|id| id.answers_to(wanted));
    let owners: BTreeSet<String> = answering.clone().map(CapabilityId::package).collect();
    if owners.len() > 1 {
        let owners: Vec<String> = owners.into_iter().map(|owner| format!("`{owner}`")).collect();
        let shown: String = wanted.chars().take(80).collect();
        return Err(Error::invalid(format!("`{shown}` may be {}; write one of these", owners.join(" or "))));
    }
    answering.max_by(|a, b| a.version.cmp(&b.version)).ok_or_else(|| {
        let full = wanted.contains(':');
        let name = |id: &&CapabilityId| if full { id.to_string() } else { id.name.clone() };
        let names: BTreeSet<String> = known.iter().map(name).collect();
        names::unknown("capability", wanted, names.iter().map(String::as_str))
    })
}

/// How each of some capabilities is called where no other of them can be meant: by its name, its owner and name, or in
/// full.
pub(crate) fn short_names(ids: &[&CapabilityId]) -> Vec<String> {
    let alone = |same: &dyn Fn(&CapabilityId) -> bool| ids.iter().filter(|other| same(other)).count() == 1;
    ids.iter()
        .map(|id| match id {
            id if alone(&|other| other.name == id.name) => id.name.clone(),
            id if alone(&|other| other.package() == id.package()) => id.package(),
            id => id.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(texts: &[&str]) -> Vec<CapabilityId> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_without_a_version_means_the_newest_and_one_of_two_owners_is_asked_back() {
        let known = ids(&["a:dns@0.1.0", "a:dns@0.2.0", "b:dns@0.1.0", "a:mail@1.0.0"]);
        let known: Vec<&CapabilityId> = known.iter().collect();
        assert_eq!(choose("mail", &known).unwrap().to_string(), "a:mail@1.0.0");
        assert_eq!(choose("a:dns", &known).unwrap().to_string(), "a:dns@0.2.0");
        assert_eq!(choose("a:dns@0.1.0", &known).unwrap().to_string(), "a:dns@0.1.0");
        let error = choose("dns", &known).unwrap_err();
        assert!(error.message.contains("`a:dns` or `b:dns`"), "{error}");
        let error = choose("mial", &known).unwrap_err();
        assert!(error.message.contains("Did you mean `mail`?"), "{error}");
    }

    #[test]
    fn short_names_are_as_short_as_they_can_be() {
        let known = ids(&["a:dns@0.1.0", "a:dns@0.2.0", "b:dns@0.1.0", "a:mail@1.0.0"]);
        let known: Vec<&CapabilityId> = known.iter().collect();
        assert_eq!(short_names(&known), ["a:dns@0.1.0", "a:dns@0.2.0", "b:dns", "mail"]);
    }
}
