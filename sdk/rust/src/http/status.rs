//! What a status code means to the caller of an operation. One table, so that every plugin tells the same failure in the
//! same way; a plugin whose system speaks otherwise brings its own reason, or its own error.

use serde_json::Value;

use super::Effect;
use crate::types::{Error, ErrorKind, FieldViolation, RetryAfter};

/// The longest reason that goes into a message, in characters.
const MAX_MESSAGE: usize = 500;

/// Why the outside system refused, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// Its message.
    pub message: String,
    /// Its code, where it has one; else the code is `HTTP <status>`.
    pub code: Option<String>,
}

/// The error for a status that does not say success. `subject` names the request, e.g. ``GET /health on `api` ``.
pub fn status_error(
    status: u16,
    effect: Effect,
    retry_after: Option<&str>,
    subject: &str,
    reason: Option<Reason>,
) -> Error {
    let reason = reason.unwrap_or_default();
    let mut message = format!("{subject} was answered with {status}");
    if let Some(name) = name_of(status) {
        message.push(' ');
        message.push_str(name);
    }
    let words = one_line(&reason.message);
    if !words.is_empty() {
        message.push_str(": ");
        message.push_str(&words);
    }
    let code = reason.code.map(|code| one_line(&code)).filter(|code| !code.is_empty());
    Error::new(kind_of(status, effect, retry_after), message)
        .downstream()
        .code(code.unwrap_or_else(|| format!("HTTP {status}")))
}

fn kind_of(status: u16, effect: Effect, retry_after: Option<&str>) -> ErrorKind {
    match status {
        401 | 407 => ErrorKind::Unauthenticated,
        403 | 451 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        405 | 501 | 505 => ErrorKind::Unsupported,
        409 | 412 | 423 | 428 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited(RetryAfter { delay_ms: retry_after.and_then(delay_ms) }),
        503 => ErrorKind::Unavailable,
        // Whether these came before or after the work was done, nobody can tell.
        408 | 500..=599 if effect == Effect::Write => ErrorKind::OutcomeUnknown,
        408 | 500..=599 => ErrorKind::Unavailable,
        400..=499 => ErrorKind::Invalid(FieldViolation { field: String::new() }),
        _ => ErrorKind::Internal,
    }
}

/// `Retry-After` in seconds. Its other form, a date, would need the other side's clock and is rare: then nothing is said.
fn delay_ms(value: &str) -> Option<u64> {
    value.trim().parse::<u64>().ok()?.checked_mul(1000)
}

fn name_of(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => return None,
    })
}

/// The reason in a body, as most systems write it.
pub(super) fn reason_of(body: &[u8]) -> Option<Reason> {
    let start = body.trim_ascii_start();
    if start.starts_with(b"{") || start.starts_with(b"[") || start.starts_with(b"\"") {
        let found = serde_json::from_slice::<Value>(body).ok().as_ref().and_then(message_in);
        return found.map(|message| Reason { message, code: None });
    }
    // A page of HTML is written for browsers and says nothing the status does not.
    let text = std::str::from_utf8(start).ok().filter(|text| !text.starts_with('<'))?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| Reason { message: line.to_owned(), code: None })
}

fn message_in(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => items.first().and_then(message_in),
        Value::Object(object) => ["message", "error", "detail", "error_description", "reason", "errors", "title"]
            .iter()
            .filter_map(|key| object.get(*key))
            .find_map(message_in),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ErrorSource;

    fn kind(status: u16, effect: Effect) -> ErrorKind {
        status_error(status, effect, None, "it", None).kind
    }

    #[test]
    fn a_read_never_has_an_unknown_outcome() {
        assert!((100..700).all(|status| kind(status, Effect::Read) != ErrorKind::OutcomeUnknown));
        assert!((100..700).all(|status| kind(status, Effect::Idempotent) != ErrorKind::OutcomeUnknown));
    }

    #[test]
    fn a_write_that_may_have_happened_is_never_told_as_not_carried_out() {
        for status in [408, 500, 502, 504, 520] {
            assert_eq!(kind(status, Effect::Write), ErrorKind::OutcomeUnknown, "{status}");
            assert_eq!(kind(status, Effect::Read), ErrorKind::Unavailable, "{status}");
        }
        assert_eq!(kind(503, Effect::Write), ErrorKind::Unavailable);
    }

    #[test]
    fn retry_after_in_seconds_becomes_milliseconds() {
        let delay = |value| match status_error(429, Effect::Read, Some(value), "it", None).kind {
            ErrorKind::RateLimited(after) => after.delay_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(delay("3"), Some(3000));
        assert_eq!(delay("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(delay("18446744073709551615"), None);
    }

    #[test]
    fn the_outside_systems_words_are_found_in_the_forms_that_are_usual() {
        for (body, words) in [
            (r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "parse error"),
            (r#"{"error":{"code":404,"message":"no such thing"}}"#, "no such thing"),
            (r#"{"errors":[{"detail":"too long"}]}"#, "too long"),
            (r#""plainly no""#, "plainly no"),
            ("method not allowed\n", "method not allowed"),
        ] {
            assert_eq!(reason_of(body.as_bytes()).unwrap().message, words);
        }
        assert_eq!(reason_of(b"<html><body>502</body></html>"), None);
        assert_eq!(reason_of(b"{\"error\":"), None);
        assert_eq!(reason_of(b""), None);
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        let reason = Reason { message: format!("a\nb\u{7}{}", "x".repeat(2000)), code: Some("E\n1".into()) };
        let error = status_error(400, Effect::Read, None, "GET / on `api`", Some(reason));
        assert!(error.message.starts_with("GET / on `api` was answered with 400 Bad Request: a b x"));
        assert!(error.message.chars().count() < 600);
        assert_eq!(error.code.as_deref(), Some("E 1"));
        assert_eq!(error.source, ErrorSource::Downstream);
    }
}
