//! The documents of the image specification, as far as they are written or understood here. They are written in the order
//! of their fields, so that the same content is the same bytes and the same digest.

use std::collections::BTreeMap;

use jackfield_registry::Digest;
use serde::{Deserialize, Serialize};

/// An image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An index of manifests.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A config, or a layer, that says nothing: `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The content of what is of the type [`EMPTY`].
pub const EMPTY_BYTES: &[u8] = b"{}";

/// What a manifest says of some content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// What a manifest is of, where the content is one: in lists of referrers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Describes some bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Describes the content that says nothing.
    pub fn empty() -> Self {
        Self::of(EMPTY, EMPTY_BYTES)
    }
}

/// An image manifest: a config and layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`IMAGE_MANIFEST`]; old writers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it is a manifest of, where the config's media type does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers, in order.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// What else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// A manifest with this config and these layers.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(IMAGE_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// A manifest of an artifact that has no config.
    pub fn artifact(artifact_type: &str, layers: Vec<Descriptor>) -> Self {
        Self { artifact_type: Some(artifact_type.to_owned()), ..Self::new(Descriptor::empty(), layers) }
    }

    /// The bytes that are pushed.
    pub fn to_bytes(&self) -> Vec<u8> {
        written(self)
    }

    /// What this manifest is of: its artifact type, else the config's media type.
    pub fn kind(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }
}

/// A document of ours as JSON.
pub(crate) fn written(document: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and maps by text: there is nothing in them that JSON has no form for.
    serde_json::to_vec(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_manifest_is_the_same_bytes_and_reads_back() {
        let mut manifest = ImageManifest::artifact("application/x", vec![Descriptor::of("text/plain", b"abc")]);
        manifest.annotations.insert("b".into(), "2".into());
        manifest.annotations.insert("a".into(), "1".into());
        let bytes = manifest.to_bytes();
        assert_eq!(serde_json::from_slice::<ImageManifest>(&bytes).unwrap(), manifest);
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with(r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#),
            "{text}"
        );
        assert!(text.ends_with(r#""annotations":{"a":"1","b":"2"}}"#), "{text}");
    }

    #[test]
    fn the_empty_config_is_the_specifications() {
        let expected = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(Descriptor::empty().digest.to_string(), expected);
    }
}
