//! A plugin's manifest: what it is, what it exports, what it asks for. The manifest is data of a stranger: everything in
//! it has a bound and a form, and it only ever *asks*; what an integration may do is decided by the host and its operator.

mod check;
mod parse;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use semver::{BuildMetadata, Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::CapabilityRef;
pub use check::ManifestFault;
#[cfg(feature = "package")]
pub(crate) use parse::MAX_MANIFEST_BYTES;
pub use parse::ManifestError;

/// A plugin's manifest, as `plugin.toml` holds it for people and the packed file as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// What the plugin is.
    pub plugin: PluginSection,
    /// The outside addresses it wants to reach, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointRule>,
    /// What it asks for beyond, or within, the host's defaults.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// What it promises of its writes.
    #[serde(default, skip_serializing_if = "Writes::is_empty")]
    pub writes: Writes,
    /// The outside systems it was tested with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compatibility: Vec<Compatibility>,
    /// JSON Schema (2020-12) of an integration's configuration: an object that allows no unknown properties.
    #[serde(default = "empty_schema")]
    pub config: Map<String, Value>,
}

/// What the plugin is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PluginSection {
    /// Lower-case letters, digits and `-`, starting with a letter, at most 63.
    pub name: String,
    /// The plugin's own version.
    pub version: Version,
    /// One sentence.
    pub description: String,
    /// SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The versions of the host it works with.
    pub host: VersionReq,
    /// The interfaces it exports.
    pub capabilities: Vec<CapabilityRef>,
    /// The types of the credentials that it makes for its outside system, e.g. `basic`; it exports
    /// `jackfield:plugin/credential-issuer` if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<String>,
}

/// An outside address the plugin wants to reach, and what it wants to send there. This is a request, not a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndpointRule {
    /// The name by which the plugin sends to it.
    pub name: String,
    /// What it is, for the operator who fills it in; may be left out, but not be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The configuration property that holds the address: a text, or a list of texts that are tried in turn.
    pub address: String,
    /// The methods it sends, in capitals.
    pub methods: Vec<String>,
    /// The paths it asks for, relative to the address. `*` as a whole segment stands for one segment, at the end for any rest.
    pub paths: Vec<String>,
    /// Those of them at which a `POST` changes nothing: what an operator who allows only reads lets pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safe_posts: Vec<String>,
}

/// What the plugin asks for. What is absent is the host's default; the host's ceilings always hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// Memory of one instance, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// CPU time of one call, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// The longest a call may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_timeout_ms: Option<u64>,
    /// Calls at once for one integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The largest response it reads from outside, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_mib: Option<u32>,
    /// What it keeps in its state, in KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_kib: Option<u64>,
    /// The largest answer, as JSON, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_mib: Option<u32>,
    /// Requests it sends to outside systems, in the long run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
}

impl Limits {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those that are set, by their names in manifests.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let Ok(Value::Object(named)) = serde_json::to_value(self) else { return BTreeMap::new() };
        named.into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?))).collect()
    }
}

impl PluginSection {
    /// The version that a tag says, where it says one and that is not the plugin's.
    pub fn contradicted_by(&self, tag: &str) -> Option<Version> {
        let said: Version = tag.strip_prefix('v').unwrap_or(tag).parse().ok()?;
        // A tag has no `+`.
        let bare = |version: &Version| Version { build: BuildMetadata::EMPTY, ..version.clone() };
        (bare(&said) != bare(&self.version)).then_some(said)
    }
}

/// What a plugin promises of its writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Writes {
    /// The operations, as `CAPABILITY.OPERATION` or `CAPABILITY.*`, that have their effect once however often they are sent
    /// under the same idempotency key, whichever answers are lost. The host lets a caller send such a write again although
    /// nobody knows what came of it the first time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once_by_key: Vec<String>,
}

impl Writes {
    /// Whether nothing is promised.
    pub fn is_empty(&self) -> bool {
        self.once_by_key.is_empty()
    }

    /// Whether an operation is one of those.
    pub fn are_once_by_key(&self, action: &str) -> bool {
        self.once_by_key.iter().any(|pattern| covers(pattern, action))
    }
}

/// Whether `CAPABILITY.OPERATION` or `CAPABILITY.*` stands for an operation.
pub(crate) fn covers(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => start.ends_with('.') && action.starts_with(start),
        None => pattern == action,
    }
}

/// An outside system and the versions of it that the plugin was tested with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Compatibility {
    /// The system, e.g. `etcd`.
    pub system: String,
    /// Versions, e.g. `3.5`.
    pub versions: Vec<String>,
}

/// The schema of a plugin that needs no configuration.
fn empty_schema() -> Map<String, Value> {
    Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("properties".to_owned(), Value::Object(Map::new())),
        ("additionalProperties".to_owned(), Value::from(false)),
    ])
}
