//! OpenBao's messages, as far as the plugin reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an answer to a question about something is in.
#[derive(Debug, Deserialize)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

/// A secret. Without `data` where its newest version is deleted.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    pub(crate) data: Option<Map<String, Value>>,
    pub(crate) metadata: Version,
}

/// Which version a secret is at.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: u64,
}

/// A new version of a secret.
#[derive(Debug, Serialize)]
pub(crate) struct Write<'a> {
    pub(crate) data: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<CheckAndSet>,
}

/// The version that a secret must be at, deleted or not; 0 where there must never have been one.
#[derive(Debug, Serialize)]
pub(crate) struct CheckAndSet {
    pub(crate) cas: u64,
}

/// Versions of a secret.
#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    pub(crate) versions: [u64; 1],
}

/// What is in a folder; those with `/` at their end are folders.
#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub(crate) keys: Vec<String>,
}

/// What is mounted somewhere.
#[derive(Debug, Deserialize)]
pub(crate) struct Mount {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) options: Option<BTreeMap<String, String>>,
}

/// How a server is.
#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) initialized: bool,
    pub(crate) sealed: bool,
    pub(crate) version: Option<String>,
}

/// A token that is to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewToken<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) policies: &'a [String],
    pub(crate) ttl: String,
    pub(crate) renewable: bool,
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) meta: BTreeMap<&'a str, String>,
}

/// What was made or renewed. The token itself is the host's.
#[derive(Debug, Deserialize)]
pub(crate) struct Authorized {
    pub(crate) auth: Token,
    #[serde(default)]
    pub(crate) warnings: Option<Vec<String>>,
}

/// A token, as far as it is not secret but for its name.
#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    /// When made: what stands for the token. When renewed: empty.
    #[serde(default)]
    pub(crate) client_token: String,
    pub(crate) accessor: String,
    pub(crate) lease_duration: u64,
    pub(crate) renewable: bool,
}

/// Which token is meant.
#[derive(Debug, Serialize)]
pub(crate) struct Accessor<'a> {
    pub(crate) accessor: &'a str,
}

/// Which token is to live for how many seconds from now.
#[derive(Debug, Serialize)]
pub(crate) struct Renewal<'a> {
    pub(crate) accessor: &'a str,
    pub(crate) increment: u64,
}

/// What is known of a token.
#[derive(Debug, Deserialize)]
pub(crate) struct Known {
    pub(crate) meta: Option<BTreeMap<String, String>>,
}
