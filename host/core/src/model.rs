//! What the host tells of itself: plugins, integrations, health, capabilities, events. These types are the bodies of the
//! management API too, so their field names are kebab-case, as in WIT.

use std::collections::BTreeMap;

use jackfield_registry::{Limits, Manifest};
use serde::{Deserialize, Serialize};

use crate::plugins::Provenance;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimestampMs = i64;

/// An installed plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginInfo {
    /// `NAME@VERSION`, e.g. `etcd@0.1.0`: what names this version in commands and addresses.
    pub id: String,
    /// The manifest's name.
    pub name: String,
    /// The manifest's version.
    pub version: semver::Version,
    /// `sha256:…` of the whole file.
    pub digest: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// When it was installed.
    pub installed_at: TimestampMs,
    /// The capabilities it exports, e.g. `jackfield:metrics@0.1.0`.
    pub capabilities: Vec<String>,
    /// The names of the integrations that run with this version.
    pub integrations: Vec<String>,
    /// Where it came from and who vouched for it then.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Everything that it asks for, a line each: what integrations may do with it at most.
    #[serde(default)]
    pub rights: Vec<String>,
    /// What stands for exactly those rights; none where it asks for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The version of this plugin that is pinned, be it this one or another: whoever names none keeps to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<semver::Version>,
    /// What it says of itself and asks for.
    pub manifest: Manifest,
}

/// What to add.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewIntegration {
    /// The name: lower-case letters, digits and `-`, at most 63, starting with a letter.
    pub name: String,
    /// The plugin's name, of which the newest installed version is taken, or `NAME@VERSION`.
    pub plugin: String,
    /// The configuration, an object that satisfies the plugin's schema.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Labels, to select integrations by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the operator allows and sets for the endpoints.
    #[serde(default)]
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// What its guests may use at most. What is absent is as the plugin asks; what the plugin does not ask for is as the
    /// host has it by default.
    #[serde(default)]
    pub limits: Limits,
    /// Whether it is to run. One that is not keeps what is set for it, and refuses calls.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What is so where nothing else is said.
pub(crate) fn yes() -> bool {
    true
}

impl Default for NewIntegration {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl NewIntegration {
    /// An integration of `plugin` with an empty configuration.
    pub fn new(name: impl Into<String>, plugin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            plugin: plugin.into(),
            config: serde_json::Map::new(),
            labels: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            limits: Limits::default(),
            enabled: true,
        }
    }
}

/// What the operator sets for one endpoint of an integration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndpointSettings {
    /// Address ranges (CIDR) that may be dialled although they are private, loopback or link-local. An address written
    /// literally in the configuration needs no entry here, but for link-local ones (instance metadata).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_addresses: Vec<String>,
    /// PEM certificates to trust instead of the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// The credential that its requests are authenticated with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialBinding>,
    /// What it allows of what the plugin asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<crate::GrantSettings>,
    /// What its requests may cost, where each is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<crate::SpendSettings>,
}

/// Which credential authenticates an endpoint's requests, and where in them it goes. The plugin learns nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialBinding {
    /// The credential's name.
    pub name: String,
    /// The header that an API key goes in, e.g. `X-Api-Key`. Other types have a place of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What stands before the key in that header, e.g. `Token `.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The query parameter that an API key goes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The region that requests are signed for with an AWS access key, e.g. `eu-central-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The service, as signatures name it, e.g. `s3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What of a body AWS signatures cover: all of it (`signed`), nothing (`unsigned`), or each piece by itself (`streaming`);
    /// S3 takes all three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// How the credential is exchanged for the token that requests carry, at the endpoint itself: a user name and a
    /// password by `etcd`, a bearer's token by `consul` or `nomad`. Without one it goes with each request as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The auth method that is logged in with, of `consul` and `nomad`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<String>,
    /// The credential may travel in clear, to an address that is http://.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_plain_http: bool,
}

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpdateIntegration {
    /// Configuration keys to set; `null` removes a key (JSON Merge Patch, RFC 7396, of the whole configuration).
    #[serde(default)]
    pub config: Option<serde_json::Map<String, serde_json::Value>>,
    /// Labels to set; `null` removes one.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, Option<String>>>,
    /// Endpoint settings to replace; `null` removes one.
    #[serde(default)]
    pub endpoints: Option<BTreeMap<String, Option<EndpointSettings>>>,
    /// Limits to set, by name as in manifests; `null` leaves one to the plugin and the host.
    #[serde(default)]
    pub limits: Option<BTreeMap<String, Option<u64>>>,
    /// Change only if the integration is at this revision.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// An integration and how it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IntegrationInfo {
    /// The name.
    pub name: String,
    /// Whether it is to run. One that is not refuses calls and is not checked.
    pub enabled: bool,
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub plugin_version: semver::Version,
    /// The plugin's digest.
    pub plugin_digest: String,
    /// The capabilities it offers, short names where they are unambiguous; none while it is disabled.
    pub capabilities: Vec<String>,
    /// The configuration, with defaults filled in.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Endpoint settings.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// What its guests may use: of what the plugin asks for, what the operator allows.
    pub limits: Limits,
    /// Grows with every change.
    pub revision: u64,
    /// When it was added.
    pub created_at: TimestampMs,
    /// When it was last changed.
    pub updated_at: TimestampMs,
    /// How it is.
    pub health: HealthReport,
    /// Operations that crashed again and again and are not run for a while, e.g. `metrics.query`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<String>,
    /// Operations that it offers and that are not to be used any more, e.g. `dns.lookup`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deprecated: Vec<String>,
    /// In words, if its outside system is of a version that the plugin was not tested with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untested: Option<String>,
    /// What it ran with before its latest upgrade, and can go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousVersion>,
    /// Until then it goes back by itself to that if it does not do well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_until: Option<TimestampMs>,
    /// The version that has a share of its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<crate::ShareSummary>,
    /// The version that is rehearsed beside the one it runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<crate::ShadowSummary>,
    /// Where its traffic is recorded, or what it is replayed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassette: Option<CassetteInfo>,
}

/// A version that an integration ran with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PreviousVersion {
    /// The plugin's version.
    pub plugin_version: semver::Version,
    /// When it was left.
    pub left_at: TimestampMs,
}

/// What is done with an integration's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CassetteInfo {
    /// `record`, or `replay`: then nothing is sent, and every answer is one that was recorded.
    #[serde(rename = "use")]
    pub used: CassetteUse,
    /// The cassette's file.
    pub file: String,
    /// How requests are found in it, where it is replayed.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<jackfield_gateway::Match>,
    /// Whether everything was recorded so far that there was.
    pub complete: bool,
}

/// What a cassette is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CassetteUse {
    /// Traffic is written to it.
    Record,
    /// Requests are answered from it.
    Replay,
}

/// How an integration is, as the health checks found it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HealthReport {
    /// The state in one word.
    pub state: HealthState,
    /// Since when it is in this state.
    pub since: TimestampMs,
    /// When it was last checked; absent before the first check.
    pub checked_at: Option<TimestampMs>,
    /// One sentence for a person.
    pub message: String,
    /// Who is at fault, where something is.
    pub source: Option<crate::ErrorSource>,
    /// What kind of failure, where there is one.
    pub kind: Option<crate::ErrorKind>,
    /// The outside system's version, where it tells.
    pub system_version: Option<String>,
    /// How long the last check took, in milliseconds.
    pub latency_ms: Option<f64>,
}

/// How an integration is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// Not checked yet.
    Unknown,
    /// Everything works.
    Healthy,
    /// It works in part.
    Degraded,
    /// Nothing can be expected to work.
    Unhealthy,
}

/// A capability that is known here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CapabilityInfo {
    /// Namespace, name and version, e.g. `jackfield:metrics@0.1.0`.
    pub id: String,
    /// The short name, e.g. `metrics`.
    pub name: String,
    /// What it is.
    pub docs: String,
    /// The plugins that export it.
    pub plugins: Vec<String>,
    /// The integrations that offer it.
    pub integrations: Vec<String>,
    /// The integrations that offer it in another version, and what of this one they understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub translated: Vec<crate::TranslatedInfo>,
    /// Its operations, in the order of the WIT.
    pub operations: Vec<OperationInfo>,
}

/// An operation of a capability.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OperationInfo {
    /// Its name, e.g. `query-range`.
    pub name: String,
    /// The interface it is in, e.g. `jackfield:metrics/metrics@0.1.0`.
    pub interface: String,
    /// `read` or `write`.
    pub kind: String,
    /// Whether it is a change feed.
    pub feed: bool,
    /// What it does.
    pub docs: String,
    /// The version of the capability that has it first, where its WIT says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<semver::Version>,
    /// That it is not to be used any more, where its WIT says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<crate::DeprecationInfo>,
    /// JSON Schema (2020-12) of the request body, an object with one property a parameter.
    pub request_schema: serde_json::Value,
    /// JSON Schema (2020-12) of the answer's body.
    pub response_schema: serde_json::Value,
}
