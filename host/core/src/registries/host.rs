//! What can be asked of a host about registries.

use jackfield_index::Want;

use super::{Chosen, Found, KnownFault, NewRegistry, RegistryInfo, choose, known, remove, set, sync};
use crate::{AllowAdvisories, Host, NewPlugin, Result};

impl Host {
    /// The registries, in the order in which plugins are looked for in them.
    pub fn registries(&self) -> Vec<RegistryInfo> {
        self.shared().view.load().registries.infos()
    }

    /// One registry.
    pub fn registry(&self, name: &str) -> Result<RegistryInfo> {
        self.shared().view.load().registries.info(name)
    }

    /// Adds a registry, or changes what was said of one, and reads its index; returns whether it is new. Fails with `index-refused`
    /// where the index is not signed by who was named, is older than what was seen, or has expired.
    pub async fn set_registry(&self, name: &str, said: NewRegistry) -> Result<(RegistryInfo, bool)> {
        self.shared().open()?;
        set(self.shared(), name, said).await
    }

    /// Brings what is known of a registry up to date. Nothing else asks its address: what is not brought up to date stays as it is.
    pub async fn sync_registry(&self, name: &str) -> Result<RegistryInfo> {
        self.shared().open()?;
        sync(self.shared(), name).await
    }

    /// Removes a registry. What was installed by it stays.
    pub async fn remove_registry(&self, name: &str) -> Result<()> {
        self.shared().open()?;
        remove(self.shared(), name).await
    }

    /// The plugins of registries in whose name, description or capabilities all words of a text occur.
    pub fn search_plugins(&self, text: &str) -> Vec<Found> {
        choose::search(&self.shared().view.load(), text)
    }

    /// The release that installing a plugin by its name would take. No network is asked. Fails with `no-version` where none will
    /// do, in words that say why and which is nearest.
    pub async fn choose_plugin(&self, want: &Want, allow: &AllowAdvisories) -> Result<Chosen> {
        self.shared().open()?;
        choose::choose(self.shared(), want, allow).await
    }

    /// Fetches the release that [`Host::choose_plugin`] names. It must be the very file of the index; nothing else of it is believed
    /// yet, and nothing accepted: say what is, and install it.
    pub async fn fetch_chosen(&self, want: &Want, allow: AllowAdvisories) -> Result<NewPlugin> {
        self.shared().open()?;
        choose::fetch(self.shared(), want, allow).await
    }

    /// What is known to be wrong with what is installed, with Jackfield and with its runtime, as registries tell; worse first.
    pub fn known_faults(&self) -> Vec<KnownFault> {
        known(&self.shared().view.load())
    }
}
