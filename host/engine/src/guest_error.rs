//! The error that a guest answered. Jackfield's own type is understood; an error of another type (a third party's
//! capability may have its own) is carried as JSON in the message.

use jackfield_reflect::Shape;
use serde_json::Value;

use crate::types::{Error, ErrorKind, ErrorSource, FieldViolation, RetryAfter};

/// The error of an answer, from its JSON.
pub(crate) fn guest_error(shape: Option<&Shape>, json: &[u8]) -> Error {
    let value = serde_json::from_slice(json).unwrap_or_default();
    if let Some(Shape::Record(record)) = shape
        && record.name.name == "error"
        && record.name.interface.starts_with("jackfield:types/types@")
        && let Some(error) = shared(&value)
    {
        return error;
    }
    let message = match value {
        Value::Null => "the plugin gave no reason".to_owned(),
        Value::String(text) => text,
        _ => String::from_utf8_lossy(json).into_owned(),
    };
    Error { kind: ErrorKind::Internal, message, source: ErrorSource::Plugin, code: None }
}

fn shared(error: &Value) -> Option<Error> {
    let (case, payload) = error["kind"].as_object()?.iter().next()?;
    let kind = match case.as_str() {
        "invalid" => {
            ErrorKind::Invalid(FieldViolation { field: payload["field"].as_str().unwrap_or_default().to_owned() })
        }
        "unauthenticated" => ErrorKind::Unauthenticated,
        "permission-denied" => ErrorKind::PermissionDenied,
        "not-found" => ErrorKind::NotFound,
        "already-exists" => ErrorKind::AlreadyExists,
        "conflict" => ErrorKind::Conflict,
        "rate-limited" => ErrorKind::RateLimited(RetryAfter { delay_ms: number(&payload["delay-ms"]) }),
        "unavailable" => ErrorKind::Unavailable,
        "deadline-exceeded" => ErrorKind::DeadlineExceeded,
        "unsupported" => ErrorKind::Unsupported,
        "outcome-unknown" => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::Internal,
    };
    let text = |name: &str| error[name].as_str().map(str::to_owned);
    Some(Error {
        kind,
        message: text("message")?,
        source: match error["source"].as_str()? {
            "downstream" => ErrorSource::Downstream,
            _ => ErrorSource::Plugin,
        },
        code: text("code"),
    })
}

/// A `u64`, which is a text of digits where it is beyond what JSON keeps.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
