//! What is recorded of one thing that happened. Nothing in a record is secret: credentials by name and version, parameters
//! with their secret values masked, paths by the pattern that granted them.

use serde::{Deserialize, Serialize};

use crate::Parameters;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A write is about to be carried out. Without a `call` of the same number after it, nobody knows whether it was.
    Intent,
    /// A call ended.
    Call,
    /// Something was changed by an operator: plugins, integrations, credentials, the vault.
    Administration,
    /// The host was started, or stopped.
    Host,
    /// How far the trail has come, signed.
    Checkpoint,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Outcome {
    /// As it was asked for.
    Ok,
    /// It failed: what kind of failure, and who is at fault.
    Error {
        /// The kind, e.g. `not-found`.
        kind: String,
        /// Who is at fault, e.g. `downstream`.
        source: String,
    },
    /// A write was sent, and nobody knows whether it was carried out.
    Unknown,
}

/// A request that a plugin made to an outside system, or wanted to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// The endpoint that the plugin named.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// Where it was sent, as `host:port`; absent where it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The pattern that granted the path; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the request's body.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent: u64,
    /// Bytes of the answer's body that the plugin read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub received: u64,
    /// Until the answer's head was there, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<f64>,
    /// What it was authenticated with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialUse>,
    /// Why it was refused or brought no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// It was not sent: what is said of an answer was recorded earlier.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

/// A credential that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialUse {
    /// Its name.
    pub name: String,
    /// Which version.
    pub version: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// When it ended, or, of an intent, began, in milliseconds since 1970.
    pub at: i64,
    /// What kind of thing.
    pub kind: Kind,
    /// Who did it.
    pub subject: String,
    /// What was done: `key-value.put`, `credential.set`.
    pub action: String,
    /// To what: an integration, a plugin, a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The digest of the plugin that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_digest: Option<String>,
    /// The integration's revision, which is that of what it was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The call's number: binds an intent to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// What the caller named the write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What it was asked, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// What the plugin asked of outside systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// How many more there were than are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_requests: u64,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<f64>,
    /// One sentence for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Record {
    /// A record of nobody's, at no time, with nothing more in it.
    pub fn new(kind: Kind, action: impl Into<String>) -> Self {
        Self {
            at: 0,
            kind,
            subject: String::new(),
            action: action.into(),
            target: None,
            plugin_digest: None,
            revision: None,
            call: None,
            idempotency_key: None,
            parameters: None,
            requests: Vec::new(),
            more_requests: 0,
            outcome: None,
            ms: None,
            message: None,
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
