//! Documents as they are written: each holds one thing, or several of a kind, under its kind's name.
//!
//! ```yaml
//! integration:
//!   name: prod-etcd
//!   plugin: etcd            # the name where none is said
//!   version: "0.1.0"        # the newest that is installed, or the one it runs with
//!   capabilities: [key-value]
//!   config: {url: "https://etcd-1:2379"}
//! ```

use std::collections::BTreeMap;

use jackfield_reflect::did_you_mean;
use jackfield_registry::{Digest, Limits};
use jackfield_trust::TrustPolicy;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::{EndpointSettings, Error, NewIntegration, Result, model::yes, names::pointer};

/// The kinds, as documents name them.
const KINDS: [&str; 4] = ["integration", "plugin", "deployment", "trust"];
/// Words for capabilities that the architecture decision (ADR-004) has and WIT does not.
const CAPABILITY_WORDS: [(&str, &str); 2] =
    [("container-orchestration", "orchestrator"), ("ingress-management", "traffic")];

/// A version of a plugin that is to be installed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DesiredPlugin {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// The file that it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Digest>,
    /// Where whoever applies the document finds the file, or the host does: `oci://…`, `https://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// What of it is accepted, as `plugin inspect` shows it; for whoever applies the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accept: Option<String>,
}

/// An integration that is to be there. What is absent is empty, but for its plugin's version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DesiredIntegration {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plugin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Version>,
    /// What it must offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) capabilities: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) config: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) endpoints: BTreeMap<String, EndpointSettings>,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub(crate) limits: Limits,
    /// Whether it is to run.
    #[serde(default = "yes", skip_serializing_if = "is_so")]
    pub(crate) enabled: bool,
}

/// What is to run, by which orchestrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DesiredDeployment {
    /// What it is called; may stand in `config` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How its instances are replaced; may stand in `config` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<String>,
    /// The integration that runs it.
    pub(crate) orchestrator: String,
    /// What the orchestrator is told of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) config: Map<String, Value>,
}

impl DesiredDeployment {
    /// The deployment's name, wherever it is said.
    fn named(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.config.get("name")?.as_str())
    }
}

/// Whether there is nothing to say of it.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_so(enabled: &bool) -> bool {
    *enabled
}

impl DesiredIntegration {
    /// The plugin's name.
    pub(crate) fn plugin(&self) -> &str {
        self.plugin.as_deref().unwrap_or(&self.name)
    }

    /// The same as something to add, with this version of the plugin.
    pub(crate) fn with_version(&self, version: Option<&Version>) -> NewIntegration {
        let plugin = match version {
            Some(version) => format!("{}@{version}", self.plugin()),
            None => self.plugin().to_owned(),
        };
        NewIntegration {
            name: self.name.clone(),
            plugin,
            config: self.config.clone(),
            labels: self.labels.clone(),
            endpoints: self.endpoints.clone(),
            limits: self.limits.clone(),
            enabled: self.enabled,
        }
    }

    /// The capabilities that it must offer, as WIT names them.
    pub(crate) fn capabilities(&self) -> impl Iterator<Item = String> {
        self.capabilities.iter().map(|capability| {
            let name = capability.replace('_', "-");
            let known = CAPABILITY_WORDS.iter().find(|(word, _)| *word == name);
            known.map_or(name, |(_, capability)| (*capability).to_owned())
        })
    }
}

/// Everything that is wanted, each with its place in the documents.
#[derive(Debug, Default)]
pub(super) struct Desired {
    pub(super) plugins: Vec<(String, DesiredPlugin)>,
    pub(super) integrations: Vec<(String, DesiredIntegration)>,
    pub(super) deployments: Vec<(String, DesiredDeployment)>,
    pub(super) trust: Option<(String, TrustPolicy)>,
}

impl Desired {
    /// Reads documents. Two that say something of the same thing are refused.
    pub(super) fn read(documents: &[Value]) -> Result<Self> {
        let mut desired = Self::default();
        for (index, document) in documents.iter().enumerate() {
            let place = format!("/documents/{index}");
            let Value::Object(members) = document else {
                let message = format!("a document is an object with the member {}", one_of_the_kinds());
                return Err(Error::invalid(message).at(place));
            };
            for (kind, value) in members {
                desired.take(kind, value, &format!("{place}/{}", pointer(kind)))?;
            }
        }
        desired.judge()
    }

    fn take(&mut self, kind: &str, value: &Value, place: &str) -> Result<()> {
        match value {
            Value::Array(items) => {
                let mut placed = items.iter().enumerate();
                placed.try_for_each(|(index, item)| self.take_one(kind, item, format!("{place}/{index}")))
            }
            one => self.take_one(kind, one, place.to_owned()),
        }
    }

    fn take_one(&mut self, kind: &str, value: &Value, place: String) -> Result<()> {
        let wrong = |error: serde_path_to_error::Error<serde_json::Error>| {
            let member = pointer_to(error.path());
            let remedy = match (kind, &*member) {
                (_, member) if member.ends_with("/version") => {
                    "; write it in quotes, with all three numbers, e.g. \"0.1.0\""
                }
                ("deployment", _) => "; what its orchestrator is told of it, its image too, stands in `config`",
                _ => "",
            };
            Error::invalid(format!("`{kind}`: {}{remedy}", error.inner())).at(format!("{place}{member}"))
        };
        match kind {
            "plugin" => {
                let plugin = serde_path_to_error::deserialize(value).map_err(wrong)?;
                self.plugins.push((place, plugin));
            }
            "integration" => {
                let integration = serde_path_to_error::deserialize(value).map_err(wrong)?;
                self.integrations.push((place, integration));
            }
            "deployment" => {
                let deployment: DesiredDeployment = serde_path_to_error::deserialize(value).map_err(wrong)?;
                if deployment.named().is_none_or(str::is_empty) {
                    let message = "`deployment`: `name` is missing: say what it is called, here or in `config`; `jackfield apply` \
                                   takes the name of the file where that holds no other deployment without one";
                    return Err(Error::invalid(message).at(format!("{place}/name")));
                }
                self.deployments.push((place, deployment));
            }
            "trust" => {
                if let Some((before, _)) = &self.trust {
                    return Err(Error::invalid(format!(
                        "there is one trust policy, and it is said at {before} already"
                    ))
                    .at(place));
                }
                let policy = TrustPolicy::from_json(value.to_string().as_bytes());
                let policy = policy.map_err(|error| Error::invalid(format!("`trust`: {error}")).at(&place))?;
                self.trust = Some((place, policy));
            }
            other => {
                let shown: String = other.chars().take(80).collect();
                let hint = did_you_mean(&shown, KINDS);
                let message = format!("`{shown}` is no kind of document; there are {}.{hint}", one_of_the_kinds());
                return Err(Error::invalid(message).at(place));
            }
        }
        Ok(())
    }

    fn judge(self) -> Result<Self> {
        let mut seen = BTreeMap::new();
        let plugins = self.plugins.iter().map(|(place, p)| (place, format!("plugin `{}@{}`", p.name, p.version)));
        let integrations = self.integrations.iter().map(|(place, i)| (place, format!("integration `{}`", i.name)));
        let deployments = self.deployments.iter().map(|(place, d)| {
            let namespace = d.config.get("namespace").and_then(Value::as_str).map(|n| format!("{n}/"));
            let name = format!("{}{}", namespace.unwrap_or_default(), d.named().unwrap_or_default());
            (place, format!("deployment `{name}` of `{}`", d.orchestrator.replace('_', "-")))
        });
        for (place, what) in plugins.chain(integrations).chain(deployments) {
            if let Some(before) = seen.insert(what.clone(), place) {
                return Err(Error::invalid(format!("the {what} is said at {before} already")).at(place.as_str()));
            }
        }
        Ok(self)
    }
}

/// A path as a JSON Pointer.
fn pointer_to(path: &serde_path_to_error::Path) -> String {
    let segments = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", pointer(key))),
        Segment::Enum { variant } => Some(format!("/{}", pointer(variant))),
        Segment::Unknown => None,
    });
    segments.collect()
}

fn one_of_the_kinds() -> String {
    let [kinds @ .., last] = KINDS.map(|kind| format!("`{kind}`"));
    format!("{} and {last}", kinds.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_or_several_of_a_kind_may_stand_in_a_document() {
        let documents = [
            json!({"integration": {"name": "kubernetes", "version": "1.0.0",
                "capabilities": ["container_orchestration", "service_discovery", "ingress_management"]}}),
            json!({"plugin": [{"name": "a", "version": "1.0.0"}, {"name": "a", "version": "2.0.0"}],
                "integration": [{"name": "b", "plugin": "a"}]}),
        ];
        let desired = Desired::read(&documents).unwrap();
        assert_eq!((desired.plugins.len(), desired.integrations.len()), (2, 2));
        let kubernetes = &desired.integrations[0].1;
        assert_eq!(kubernetes.plugin(), "kubernetes");
        let capabilities: Vec<String> = kubernetes.capabilities().collect();
        assert_eq!(capabilities, ["orchestrator", "service-discovery", "traffic"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let refused = |documents: &[Value]| {
            let error = Desired::read(documents).unwrap_err();
            (error.field.unwrap_or_default(), error.message)
        };
        let (place, message) = refused(&[json!({}), json!({"integrations": {"name": "a"}})]);
        assert!(place == "/documents/1/integrations" && message.contains("Did you mean `integration`?"), "{message}");
        let (place, message) = refused(&[json!({"integration": [{"name": "a"}, {"name": "b", "labls": {}}]})]);
        assert!(place == "/documents/0/integration/1/labls" && message.contains("labls"), "{place} {message}");
        let (place, message) = refused(&[json!({"plugin": {"name": "a", "version": "0.1"}})]);
        assert!(place == "/documents/0/plugin/version" && message.contains("in quotes"), "{place} {message}");
        let (place, _) = refused(&[json!({"integration": {"name": "a", "limits": {"concurrency": "lots"}}})]);
        assert_eq!(place, "/documents/0/integration/limits/concurrency");
        let (place, message) = refused(&[json!({"integration": {"name": "a"}}), json!({"integration": {"name": "a"}})]);
        assert!(place == "/documents/1/integration" && message.contains("/documents/0/integration"), "{message}");
        assert_eq!(refused(&[json!(1)]).0, "/documents/0");
    }
}
