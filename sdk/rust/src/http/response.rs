//! A response whose head has arrived and whose body is still arriving. The body is read as a whole, in pieces, or in
//! lines; a body that cannot be read as what it should be is an `internal` error of the outside system.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Effect;
use super::lines::Lines;
use super::status::{Reason, reason_of, status_error};
use crate::host::Body;
use crate::types::{Error, Result};

/// How much is asked for at once when a body is read as a whole.
const CHUNK: u32 = 256 * 1024;
/// How much of the body of an error is read for its reason.
const MAX_REASON: usize = 64 * 1024;

/// A response.
#[derive(Debug)]
pub struct Response {
    endpoint: String,
    subject: String,
    effect: Effect,
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

/// What reading a body with a time limit finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of the body; never empty.
    Data(Vec<u8>),
    /// Nothing arrived in the time given.
    Idle,
    /// The body has ended.
    End,
}

impl Response {
    pub(super) fn new(
        endpoint: String,
        subject: String,
        effect: Effect,
        status: u16,
        headers: Vec<(String, String)>,
        body: Body,
    ) -> Self {
        Self { endpoint, subject, effect, status, headers, body }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The headers, names in lower case.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Turns a status that does not say success into an error. Its message has what the outside system gave as the
    /// reason: the usual members of a JSON body (`error`, `message`, `detail`, …), else the first line of a text.
    ///
    /// | status | kind |
    /// |---|---|
    /// | 400, 406, 411, 413, 414, 415, 417, 422, 431 and other 4xx | `invalid` |
    /// | 401, 407 | `unauthenticated` |
    /// | 403, 451 | `permission-denied` |
    /// | 404, 410 | `not-found` |
    /// | 405, 501, 505 | `unsupported` |
    /// | 409, 412, 423, 428 | `conflict` |
    /// | 429 | `rate-limited`, with `retry-after` |
    /// | 503 | `unavailable` |
    /// | 408, 500, 502, 504 and other 5xx | `unavailable`; for a request that writes and may not be repeated: `outcome-unknown` |
    /// | 1xx, 3xx | `internal`: there is no answer in it |
    pub fn error_for_status(self) -> Result<Self> {
        self.error_for_status_with(reason_of)
    }

    /// As [`error_for_status`](Self::error_for_status), for systems with a form of their own: `reason` finds the reason in
    /// the body of the error (at most 64 KiB of it).
    pub fn error_for_status_with(mut self, reason: impl FnOnce(&[u8]) -> Option<Reason>) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        // What cannot be read of an error's body is no news: the status tells enough.
        let body = self.read_up_to(MAX_REASON);
        Err(status_error(self.status, self.effect, self.header("retry-after"), &self.subject, reason(&body)))
    }

    /// The whole body.
    pub fn bytes(mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.read(CHUNK)? {
            // Most bodies arrive in one piece, which needs no copy.
            if all.is_empty() { all = piece } else { all.extend_from_slice(&piece) }
        }
        Ok(all)
    }

    /// The whole body as text.
    pub fn text(self) -> Result<String> {
        let subject = self.subject.clone();
        String::from_utf8(self.bytes()?).map_err(|_| garbage(&subject, "text in UTF-8", "other bytes"))
    }

    /// The whole body, read as JSON into a type of the plugin's.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        let (subject, content_type) = (self.subject.clone(), self.header("content-type").map(str::to_owned));
        let body = self.bytes()?;
        serde_json::from_slice(&body).map_err(|e| {
            let found = match content_type {
                Some(other) if e.is_syntax() && !other.contains("json") => format!("{other} ({e})"),
                _ => e.to_string(),
            };
            garbage(&subject, "JSON of the known form", &found)
        })
    }

    /// The next piece of the body, at most `max` bytes, as soon as there is one; `None` at the end.
    pub fn read(&mut self, max: u32) -> Result<Option<Vec<u8>>> {
        loop {
            match self.body.read(max.max(1)).map_err(|error| self.effect.judge_sent(error))? {
                Some(empty) if empty.is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    /// As [`read`](Self::read), but waits no longer than `wait`.
    pub fn read_within(&mut self, max: u32, wait: Duration) -> Result<Piece> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let read = self.body.read_within(max.max(1), wait_ms).map_err(|error| self.effect.judge_sent(error))?;
        Ok(match read {
            None => Piece::End,
            Some(data) if data.is_empty() => Piece::Idle,
            Some(data) => Piece::Data(data),
        })
    }

    /// The body in lines, for bodies that never end.
    pub fn lines(self) -> Lines {
        Lines::new(self)
    }

    /// An `internal` error that blames the outside system for an answer that is not what it should be.
    pub fn garbage(&self, expected: &str, found: &str) -> Error {
        garbage(&self.subject, expected, found)
    }

    /// The endpoint's name.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn read_up_to(&mut self, max: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < max {
            match self.read((max - all.len()) as u32) {
                Ok(Some(piece)) => all.extend_from_slice(&piece),
                Ok(None) | Err(_) => break,
            }
        }
        all
    }
}

fn garbage(subject: &str, expected: &str, found: &str) -> Error {
    Error::internal(format!("the answer to {subject} is not {expected}: {found}")).downstream()
}
