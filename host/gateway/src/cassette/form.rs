//! What stands in a cassette: a line that says of what it is, then a line for each exchange.
//!
//! It is JSON, so that people can read, compare and write it; a body is text where it is text without control characters,
//! and base64 elsewhere. Nothing is optional that decides what a replay does, and a member that is not known is an error: a
//! cassette that is read in another way than it was meant is worse than none.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Failure;
use crate::{Needles, Request};

/// Of what a cassette is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Label {
    /// The integration's name.
    pub integration: String,
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub plugin_version: String,
    /// The digest of its file.
    pub plugin_digest: String,
}

/// A request, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exchange {
    /// In which turn requests were made, from 1; the lines stand in the order in which they ended. Some may be missing.
    pub number: u64,
    /// For which operation, e.g. `metrics.query`.
    pub operation: String,
    /// At which endpoint.
    pub endpoint: String,
    /// What was asked.
    pub request: Asked,
    /// What came of it.
    pub answer: Answer,
}

/// A request as a guest asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path in its normal form, and the query.
    pub target: String,
    /// The guest's own headers by name, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub body: Content,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// A response, or the beginning of one.
    Response(Reply),
    /// None, and why.
    Failure(Failure),
    /// Nobody waited for it.
    GivenUp,
}

/// A response as a guest saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reply {
    /// Whose it is, as `host:port`.
    pub host: String,
    /// The status code.
    #[serde(deserialize_with = "status")]
    pub status: u16,
    /// Headers, names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body, as far as it was read.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub body: Content,
    /// How it ended.
    pub end: End,
}

/// How a response's body ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum End {
    /// It was read to its end.
    Whole,
    /// No more of it was read: feeds and long polls end so.
    Cut,
    /// It broke off.
    Failed(Failure),
}

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Bytes(Bytes),
    /// Nothing of it, since it was longer than what is kept.
    TooLong(u64),
}

impl Content {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl Asked {
    /// What a guest asks for, without secrets. A body longer than `most` is not kept.
    pub(crate) fn of(request: &Request, target: &str, needles: &Needles, most: usize) -> Self {
        let clean = |text: &str| needles.redact_str(text).unwrap_or_else(|| text.to_owned());
        let mut headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (clean(&name.to_ascii_lowercase()), clean(value))).collect();
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        let body = match request.body.len() > most {
            true => Content::TooLong(request.body.len() as u64),
            false => Content::Bytes(needles.redact(&request.body).map_or_else(|| request.body.clone(), Bytes::from)),
        };
        Self { method: request.method.clone(), target: clean(target), headers, body }
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query without its `?`.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// A body as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Written<'a> {
    Text(Cow<'a, str>),
    Base64(Cow<'a, str>),
    TooLong(u64),
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self {
            Self::TooLong(len) => Written::TooLong(*len),
            Self::Bytes(bytes) => match readable(bytes) {
                Some(text) => Written::Text(text.into()),
                None => Written::Base64(STANDARD.encode(bytes).into()),
            },
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::TooLong(len) => Self::TooLong(len),
            Written::Text(text) => Self::Bytes(text.into_owned().into()),
            Written::Base64(text) => {
                let bytes = STANDARD.decode(&*text).map_err(|_| de::Error::custom("a body is no valid base64"))?;
                Self::Bytes(bytes.into())
            }
        })
    }
}

/// The bytes as text that does not grow by more than half when it is escaped.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.bytes().all(|byte| byte >= b' ' || matches!(byte, b'\n' | b'\r' | b'\t')).then_some(text)
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    match status {
        100..=999 => Ok(status),
        _ => Err(de::Error::custom("a status has three digits")),
    }
}
