//! What etcd's refusals mean to a caller. The gateway answers an error as `{"error", "code", "message"}` with a gRPC code;
//! which kind that is depends on whether the request was a write: of a write that timed out inside etcd nobody knows
//! whether the cluster will still carry it out, so it is `outcome-unknown` and never `unavailable`.

use jackfield_sdk::http::{Effect, status_error};
use jackfield_sdk::prelude::*;
use jackfield_sdk::types::{FieldViolation, RetryAfter};
use serde_json::Value;

/// The error for an answer whose status does not say success.
pub(crate) fn refused(status: u16, body: &[u8], effect: Effect, path: &str) -> Error {
    let envelope = serde_json::from_slice::<Value>(body).ok();
    match envelope.as_ref().and_then(reason) {
        Some((code, message)) => judge(code, &message, effect, path),
        // Something answers, but not etcd's gateway: a `not-found` would read as if a key were missing.
        None if status == 404 => Error::unsupported(format!(
            "{path} does not exist at the endpoint's address: it is not an etcd of version 3.4 or later, or its JSON \
             gateway is off (--enable-grpc-gateway)"
        ))
        .downstream()
        .code("HTTP 404"),
        None => status_error(status, effect, None, path, None),
    }
}

/// The error that ends a stream.
pub(crate) fn broken_off(error: &Value, path: &str) -> Error {
    match reason(error).or_else(|| reason(&serde_json::json!({ "error": error }))) {
        Some((code, message)) => judge(code, &message, Effect::Read, path),
        None => Error::unavailable(format!("etcd ended {path} without a reason")).downstream(),
    }
}

/// gRPC code and message of an error, in the forms that the gateway has had: flat, or below `error` for streams.
fn reason(envelope: &Value) -> Option<(i64, String)> {
    let inner = envelope.get("error").filter(|error| error.is_object()).unwrap_or(envelope);
    let code = inner.get("grpc_code").or_else(|| inner.get("code")).and_then(Value::as_i64)?;
    let message = inner.get("message").or_else(|| inner.get("error")).and_then(Value::as_str)?;
    Some((code, message.to_owned()))
}

fn judge(code: i64, message: &str, effect: Effect, path: &str) -> Error {
    let words = message.trim_start_matches("etcdserver: ").trim_start_matches("mvcc: ");
    let hint = match words {
        "user name is empty" => "; it wants to know who asks: give the integration a credential",
        "database space exceeded" => "; it takes no more writes until its space alarm is cleared",
        _ => "",
    };
    Error::new(kind_of(code, words, effect), format!("etcd refused {path}: {words}{hint}")).downstream().code(
        // etcd's own clients tell errors apart by this text.
        if message.starts_with("etcdserver: ") { message.to_owned() } else { format!("gRPC {code}") },
    )
}

fn kind_of(code: i64, words: &str, effect: Effect) -> ErrorKind {
    let invalid = || ErrorKind::Invalid(FieldViolation { field: String::new() });
    let lost = |otherwise| if effect == Effect::Write { ErrorKind::OutcomeUnknown } else { otherwise };
    match (code, words) {
        (_, "user name is empty") => ErrorKind::Unauthenticated,
        // Users or roles changed while the request was on its way; it was not carried out.
        (_, "revision of auth store is old") => ErrorKind::Unavailable,
        (_, "required revision has been compacted") => ErrorKind::Conflict,
        (_, "database space exceeded") => ErrorKind::Unavailable,
        (3 | 11, _) => invalid(),
        (4, _) => lost(ErrorKind::DeadlineExceeded),
        (5, _) => ErrorKind::NotFound,
        (6, _) => ErrorKind::AlreadyExists,
        (7, _) => ErrorKind::PermissionDenied,
        (8, _) => ErrorKind::RateLimited(RetryAfter { delay_ms: None }),
        (9 | 10, _) => ErrorKind::Conflict,
        (12, _) => ErrorKind::Unsupported,
        // The one way of being unavailable that is decided before anything is proposed to the cluster.
        (14, "no leader" | "not capable" | "server stopped") => ErrorKind::Unavailable,
        (13, _) => lost(ErrorKind::Internal),
        (15, _) => ErrorKind::Internal,
        (16, _) => ErrorKind::Unauthenticated,
        _ => lost(ErrorKind::Unavailable),
    }
}

/// What the sending of a request failed with: of a write that ran into its time-out nobody knows.
pub(crate) fn unsent(mut error: Error, effect: Effect) -> Error {
    if effect == Effect::Write && error.kind == ErrorKind::DeadlineExceeded {
        error.kind = ErrorKind::OutcomeUnknown;
    }
    error
}

/// What an answer that cannot be read means: a write was carried out or not, its answer tells nothing.
pub(crate) fn unread(mut error: Error, effect: Effect) -> Error {
    if effect == Effect::Write && error.kind == ErrorKind::Internal {
        error.kind = ErrorKind::OutcomeUnknown;
    }
    unsent(error, effect)
}

fn says(error: &Error, words: &str) -> bool {
    error.code.as_deref().is_some_and(|code| code.ends_with(words))
}

/// The revision that was asked for is no longer kept.
pub(crate) fn is_compacted(error: &Error) -> bool {
    says(error, "required revision has been compacted")
}

/// The revision that was asked for has not been reached.
pub(crate) fn is_future(error: &Error) -> bool {
    says(error, "required revision is a future revision")
}

/// There is no such lease.
pub(crate) fn is_lease_missing(error: &Error) -> bool {
    says(error, "requested lease not found")
}

/// There is such a lease already.
pub(crate) fn is_lease_taken(error: &Error) -> bool {
    says(error, "lease already exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: i64, message: &str, effect: Effect) -> Error {
        let body = serde_json::json!({"error": message, "code": code, "message": message}).to_string();
        refused(400, body.as_bytes(), effect, "/v3/kv/put")
    }

    #[test]
    fn a_write_of_which_etcd_does_not_know_is_never_told_as_not_carried_out() {
        for (code, message) in [
            (14, "etcdserver: request timed out"),
            (14, "etcdserver: request timed out, possibly due to previous leader failure"),
            (14, "etcdserver: leader changed"),
            (14, "transport is closing"),
            (4, "context deadline exceeded"),
            (1, "context canceled"),
            (2, "something"),
            (13, "stream terminated"),
        ] {
            assert_eq!(refusal(code, message, Effect::Write).kind, ErrorKind::OutcomeUnknown, "{message}");
            assert_ne!(refusal(code, message, Effect::Read).kind, ErrorKind::OutcomeUnknown, "{message}");
        }
        assert_eq!(refusal(14, "etcdserver: no leader", Effect::Write).kind, ErrorKind::Unavailable);
    }

    #[test]
    fn refusals_keep_etcds_words_and_get_the_kind_that_callers_act_on() {
        for (code, message, kind) in [
            (5, "etcdserver: requested lease not found", ErrorKind::NotFound),
            (7, "etcdserver: permission denied", ErrorKind::PermissionDenied),
            (16, "etcdserver: invalid auth token", ErrorKind::Unauthenticated),
            (3, "etcdserver: user name is empty", ErrorKind::Unauthenticated),
            (8, "etcdserver: too many requests", ErrorKind::RateLimited(RetryAfter { delay_ms: None })),
            (8, "etcdserver: mvcc: database space exceeded", ErrorKind::Unavailable),
            (9, "etcdserver: lease already exists", ErrorKind::Conflict),
            (11, "etcdserver: mvcc: required revision has been compacted", ErrorKind::Conflict),
            (3, "etcdserver: request is too large", ErrorKind::Invalid(FieldViolation { field: String::new() })),
        ] {
            let error = refusal(code, message, Effect::Write);
            assert_eq!(error.kind, kind, "{message}");
            assert_eq!(error.code.as_deref(), Some(message));
            assert_eq!(error.source, ErrorSource::Downstream);
        }
        assert!(is_compacted(&refusal(11, "etcdserver: mvcc: required revision has been compacted", Effect::Read)));
        assert!(is_lease_missing(&refusal(5, "etcdserver: requested lease not found", Effect::Read)));
    }

    #[test]
    fn what_is_not_etcd_is_told_apart_from_a_missing_key() {
        assert_eq!(refused(404, b"Not Found", Effect::Read, "/v3/kv/range").kind, ErrorKind::Unsupported);
        assert_eq!(refused(502, b"<html>", Effect::Write, "/v3/kv/put").kind, ErrorKind::OutcomeUnknown);
        assert_eq!(refused(503, b"", Effect::Read, "/v3/kv/range").kind, ErrorKind::Unavailable);
        assert_eq!(refused(401, b"{}", Effect::Read, "/v3/kv/range").kind, ErrorKind::Unauthenticated);
    }

    #[test]
    fn the_end_of_a_stream_is_read_in_all_forms() {
        for json in [
            r#"{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}"#,
            r#"{"code":14,"message":"etcdserver: no leader","details":[]}"#,
        ] {
            let error = broken_off(&serde_json::from_str(json).unwrap(), "/v3/watch");
            assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unavailable, Some("etcdserver: no leader")));
        }
        assert_eq!(broken_off(&Value::Null, "/v3/watch").kind, ErrorKind::Unavailable);
    }
}
