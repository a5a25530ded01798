//! What is asked for a rehearsal, and what is told of it.

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::TimestampMs;

/// Which version is to be rehearsed beside the one that runs, and for how long.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewShadow {
    /// The version of its plugin; the newest that is installed where none is named.
    #[serde(default)]
    pub version: Option<Version>,
    /// Settings for that version, over what it makes of the configuration that there is; `null` removes one (JSON Merge Patch,
    /// RFC 7396).
    #[serde(default)]
    pub config: Option<Map<String, Value>>,
    /// When it ends by itself, in seconds from now; ten minutes unless told otherwise, a day at most.
    #[serde(default)]
    pub for_seconds: Option<u32>,
    /// Everything is tried and nothing begun.
    #[serde(default)]
    pub dry_run: bool,
    /// The version need not find its outside system healthy.
    #[serde(default)]
    pub unchecked: bool,
    /// Begin only if the integration is at this revision.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// How a rehearsal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShadowState {
    /// It could be begun; nothing was.
    Tried,
    /// Reads go through both versions.
    Running,
    /// It is over.
    Ended,
}

/// What a rehearsal has found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShadowReport {
    /// The integration.
    pub integration: String,
    /// How it is.
    pub state: ShadowState,
    /// The version that answers.
    pub from: Version,
    /// The version that is rehearsed.
    pub to: Version,
    /// The configuration that it is rehearsed with, without defaults.
    pub config: Map<String, Value>,
    /// Operations that only the version that answers offers: reads of them differ.
    pub operations_lost: Vec<String>,
    /// When it was begun.
    pub started_at: TimestampMs,
    /// Since when it is counted: a host that was started again counts anew.
    pub counted_since: TimestampMs,
    /// When it ends by itself.
    pub until: TimestampMs,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<TimestampMs>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_because: Option<String>,
    /// What came of all reads.
    pub reads: ShadowCounts,
    /// Reads that wait to be compared, or are being.
    pub waiting: usize,
    /// What came of the reads of each operation, by name.
    pub operations: Vec<ShadowOperation>,
    /// In what answers differed, the latest first.
    pub differences: Vec<ShadowDifference>,
    /// Differences that are no longer listed, since there were too many.
    pub forgotten: u64,
}

/// What came of reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShadowCounts {
    /// Reads that both versions answered: those that are equal, different, or changed meanwhile.
    pub compared: u64,
    /// Both answered the same.
    pub equal: u64,
    /// They answered otherwise, and the version that runs answered the same as before when it was asked once more.
    pub different: u64,
    /// They answered otherwise, and so did the version that runs when it was asked once more: the outside system changed.
    pub changed_meanwhile: u64,
    /// One of them could not be asked, so there was nothing to compare.
    pub failed: u64,
    /// There was no place for one more comparison.
    pub dropped: u64,
}

/// What came of the reads of one operation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShadowOperation {
    /// The operation, e.g. `key-value.get`.
    pub operation: String,
    /// How many came to what.
    #[serde(flatten)]
    pub reads: ShadowCounts,
    /// Why the latest that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// How answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShadowDifferenceKind {
    /// Something else is there.
    Value,
    /// Only the version that runs has something there.
    Missing,
    /// Only the rehearsed version has something there.
    Extra,
    /// A list has its elements in another order.
    Order,
    /// The version that runs answered, and the rehearsed one failed.
    Error,
    /// The version that runs failed, and the rehearsed one answered.
    Answer,
    /// Both failed, with another kind or code of error.
    OtherError,
}

/// In what answers differed, once or often.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShadowDifference {
    /// The operation.
    pub operation: String,
    /// Where in the answer, a JSON Pointer: as it was the latest time. Empty for the whole answer.
    pub pointer: String,
    /// How.
    pub kind: ShadowDifferenceKind,
    /// What the version that runs had there the latest time; of something long the beginning, as text that ends in `…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Value>,
    /// What the rehearsed version had there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Value>,
    /// How often it was found there, at whatever index of lists.
    pub count: u64,
    /// When it was found first.
    pub first_at: TimestampMs,
    /// When it was found the latest time.
    pub last_at: TimestampMs,
}

/// A rehearsal, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShadowSummary {
    /// The version that is rehearsed.
    pub plugin_version: Version,
    /// When it ends by itself.
    pub until: TimestampMs,
    /// Reads that were compared.
    pub compared: u64,
    /// Reads that both versions answered otherwise.
    pub different: u64,
}
