//! What is installed and configured at one moment. A view never changes: the registrar makes the next one and swaps it
//! in, so a call that began with one ends with it, and reading needs no lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jackfield_reflect::{CapabilityId, Operation};
use jackfield_registry::Digest;
use semver::Version;

use crate::{
    CapabilityInfo, Error, OperationInfo, Result,
    integrations::{Integration, IntegrationRecord},
    names,
    plugins::{Installed, Pins, PluginId, Signers, missing, own_interfaces},
    registries::Registries,
    trust::Trust,
    versions::Versions,
    wit_text,
};

/// Plugins by name and version, integrations by name, and what may become a plugin.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) plugins: BTreeMap<PluginId, Arc<Installed>>,
    pub(crate) integrations: BTreeMap<String, Arc<Integration>>,
    pub(crate) trust: Trust,
    pub(crate) signers: Signers,
    pub(crate) registries: Registries,
    /// Of what the plugins bring and the host itself has.
    pub(crate) versions: Arc<Versions>,
    pub(crate) pins: Pins,
}

impl View {
    /// The plugin that `NAME` or `NAME@VERSION` names: where no version is said the one that is pinned, or else the newest.
    pub(crate) fn plugin(&self, wanted: &str) -> Result<&Arc<Installed>> {
        let (name, version) = wanted.split_once('@').map_or((wanted, None), |(name, version)| (name, Some(version)));
        let versions: Vec<&Arc<Installed>> = self.versions(name).collect();
        if versions.is_empty() {
            let known: BTreeSet<&str> = self.plugins.keys().map(|id| id.name.as_str()).collect();
            return Err(names::unknown("plugin", name, known));
        }
        if version.is_none() {
            self.pins.known(name)?;
        }
        let pinned = self.pins.of(name).map(ToString::to_string);
        let Some(version) = version.or(pinned.as_deref()) else {
            // A version that is not meant for everybody yet is for whoever names it, unless there is no other.
            let newest = versions.into_iter().max_by_key(|plugin| (plugin.version().pre.is_empty(), plugin.version()));
            return newest.ok_or_else(|| Error::internal("a plugin without a version"));
        };
        let found = versions.iter().find(|plugin| plugin.version().to_string() == version);
        found.copied().ok_or_else(|| {
            let known: Vec<String> = versions.iter().map(|plugin| plugin.version().to_string()).collect();
            let shown: String = version.chars().take(80).collect();
            Error::not_found(format!("`{name}` is not installed in version `{shown}`; it is in {}", known.join(", ")))
        })
    }

    /// The installed versions of a plugin, the oldest first.
    pub(crate) fn versions(&self, name: &str) -> impl Iterator<Item = &Arc<Installed>> {
        self.plugins.iter().filter(move |(id, _)| id.name == name).map(|(_, plugin)| plugin)
    }

    /// The plugin that an integration runs with.
    pub(crate) fn plugin_of(&self, record: &IntegrationRecord) -> Result<&Arc<Installed>> {
        self.exactly(&record.plugin, &record.plugin_version, record.plugin_digest)
    }

    /// The plugin of this name and version, if it is this file.
    pub(crate) fn exactly(&self, name: &str, version: &Version, digest: Digest) -> Result<&Arc<Installed>> {
        let id = PluginId { name: name.to_owned(), version: version.clone() };
        let plugin = self
            .plugins
            .get(&id)
            .ok_or_else(|| missing(format!("its plugin `{id}` is not installed; install it again")))?;
        if plugin.record.digest != digest {
            let message = format!("its plugin `{id}` is another file than the one it was added with");
            return Err(missing(format!(
                "{message}; apply a document that names another version (`jackfield apply`), or remove it and add it again"
            )));
        }
        Ok(plugin)
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

    /// The names of the integrations that run with a plugin.
    pub(crate) fn users(&self, plugin: &PluginId) -> Vec<String> {
        let uses = |record: &IntegrationRecord| record.plugin == plugin.name && record.plugin_version == plugin.version;
        let users = self.integrations.values().filter(|integration| uses(&integration.record));
        users.map(|integration| integration.name.to_string()).collect()
    }

    /// The integrations that ran with a plugin before their latest upgrade, and can go back to it.
    pub(crate) fn may_go_back_to(&self, plugin: &Installed) -> impl Iterator<Item = &Arc<Integration>> {
        let (name, digest) = (plugin.name().to_owned(), plugin.record.digest);
        self.integrations.values().filter(move |integration| {
            let record = &integration.record;
            record.plugin == name && record.previous.as_ref().is_some_and(|previous| previous.plugin_digest == digest)
        })
    }

    /// The integrations that a plugin is rehearsed for.
    pub(crate) fn rehearsed_with(&self, plugin: &Installed) -> impl Iterator<Item = &Arc<Integration>> {
        let (name, digest) = (plugin.name().to_owned(), plugin.record.digest);
        self.integrations.values().filter(move |integration| {
            let record = &integration.record;
            record.plugin == name && record.shadow.as_ref().is_some_and(|shadow| shadow.plugin_digest == digest)
        })
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

    /// Finds out what is known of versions. To be called whenever the plugins are others.
    pub(crate) fn know_versions(&mut self) {
        self.versions = Arc::new(Versions::of(own_interfaces(), self.plugins.values(), &self.versions));
    }

    /// The capability that `wanted` names, of those in whichever version that are known.
    pub(crate) fn known_capability(&self, wanted: &str) -> Result<CapabilityId> {
        choose(wanted, &self.versions.capabilities().into_iter().collect::<Vec<_>>()).cloned()
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
            if plugins.iter().all(|known| known != plugin.name()) {
                plugins.push(plugin.name().to_owned());
            }
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
            translated: self.translated(id),
            operations: operations.into_iter().map(|operation| OperationInfo::of(operation)).collect(),
        }
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
