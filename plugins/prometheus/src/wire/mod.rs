//! The API's JSON, read straight into the capabilities' types. Numbers come in three forms (a time in seconds, a value as
//! text, a plain number), lists that are empty may be `null`, and members that nobody here needs are skipped.

mod lists;
mod query;
mod scalar;

use serde::{Deserialize, Deserializer};

pub(crate) use lists::{AlertItem, Alerts, BuildInfo, LabelSet, MetadataItem, RuleItem, Rules, TargetItem, Targets};
pub(crate) use query::QueryAnswer;
pub(crate) use scalar::Number;

/// What every answer is wrapped in.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct Envelope<T> {
    pub(crate) status: String,
    #[serde(default = "Option::default")]
    pub(crate) data: Option<T>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) warnings: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) infos: Vec<String>,
    /// VictoriaMetrics's clusters say so when a part of them did not answer.
    #[serde(default, rename = "isPartial")]
    pub(crate) is_partial: bool,
}

/// An error's envelope.
#[derive(Deserialize)]
pub(crate) struct Refusal {
    #[serde(rename = "errorType", default)]
    pub(crate) error_type: String,
    pub(crate) error: String,
}

/// Go writes a list or a map that was never made as `null`.
fn or_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
