//! Alertmanager's JSON.

use jackfield_sdk::matchers::{Matcher, Op};
use jackfield_sdk::time::{from_rfc3339, to_rfc3339};
use jackfield_sdk::types::{Label, TimestampMs};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wit::silences::SilenceState;

/// How it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) cluster: Cluster,
    pub(crate) version_info: VersionInfo,
}

#[derive(Deserialize)]
pub(crate) struct Cluster {
    pub(crate) status: String,
}

#[derive(Deserialize)]
pub(crate) struct VersionInfo {
    #[serde(default)]
    pub(crate) version: String,
}

/// Something with a name.
#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

/// An alert.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertItem {
    pub(crate) fingerprint: String,
    #[serde(deserialize_with = "labels")]
    pub(crate) labels: Vec<Label>,
    #[serde(default, deserialize_with = "labels")]
    pub(crate) annotations: Vec<Label>,
    pub(crate) status: AlertStatus,
    pub(crate) starts_at: Time,
    #[serde(default)]
    pub(crate) ends_at: Option<Time>,
    #[serde(default, rename = "generatorURL")]
    pub(crate) generator_url: String,
    #[serde(default)]
    pub(crate) receivers: Vec<Named>,
}

/// Where an alert stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertStatus {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) silenced_by: Vec<String>,
    #[serde(default)]
    pub(crate) inhibited_by: Vec<String>,
}

/// A silence.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SilenceItem {
    pub(crate) id: String,
    pub(crate) status: SilenceStatus,
    pub(crate) updated_at: Time,
    pub(crate) starts_at: Time,
    pub(crate) ends_at: Time,
    pub(crate) created_by: String,
    pub(crate) comment: String,
    pub(crate) matchers: Vec<WireMatcher>,
}

/// Where a silence stands.
#[derive(Deserialize)]
pub(crate) struct SilenceStatus {
    #[serde(deserialize_with = "silence_state")]
    pub(crate) state: SilenceState,
}

/// A silence to be made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewSilence<'a> {
    pub(crate) matchers: Vec<WireMatcher>,
    pub(crate) starts_at: Time,
    pub(crate) ends_at: Time,
    pub(crate) created_by: &'a str,
    pub(crate) comment: &'a str,
}

/// The silence that was made.
#[derive(Deserialize)]
pub(crate) struct Made {
    #[serde(rename = "silenceID")]
    pub(crate) id: String,
}

/// A matcher.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireMatcher {
    name: String,
    value: String,
    is_regex: bool,
    /// Older releases leave it out.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl From<WireMatcher> for Matcher {
    fn from(WireMatcher { name, value, is_regex, is_equal }: WireMatcher) -> Self {
        let op = match (is_equal, is_regex) {
            (true, false) => Op::Equal,
            (false, false) => Op::NotEqual,
            (true, true) => Op::Matches,
            (false, true) => Op::MatchesNot,
        };
        Self { name, op, value }
    }
}

impl From<&Matcher> for WireMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name.clone(),
            value: matcher.value.clone(),
            is_regex: matches!(matcher.op, Op::Matches | Op::MatchesNot),
            is_equal: matches!(matcher.op, Op::Equal | Op::Matches),
        }
    }
}

/// A time, in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) TimestampMs);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_rfc3339(&text).map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no time")))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = to_rfc3339(self.0).ok_or_else(|| serde::ser::Error::custom("the time has no date"))?;
        serializer.serialize_str(&text)
    }
}

impl Time {
    /// The time, unless it is the year 1, Go's word for none.
    pub(crate) fn known(self) -> Option<TimestampMs> {
        const YEAR_2: TimestampMs = -62_104_060_800_000;
        Some(self.0).filter(|time| *time >= YEAR_2)
    }
}

/// Labels, sorted by name.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Label>, D::Error> {
    let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(name, value)| Label { name, value }).collect())
}

fn silence_state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SilenceState, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "pending" => Ok(SilenceState::Pending),
        "active" => Ok(SilenceState::Active),
        "expired" => Ok(SilenceState::Expired),
        other => Err(serde::de::Error::custom(format!("{other:?} is no state of a silence"))),
    }
}
