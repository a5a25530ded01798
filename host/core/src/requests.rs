//! What is asked of the host besides management: calls and change feeds, and what a feed yields.

use std::{ops::Deref, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;

/// One call of an operation, JSON in and JSON out.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// The integration's name.
    pub integration: String,
    /// The capability: its short name, `namespace:name`, or either with `@version`.
    pub capability: String,
    /// The operation's name.
    pub operation: String,
    /// A JSON object with one member a parameter; empty stands for `{}`.
    pub params: Bytes,
    /// The longest the caller waits; the integration's own limit always holds.
    pub timeout: Option<Duration>,
    /// Names a write; where neither this nor its `write-options` do, a name is made for it.
    pub idempotency_key: Option<String>,
}

impl CallRequest {
    /// A call without a timeout or idempotency key of the caller's.
    pub fn new(
        integration: impl Into<String>,
        capability: impl Into<String>,
        operation: impl Into<String>,
        params: impl Into<Bytes>,
    ) -> Self {
        Self {
            integration: integration.into(),
            capability: capability.into(),
            operation: operation.into(),
            params: params.into(),
            timeout: None,
            idempotency_key: None,
        }
    }
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The operation's result as JSON text, `null` where it has none.
    pub json: Bytes,
    /// Of a write, the key that names it: what was given, or what was made for it. The same write with the same key is
    /// carried out once. Absent for reads, dry runs and what is replayed from a cassette.
    pub idempotency_key: Option<String>,
    /// The write was carried out before, and this is what was answered then.
    pub replayed: bool,
    /// The operation is not to be used any more.
    pub deprecated: Option<std::sync::Arc<crate::Deprecated>>,
}

impl Deref for Answer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.json
    }
}

/// What to watch and from where.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// The integration's name.
    pub integration: String,
    /// The capability: its short name, `namespace:name`, or either with `@version`.
    pub capability: String,
    /// The feed; may be left out where the capability has one.
    pub operation: Option<String>,
    /// The feed's parameters without `cursor` and `wait-ms`, which the host sets.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Where to go on: a batch's `next`. Without one the feed starts where the plugin starts it.
    pub cursor: Option<String>,
}

/// Some changes, and where to go on after them.
#[derive(Clone, Debug)]
pub struct ChangeBatch {
    /// The changes as the plugin told them, as JSON.
    pub changes: Vec<Box<RawValue>>,
    /// The cursor after the last of them.
    pub next: String,
}

/// Whether the host can serve, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Readiness {
    /// Whether everything the host itself needs is there. An unhealthy integration does not make the host unready.
    pub ready: bool,
    /// What is missing, as sentences.
    pub not_ready: Vec<String>,
}
