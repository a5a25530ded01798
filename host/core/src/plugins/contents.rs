//! What a plugin's package holds for people and their tools, read from the stored file when somebody asks: that is seldom,
//! and it may be megabytes, which nobody keeps in memory for it. The file is held to the digest that pins it, so that what is
//! read is what was installed.

use jackfield_registry::{Package, Sbom};
use jackfield_store::Bucket;

use crate::{Error, Host, Result, faults, shared::Shared};

/// What a package may hold beside what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginText {
    /// The README, in Markdown.
    Readme,
    /// The text of the license, or of the licenses.
    License,
    /// The bill of materials, as JSON: CycloneDX 1.x or SPDX 2.3.
    Sbom,
}

impl PluginText {
    fn of(self, package: Package) -> Option<String> {
        match self {
            Self::Readme => package.readme,
            Self::License => package.license,
            Self::Sbom => package.sbom.map(Sbom::into_string),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Readme => "README",
            Self::License => "license text",
            Self::Sbom => "bill of materials",
        }
    }
}

impl Host {
    /// The README, the license or the bill of materials of a plugin, `NAME` or `NAME@VERSION`, as it was packed; fails with
    /// `not-found` where it was packed without.
    pub async fn plugin_text(&self, name: &str, text: PluginText) -> Result<String> {
        self.shared().open()?;
        read(self.shared(), name, text).await
    }
}

async fn read(shared: &Shared, wanted: &str, text: PluginText) -> Result<String> {
    let (id, digest) = {
        let view = shared.view.load();
        let plugin = view.plugin(wanted)?;
        (plugin.id(), plugin.record.digest)
    };
    let file = shared.store.get(Bucket::Components, &digest.to_string()).await.map_err(faults::store)?;
    let file = file.ok_or_else(|| broken(&id, "is missing"))?.value;
    let read = tokio::task::spawn_blocking(move || Package::read(&file));
    let package = read.await.map_err(|e| Error::internal(e.to_string()))?.map_err(|e| broken(&id, &e.to_string()))?;
    if package.digest != digest {
        return Err(broken(&id, "is not the one that was installed"));
    }
    text.of(package).ok_or_else(|| Error::not_found(format!("`{id}` was packed without a {}", text.name())))
}

fn broken(id: &super::PluginId, reason: &str) -> Error {
    super::missing(format!("the file of `{id}` cannot be read: {reason}; remove it and install it again"))
}
