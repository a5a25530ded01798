//! HTTP to the integration's endpoints. A plugin names an endpoint and a path; where that is, whether the plugin may ask
//! that of it, and which credential goes with it is the host's business. A request knows whether it only reads, can be
//! repeated, or neither, because that decides what a failure means: a read that was lost is `unavailable`, a write that
//! was lost is `outcome-unknown` and must not be sent again blindly.

mod encode;
mod lines;
mod response;
mod status;

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;

use crate::bindings::jackfield::plugin::outbound;
use crate::host;
use crate::types::{Error, ErrorKind, Result};
pub use encode::{encode, encode_path};
pub use lines::{Line, Lines};
pub use response::{Piece, Response};
pub use status::{Reason, status_error};

/// What a request does at the other side, and so what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing. A failure is never `outcome-unknown`.
    Read,
    /// It changes something, but sending it again changes nothing more.
    Idempotent,
    /// It changes something each time it arrives.
    Write,
}

/// A request that is being put together.
///
/// ```
/// # use jackfield_sdk::{http, testing};
/// # testing::answer(|_| testing::Answer::json(200, "[]"));
/// let found: Vec<String> = http::get("api", "/api/v1/labels")
///     .query("match[]", "up{job=\"node\"}")
///     .query_opt("limit", Some(10))
///     .send()?
///     .error_for_status()?
///     .json()?;
/// # assert_eq!(testing::sent()[0].path_and_query, "/api/v1/labels?match%5B%5D=up%7Bjob%3D%22node%22%7D&limit=10");
/// # Ok::<(), jackfield_sdk::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    endpoint: String,
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<outbound::Header>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    effect: Effect,
    fault: Option<Error>,
}

/// `GET`: reads.
pub fn get(endpoint: &str, path: &str) -> Request {
    Request::new("GET", Effect::Read, endpoint, path)
}

/// `HEAD`: reads.
pub fn head(endpoint: &str, path: &str) -> Request {
    Request::new("HEAD", Effect::Read, endpoint, path)
}

/// `POST`: writes, unless [`read_only`](Request::read_only) or [`idempotent`](Request::idempotent) says otherwise.
pub fn post(endpoint: &str, path: &str) -> Request {
    Request::new("POST", Effect::Write, endpoint, path)
}

/// `PUT`: writes, idempotent.
pub fn put(endpoint: &str, path: &str) -> Request {
    Request::new("PUT", Effect::Idempotent, endpoint, path)
}

/// `PATCH`: writes.
pub fn patch(endpoint: &str, path: &str) -> Request {
    Request::new("PATCH", Effect::Write, endpoint, path)
}

/// `DELETE`: writes, idempotent.
pub fn delete(endpoint: &str, path: &str) -> Request {
    Request::new("DELETE", Effect::Idempotent, endpoint, path)
}

impl Request {
    fn new(method: &'static str, effect: Effect, endpoint: &str, path: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            effect,
            fault: None,
        }
    }

    /// Says that the request changes nothing, although its method would: a `POST` that carries a query.
    pub fn read_only(mut self) -> Self {
        self.effect = Effect::Read;
        self
    }

    /// Says that sending the request twice changes nothing more than sending it once.
    pub fn idempotent(mut self) -> Self {
        self.effect = Effect::Idempotent;
        self
    }

    /// Adds a query parameter; name and value are percent-encoded here.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        encode::push(&mut self.query, name);
        self.query.push('=');
        encode::push(&mut self.query, &value.to_string());
        self
    }

    /// Adds a query parameter where there is a value.
    pub fn query_opt(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a query parameter once for each value.
    pub fn query_all(self, name: &str, values: impl IntoIterator<Item = impl Display>) -> Self {
        values.into_iter().fold(self, |request, value| request.query(name, value))
    }

    /// Adds a header. Some belong to the host: `host`, `authorization`, `cookie`, `content-length`, `proxy-*` and
    /// hop-by-hop headers.
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        self.headers.push(outbound::Header { name: name.to_ascii_lowercase(), value: value.to_string() });
        self
    }

    /// Sets a body and its content type.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = self.header("content-type", content_type);
        request.body = body.into();
        request
    }

    /// Sets a JSON body.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.body("application/json", json),
            Err(e) => {
                self.fault =
                    Some(Error::internal(format!("the request to `{}` cannot be written as JSON: {e}", self.endpoint)));
                self
            }
        }
    }

    /// Sets a body as HTML forms send it.
    pub fn form<V: Display>(self, fields: impl IntoIterator<Item = (impl AsRef<str>, V)>) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            encode::push(&mut body, name.as_ref());
            body.push('=');
            encode::push(&mut body, &value.to_string());
        }
        self.body("application/x-www-form-urlencoded", body)
    }

    /// The longest to wait for the head of the response. The call's own deadline always holds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request and returns when the head of the response has arrived. Any status is a response; make errors
    /// of the bad ones with [`Response::error_for_status`].
    pub fn send(self) -> Result<Response> {
        self.send_by(host::send)
    }

    /// The same within a call of a `CredentialIssuer`: wherever the name of a [secret](crate::secrets) stands in the body, the
    /// secret is sent, and the texts at these JSON Pointers of a good answer become names of secrets.
    pub fn send_taking(self, pointers: &[&str]) -> Result<Response> {
        let take = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
        self.send_by(|request| host::secrets_send(request, take))
    }

    fn send_by(
        self,
        send: impl FnOnce(outbound::Request) -> Result<(u16, Vec<outbound::Header>, host::Body)>,
    ) -> Result<Response> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let subject = format!("{} {} on `{}`", self.method, self.path, self.endpoint);
        let request = outbound::Request {
            endpoint: self.endpoint.clone(),
            method: self.method.to_owned(),
            path_and_query: self.path + &self.query,
            headers: self.headers,
            body: self.body,
            timeout_ms: self.timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
        };
        let effect = self.effect;
        match send(request) {
            Ok((status, headers, body)) => {
                let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
                Ok(Response::new(self.endpoint, subject, effect, status, headers, body))
            }
            Err(error) => Err(effect.judge_unsent(error)),
        }
    }
}

impl Effect {
    /// What a failure before the head of the response means: the host cannot know that a `POST` only reads.
    fn judge_unsent(self, mut error: Error) -> Error {
        if self == Self::Read && error.kind == ErrorKind::OutcomeUnknown {
            error.kind = ErrorKind::Unavailable;
        }
        error
    }

    /// What a failure after the head means: the request has arrived, so a write may have been carried out.
    fn judge_sent(self, mut error: Error) -> Error {
        error = self.judge_unsent(error);
        if self == Self::Write && matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded) {
            error.kind = ErrorKind::OutcomeUnknown;
        }
        error
    }
}
