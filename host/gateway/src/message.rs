//! What a plugin asks for, and what it gets.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::ResponseBody;

/// A request as the plugin asked for it. Nothing in it has been checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The endpoint's name.
    pub endpoint: String,
    /// For which operation it is asked, e.g. `metrics.query`.
    pub operation: Arc<str>,
    /// The method.
    pub method: String,
    /// Path and query, relative to the endpoint's address.
    pub path_and_query: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The longest to wait for the response's head.
    pub timeout: Option<Duration>,
    /// A secret comes to be in it that nobody looks for yet: it is never recorded, and nothing recorded is an answer to it.
    pub private: bool,
}

/// A response whose body is still arriving.
#[derive(Debug)]
pub struct Response {
    /// The status code. A redirect is a response like any other: following it would be a new request.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// How it was asked for.
    pub sent: Sent,
    /// How many secrets were found in the headers, and redacted.
    pub redacted: u64,
    /// The body.
    pub body: ResponseBody,
}

/// How a request was sent that was answered.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To whom, as `host:port`.
    pub host: String,
    /// The pattern that granted its path.
    pub pattern: String,
    /// The credential it was authenticated with, and its version.
    pub credential: Option<(Arc<str>, u64)>,
    /// It was not sent: the answer is one that was recorded, and that this host gave then.
    pub replayed: bool,
}
