//! Publishing: the other way round.

use std::time::{Duration, SystemTime};

use jackfield_oci::{Descriptor, Reference, Repository, wasm};
use jackfield_registry::{Digest, Manifest};
use jackfield_trust::PrivateKey;

use crate::{FetchError, Fetcher, signatures};

/// What `oras pull` calls a layer's file; it passes over those without a name.
const TITLE: &str = "org.opencontainers.image.title";

impl Fetcher {
    /// Pushes a plugin; what describes its manifest, which is what signatures are of. The same file, said to be of the same
    /// time, is the same manifest.
    pub async fn push(
        &self,
        reference: &Reference,
        file: Vec<u8>,
        manifest: &Manifest,
        created: Duration,
    ) -> Result<Descriptor, FetchError> {
        let plugin = &manifest.plugin;
        let about = wasm::About {
            title: Some(plugin.name.clone()),
            version: Some(plugin.version.to_string()),
            description: Some(plugin.description.clone()),
            licenses: plugin.license.clone(),
            exports: plugin.capabilities.iter().map(|capability| capability.interface_id()).collect(),
            ..wasm::About::new(SystemTime::UNIX_EPOCH + created)
        };
        let mut artifact = wasm::artifact(file.into(), &about);
        for layer in &mut artifact.manifest.layers {
            layer.annotations.insert(TITLE.to_owned(), format!("{}-{}.wasm", plugin.name, plugin.version));
        }
        Ok(wasm::push(self.registries(), reference, &artifact).await?)
    }

    /// Signs what is in a registry under a digest.
    ///
    /// Whoever signs says what: a registry that could choose by a tag could have anything signed.
    pub async fn sign(&self, repository: &Repository, digest: Digest, key: &PrivateKey) -> Result<(), FetchError> {
        let subject = self.registries().manifest(&repository.with_digest(digest)).await?.descriptor();
        signatures::attach(self.registries(), repository, &subject, key).await
    }
}
