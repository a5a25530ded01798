//! Requests to Alertmanager, and what its refusals mean.

use std::time::Duration;

use jackfield_sdk::prelude::*;
use jackfield_sdk::types::FieldViolation;

use crate::config::Config;

/// The endpoint for reading.
const READ: &str = "api";
/// The endpoint for making and ending silences.
const WRITE: &str = "silences";
/// The longest that making or ending a silence may take. Claims on a silence (see `silences::claim`) outlast it.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(8);

/// The API, as this integration is configured.
pub(crate) struct Api {
    config: Config,
}

impl Api {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { config: Config::get()? })
    }

    /// Reads. `field` is where an `invalid` error points.
    pub(crate) fn get(&self, path: &str, field: &str) -> Result<http::Response> {
        self.fetch(self.reading(path), field)
    }

    /// A read to which parameters can be added before it is [fetched](Self::fetch).
    pub(crate) fn reading(&self, path: &str) -> http::Request {
        http::get(READ, path)
    }

    /// Sends a read.
    pub(crate) fn fetch(&self, request: http::Request, field: &str) -> Result<http::Response> {
        let request = self.dress(request);
        let request = match self.config.timeout() {
            Some(timeout) => request.timeout(timeout),
            None => request,
        };
        check(request.send()?, field)
    }

    /// A `POST` that makes something.
    pub(crate) fn post(&self, path: &str) -> http::Request {
        self.writing(http::post(WRITE, path))
    }

    /// A `DELETE`.
    pub(crate) fn delete(&self, path: &str) -> http::Request {
        self.writing(http::delete(WRITE, path))
    }

    fn writing(&self, request: http::Request) -> http::Request {
        let timeout = self.config.timeout().unwrap_or(WRITE_TIMEOUT).min(WRITE_TIMEOUT);
        self.dress(request).timeout(timeout)
    }

    fn dress(&self, request: http::Request) -> http::Request {
        match &self.config.tenant {
            Some(tenant) => request.header("x-scope-orgid", tenant),
            None => request,
        }
    }
}

/// The response, where it is an answer. An `invalid` error points at `field`, or, where that is a list and Alertmanager
/// tells which item it means, at the item.
pub(crate) fn check(response: http::Response, field: &str) -> Result<http::Response> {
    response.error_for_status().map_err(|mut error| {
        match &error.kind {
            ErrorKind::Invalid(_) => {
                let field = match item(&error.message) {
                    Some(index) if field.ends_with("/matchers") => format!("{field}/{index}"),
                    _ => field.to_owned(),
                };
                error.kind = ErrorKind::Invalid(FieldViolation { field });
            }
            // Alertmanager answers so, with a text, where there is no such path. A silence that is not there has none.
            ErrorKind::NotFound if error.message.contains("page not found") => {
                error.kind = ErrorKind::Unsupported;
                error.message.push_str(
                    ". The system does not have this, or the integration's address lacks the base path of its API",
                );
            }
            _ => {}
        }
        error
    })
}

/// The number in `invalid label matcher 1: …`. Alertmanager has the matchers in the order in which they were sent.
fn item(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("label matcher ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
