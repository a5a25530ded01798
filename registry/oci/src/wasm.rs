//! A component as an artifact, in the layout of CNCF's TAG Runtime
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>), which wkg and others read and write: an image
//! manifest, a config that tells what the component has to do with the outside, and one layer, the component itself.
//! Nothing is taken from the clock or the machine, so the same component published twice has the same digest. When
//! pulling, the config is not read: what a component is, it says itself.

use std::{collections::BTreeMap, time::SystemTime};

use bytes::Bytes;
use jackfield_registry::Digest;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Client, Descriptor, EMPTY, IMAGE_MANIFEST, ImageManifest, OciError, Reference, descriptor::written, error::shown,
    pull::Manifest,
};

/// A component's layer.
pub const WASM: &str = "application/wasm";
/// A component's config.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// What oras gives a manifest as its config when it is told nothing.
const ORAS_CONFIG: &str = "application/vnd.unknown.config.v1+json";

/// What is said of a component besides its bytes.
#[derive(Clone, Debug)]
pub struct About {
    /// When it was made. To publish the same twice, the same is to be given: the time of the commit, not of the build.
    pub created: SystemTime,
    /// Who made it.
    pub author: Option<String>,
    /// Its name, for people.
    pub title: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// Its licences as an SPDX expression.
    pub licenses: Option<String>,
    /// What it exports: `jackfield:kv/store@1.0.0`.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
}

impl About {
    /// Nothing but when it was made.
    pub fn new(created: SystemTime) -> Self {
        let (author, title, version, description, licenses) = Default::default();
        Self { created, author, title, version, description, licenses, exports: Vec::new(), imports: Vec::new() }
    }
}

/// A component as it is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The config's bytes, of the type [`WASM_CONFIG`].
    pub config: Vec<u8>,
    /// The only layer's bytes: the component.
    pub layer: Bytes,
    /// The manifest.
    pub manifest: ImageManifest,
}

/// A component that was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The manifest's digest: what pins all of it in the registry.
    pub digest: Digest,
    /// The manifest's bytes, which have that digest.
    pub manifest: Vec<u8>,
    /// The component. Its own digest is another one.
    pub bytes: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [String],
    imports: &'a [String],
    /// A world; a plugin's is its own.
    target: Option<&'a str>,
}

/// Lays out a component.
pub fn artifact(component: Bytes, about: &About) -> Artifact {
    let layer = Descriptor::of(WASM, &component);
    let created = OffsetDateTime::from(about.created);
    let config = written(&Config {
        // A year of more than four digits has no form, and is no time at which something was made.
        created: created.format(&Rfc3339).unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned()),
        author: about.author.as_deref(),
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [layer.digest],
        component: Component { exports: &about.exports, imports: &about.imports, target: None },
    });
    let mut manifest = ImageManifest::new(Descriptor::of(WASM_CONFIG, &config), vec![layer]);
    manifest.annotations = annotations(about);
    Artifact { config, layer: component, manifest }
}

fn annotations(about: &About) -> BTreeMap<String, String> {
    let said = [
        ("title", &about.title),
        ("version", &about.version),
        ("description", &about.description),
        ("licenses", &about.licenses),
    ];
    let said = said.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    said.map(|(name, text)| (format!("org.opencontainers.image.{name}"), text.clone())).collect()
}

/// Publishes a component and describes its manifest, so that something can be attached to it.
pub async fn push(client: &Client, reference: &Reference, artifact: &Artifact) -> Result<Descriptor, OciError> {
    let repository = reference.repository();
    client.push_blob(repository, WASM_CONFIG, artifact.config.clone().into()).await?;
    client.push_blob(repository, WASM, artifact.layer.clone()).await?;
    let bytes = artifact.manifest.to_bytes();
    let descriptor = Descriptor::of(IMAGE_MANIFEST, &bytes);
    client.push_manifest(reference, IMAGE_MANIFEST, bytes.into()).await?;
    Ok(descriptor)
}

/// Fetches a component of `most` bytes at most.
pub async fn pull(client: &Client, reference: &Reference, most: u64) -> Result<Pulled, OciError> {
    let manifest = client.manifest(reference).await?;
    let layer = manifest
        .image()
        .and_then(only_layer)
        .map_err(|found| OciError::NotWasm { place: reference.to_string(), found })?;
    let bytes = client.blob(reference.repository(), &layer, most).await?;
    Ok(Pulled { digest: manifest.digest, manifest: manifest.bytes, bytes })
}

/// The digest of the component that a manifest's bytes name, wherever they were kept; else what they are instead.
pub fn named_by(manifest: &[u8]) -> Result<Digest, String> {
    let manifest =
        Manifest { digest: Digest::of(manifest), media_type: IMAGE_MANIFEST.to_owned(), bytes: manifest.to_vec() };
    manifest.image().and_then(only_layer).map(|layer| layer.digest)
}

/// The layer of a manifest that is a component's; else what the manifest is instead.
fn only_layer(image: ImageManifest) -> Result<Descriptor, String> {
    if ![WASM_CONFIG, EMPTY, ORAS_CONFIG].contains(&image.config.media_type.as_str()) {
        return Err(format!("an artifact whose config is of the type {}", shown(&image.config.media_type)));
    }
    let count = image.layers.len();
    let mut layers = image.layers.into_iter();
    match (layers.next(), layers.next()) {
        (None, _) => Err("an artifact without layers".into()),
        (Some(_), Some(_)) => Err(format!("an artifact with {count} layers")),
        (Some(layer), None) if layer.media_type == WASM => Ok(layer),
        (Some(layer), None) => Err(format!("an artifact whose layer is of the type {}", shown(&layer.media_type))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn about() -> About {
        About {
            title: Some("etcd".into()),
            version: Some("1.2.0".into()),
            exports: vec!["jackfield:kv/store@1.0.0".into()],
            ..About::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        }
    }

    #[test]
    fn a_component_is_laid_out_as_others_read_it() {
        let artifact = artifact(Bytes::from_static(b"\0asm"), &about());
        let digest = Digest::of(b"\0asm");
        let config = format!(
            r#"{{"created":"2023-11-14T22:13:20Z","architecture":"wasm","os":"wasip2","layerDigests":["{digest}"],"component":{{"exports":["jackfield:kv/store@1.0.0"],"imports":[],"target":null}}}}"#
        );
        assert_eq!(String::from_utf8(artifact.config).unwrap(), config);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/wasm","digest":"{digest}","size":4}}],"annotations":{{"org.opencontainers.image.title":"etcd","org.opencontainers.image.version":"1.2.0"}}}}"#,
            Digest::of(config.as_bytes()),
            config.len()
        );
        assert_eq!(String::from_utf8(artifact.manifest.to_bytes()).unwrap(), manifest);
    }

    #[test]
    fn only_one_layer_of_the_right_type_is_taken() {
        let layer = |kind: &str| Descriptor::of(kind, b"x");
        let image = |config: &str, layers: Vec<Descriptor>| ImageManifest::new(layer(config), layers);
        for config in [WASM_CONFIG, EMPTY, ORAS_CONFIG] {
            assert!(only_layer(image(config, vec![layer(WASM)])).is_ok());
        }
        for (image, expected) in [
            (image(EMPTY, vec![]), "without layers"),
            (image(EMPTY, vec![layer(WASM), layer(WASM)]), "2 layers"),
            (image(EMPTY, vec![layer("application/vnd.oci.image.layer.v1.tar")]), "image.layer.v1.tar"),
            (image("application/vnd.oci.image.config.v1+json", vec![layer(WASM)]), "image.config"),
        ] {
            let found = only_layer(image).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }
}
