//! The lists: what is scraped, known, ruled and alerting.

use jackfield_sdk::types::Label;
use serde::Deserialize;

use super::{Number, or_empty};

/// Labels, sorted by name.
#[derive(Default)]
pub(crate) struct LabelSet(pub(crate) Vec<Label>);

/// What a system says it is. What it leaves out is empty.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct BuildInfo {
    pub(crate) version: String,
    /// Named by some that are not Prometheus, such as Mimir.
    pub(crate) application: String,
}

/// One thing that is known of a metric; targets may disagree, then there are several.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetadataItem {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) unit: String,
}

/// The targets that are scraped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Targets {
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) active_targets: Vec<TargetItem>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetItem {
    #[serde(default)]
    pub(crate) labels: LabelSet,
    #[serde(default)]
    pub(crate) scrape_pool: String,
    #[serde(default)]
    pub(crate) scrape_url: String,
    #[serde(default)]
    pub(crate) last_error: String,
    #[serde(default)]
    pub(crate) last_scrape: String,
    #[serde(default)]
    pub(crate) last_scrape_duration: f64,
    #[serde(default)]
    pub(crate) health: String,
}

/// The alerts that are pending or firing.
#[derive(Deserialize)]
pub(crate) struct Alerts {
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) alerts: Vec<AlertItem>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertItem {
    #[serde(default)]
    pub(crate) labels: LabelSet,
    #[serde(default)]
    pub(crate) annotations: LabelSet,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) active_at: Option<String>,
    pub(crate) value: Option<Number>,
    /// vmalert's link to the alert.
    #[serde(default)]
    pub(crate) source: String,
}

/// The rules, group by group.
#[derive(Deserialize)]
pub(crate) struct Rules {
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) groups: Vec<RuleGroup>,
}

/// A group of rules.
#[derive(Deserialize)]
pub(crate) struct RuleGroup {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) file: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) rules: Vec<RuleItem>,
}

/// One rule.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleItem {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) duration: f64,
    #[serde(default)]
    pub(crate) labels: LabelSet,
    #[serde(default)]
    pub(crate) annotations: LabelSet,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) health: String,
    #[serde(default)]
    pub(crate) last_error: String,
    #[serde(default)]
    pub(crate) last_evaluation: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
}
