//! Problem documents (RFC 9457): the one form of every error that leaves the server. The *kind* says what went wrong
//! and the *source* who is at fault; the status is derived from both, so that a client that knows only HTTP still acts
//! rightly: a downstream that refuses Jackfield's credentials is a bad gateway to our caller, whose own rights were fine.

use std::time::Duration;

use axum::{
    body::Body,
    extract::rejection::{PathRejection, RawPathParamsRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use jackfield_core::{Error, ErrorKind, ErrorSource};
use serde::Serialize;

use crate::request::headers;

pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    error: Box<Error>,
    /// The methods that would have been allowed, for 405.
    allow: Option<&'static str>,
}

/// The document itself.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    kind: ErrorKind,
    source: ErrorSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
}

impl Problem {
    /// The caller's request is wrong.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Error::invalid(detail).into()
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Error::not_found(detail).into()
    }

    /// This server cannot take it on now.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let mut error = Error::new(ErrorKind::Unavailable, ErrorSource::Host, detail);
        error.retry_after = Some(Duration::from_secs(1));
        error.into()
    }

    /// Jackfield's own fault.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Error::internal(detail).into()
    }

    /// The request is refused for where it comes from.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::PermissionDenied, ErrorSource::Caller, detail).into()
    }

    /// The resource does not do this method.
    pub(crate) fn method_not_allowed(detail: impl Into<String>, allow: Option<&'static str>) -> Self {
        let error = Error::new(ErrorKind::Unsupported, ErrorSource::Caller, detail);
        Self { status: StatusCode::METHOD_NOT_ALLOWED, error: Box::new(error), allow }
    }

    /// The body is larger than the limit.
    pub(crate) fn too_large(limit: usize) -> Self {
        let limit =
            if limit.is_multiple_of(1 << 20) { format!("{} MiB", limit >> 20) } else { format!("{limit} bytes") };
        Self::with_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            Error::invalid(format!("the body is larger than the {limit} that may be sent here")),
        )
    }

    /// The body is of a type that is not taken here.
    pub(crate) fn unsupported_media_type(found: Option<&str>, wanted: &str) -> Self {
        let detail = match found {
            Some(found) => format!("the body's content type is `{found}`; send it as `content-type: {wanted}`"),
            None => format!("the body has no content type; send it with `content-type: {wanted}`"),
        };
        Self::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, Error::invalid(detail))
    }

    /// The client took too long to send its body.
    pub(crate) fn slow_body(limit: Duration) -> Self {
        let detail =
            format!("the body did not arrive within {} s; send it again on a faster connection", limit.as_secs());
        Self::with_status(
            StatusCode::REQUEST_TIMEOUT,
            Error::new(ErrorKind::DeadlineExceeded, ErrorSource::Caller, detail),
        )
    }

    /// `If-Match` did not.
    pub(crate) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::PRECONDITION_FAILED, Error::new(ErrorKind::Conflict, ErrorSource::Caller, detail))
    }

    fn with_status(status: StatusCode, error: Error) -> Self {
        Self { status, error: Box::new(error), allow: None }
    }

    /// The same problem, pointing at a field of the request.
    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.error.field = Some(pointer.into());
        self
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.error.message
    }

    /// The document as JSON.
    pub(crate) fn json(&self) -> String {
        let document = Document {
            r#type: format!("https://jackfield.dev/problems/{}", self.error.kind.as_str()),
            title: title(self.error.kind),
            status: self.status.as_u16(),
            detail: &self.error.message,
            kind: self.error.kind,
            source: self.error.source_of_fault,
            field: self.error.field.as_deref(),
            code: self.error.code.as_deref(),
            retry_after_ms: self.error.retry_after.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            idempotency_key: self.error.idempotency_key.as_deref(),
        };
        // A struct of texts and numbers always has a JSON form.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::with_status(status(error.kind, error.source_of_fault), error)
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(format!("the path cannot be read: {}", rejection.body_text()))
    }
}

impl From<RawPathParamsRejection> for Problem {
    fn from(rejection: RawPathParamsRejection) -> Self {
        Self::invalid(format!("the path cannot be read: {}", rejection.body_text()))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(key) = &self.error.idempotency_key {
            headers::name_write(headers, key, false);
        }
        if let Some(after) = self.error.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        response
    }
}

/// `Retry-After` knows only whole seconds: round up, so that nobody comes too early.
fn whole_seconds(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0))
}

fn status(kind: ErrorKind, source: ErrorSource) -> StatusCode {
    // The caller's own rights are judged with the caller as the source.
    let behind_us = source != ErrorSource::Caller;
    match kind {
        ErrorKind::Unauthenticated | ErrorKind::PermissionDenied if behind_us => StatusCode::BAD_GATEWAY,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::OutcomeUnknown => StatusCode::BAD_GATEWAY,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The title belongs to the type, as RFC 9457 asks; what happened this time is the detail.
fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "The request is wrong",
        ErrorKind::Unauthenticated => "Nobody knows who is asking",
        ErrorKind::PermissionDenied => "Not permitted",
        ErrorKind::NotFound => "Not found",
        ErrorKind::AlreadyExists => "It exists already",
        ErrorKind::Conflict => "Conflict with another change",
        ErrorKind::RateLimited => "Too many requests",
        ErrorKind::Unavailable => "Not available now",
        ErrorKind::DeadlineExceeded => "Time ran out",
        ErrorKind::Unsupported => "Not supported",
        ErrorKind::OutcomeUnknown => "Sent, but the answer was lost",
        ErrorKind::Internal => "Something failed inside",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(kind: ErrorKind, source: ErrorSource) -> u16 {
        Problem::from(Error::new(kind, source, "x")).into_response().status().as_u16()
    }

    #[test]
    fn the_status_follows_from_the_kind() {
        for (kind, expected) in [
            (ErrorKind::Invalid, 400),
            (ErrorKind::Unauthenticated, 401),
            (ErrorKind::PermissionDenied, 403),
            (ErrorKind::NotFound, 404),
            (ErrorKind::AlreadyExists, 409),
            (ErrorKind::Conflict, 409),
            (ErrorKind::RateLimited, 429),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::DeadlineExceeded, 504),
            (ErrorKind::Unsupported, 501),
            (ErrorKind::OutcomeUnknown, 502),
            (ErrorKind::Internal, 500),
        ] {
            assert_eq!(status_of(kind, ErrorSource::Caller), expected, "{}", kind.as_str());
        }
    }

    #[test]
    fn a_downstream_that_refuses_jackfield_is_a_bad_gateway_to_the_caller() {
        for kind in [ErrorKind::Unauthenticated, ErrorKind::PermissionDenied] {
            assert_eq!(status_of(kind, ErrorSource::Downstream), 502);
            assert_eq!(status_of(kind, ErrorSource::Plugin), 502);
        }
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let mut error = Error::new(ErrorKind::RateLimited, ErrorSource::Downstream, "slow down");
        error.retry_after = Some(Duration::from_millis(1500));
        let problem = Problem::from(error);
        assert!(problem.json().contains("\"retry-after-ms\":1500"), "{}", problem.json());
        assert_eq!(problem.into_response().headers()[header::RETRY_AFTER], "2");
    }
}
