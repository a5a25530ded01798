//! A write as the journal remembers it, for operators.

use serde::{Deserialize, Serialize};

use crate::TimestampMs;

/// A write that the journal remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JournaledWrite {
    /// The integration that carried it out.
    pub integration: String,
    /// Its idempotency key.
    pub key: String,
    /// The operation, e.g. `key-value.put`.
    pub action: String,
    /// What is known of it.
    pub state: WriteState,
    /// When it was first begun.
    pub began_at: TimestampMs,
    /// When it ended, or was settled.
    pub ended_at: Option<TimestampMs>,
    /// How often it was sent to the plugin.
    pub attempts: u32,
    /// The plugin's digest.
    pub plugin_digest: String,
    /// One sentence for a person, where there is something to say.
    pub message: Option<String>,
}

/// What is known of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteState {
    /// It is being carried out.
    Running,
    /// It was begun, and nobody knows what came of it.
    Unknown,
    /// It was carried out.
    Applied,
    /// It was not carried out, and would not be if it were sent again.
    NotApplied,
}

impl WriteState {
    /// Its name in every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Applied => "applied",
            Self::NotApplied => "not-applied",
        }
    }
}

/// What somebody found who looked what came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// It was carried out: whoever sends it again is told so.
    Applied,
    /// It was not: the key may be used again.
    NotApplied,
}
