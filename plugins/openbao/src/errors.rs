//! What OpenBao's refusals mean to a caller. It answers one with a status and `{"errors": [...]}`, and clients tell errors apart by
//! these texts. Two of them matter most to whoever looks for a fault: a token that OpenBao does not know is refused with a bare
//! `permission denied`, one whose policies do not allow it with the same words below `1 error occurred:`.

use jackfield_sdk::http::{Effect, Reason, status_error};
use jackfield_sdk::prelude::*;
use jackfield_sdk::types::FieldViolation;
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<String>,
}

/// The error for an answer whose status does not say success. `subject` names the request.
pub(crate) fn refused(status: u16, body: &[u8], effect: Effect, retry_after: Option<&str>, subject: &str) -> Error {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
        // Something answers, but not OpenBao: a `not-found` would read as if a key were missing.
        return match status {
            404 => Error::unsupported(format!("{subject} does not exist at the endpoint's address: it is no OpenBao"))
                .downstream()
                .code("HTTP 404"),
            _ => status_error(status, effect, retry_after, subject, None),
        };
    };
    let words = words(&envelope.errors);
    let invalid = |field: &str| ErrorKind::Invalid(FieldViolation { field: field.to_owned() });
    let (kind, hint) = match (status, words.as_str()) {
        (403, "permission denied") if envelope.errors.iter().all(|error| !error.contains("occurred")) => (
            ErrorKind::Unauthenticated,
            "; it does not know the token, or there is none: look at the endpoint's credential",
        ),
        (403, words) if words.contains("invalid token") || words.contains("bad token") => {
            (ErrorKind::Unauthenticated, "; the token has ended or was revoked: look at the endpoint's credential")
        }
        (403, "permission denied") => (ErrorKind::PermissionDenied, "; the policies of the token do not allow it"),
        // The status of it differs between versions.
        (_, words) if words.contains("invalid accessor") => {
            (ErrorKind::NotFound, "; the token has ended or was revoked")
        }
        (400, words) if words.contains("did not match the current version") => (ErrorKind::Conflict, ""),
        (400, words) if words.contains("check-and-set parameter required") => {
            (invalid("/options/precondition"), "; this engine or secret takes only writes with a precondition")
        }
        (404, words) if words.contains("no handler for route") => {
            (ErrorKind::Unsupported, "; look at the integration's `mount` and `namespace`")
        }
        // A standby that does not pass on what it is asked.
        (472 | 473, _) => (ErrorKind::Unavailable, ""),
        _ => {
            let reason = Reason { message: words, code: None };
            return status_error(status, effect, retry_after, subject, Some(reason));
        }
    };
    Error::new(kind, format!("OpenBao refused {subject}: {words}{hint}")).downstream().code(format!("HTTP {status}"))
}

/// Its texts in one line, without the ornaments of the library that lists them.
fn words(errors: &[String]) -> String {
    let lines = errors.iter().flat_map(|error| error.lines()).map(|line| line.trim().trim_start_matches("* "));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.ends_with("occurred:")).collect();
    lines.join("; ")
}

/// What the sending of a request failed with: of a write that ran into its time-out nobody knows.
pub(crate) fn unsent(mut error: Error, effect: Effect) -> Error {
    if effect == Effect::Write && error.kind == ErrorKind::DeadlineExceeded {
        error.kind = ErrorKind::OutcomeUnknown;
    }
    error
}

/// What an answer that cannot be read means: a write was carried out, its answer tells nothing.
pub(crate) fn unread(mut error: Error, effect: Effect) -> Error {
    if effect == Effect::Write && error.kind == ErrorKind::Internal {
        error.kind = ErrorKind::OutcomeUnknown;
    }
    unsent(error, effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str, effect: Effect) -> ErrorKind {
        let error = refused(status, body.as_bytes(), effect, None, "GET /v1/secret/data/a on `api`");
        assert_eq!(error.source, ErrorSource::Downstream);
        assert!(!error.message.contains('\n'), "{}", error.message);
        error.kind
    }

    // The bodies are what OpenBao 2.7 answers; where Vault's is known to differ it stands beside it.
    #[test]
    fn refusals_get_the_kind_that_callers_act_on() {
        let invalid = |field: &str| ErrorKind::Invalid(FieldViolation { field: field.into() });
        for (status, body, expected) in [
            (403, r#"{"errors":["permission denied"]}"#, ErrorKind::Unauthenticated),
            (
                403,
                r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#,
                ErrorKind::Unauthenticated,
            ),
            (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, ErrorKind::PermissionDenied),
            (
                403,
                r#"{"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"none/\""]}"#,
                ErrorKind::PermissionDenied,
            ),
            (400, r#"{"errors":["1 error occurred:\n\t* invalid accessor\n\n"]}"#, ErrorKind::NotFound),
            (403, r#"{"errors":["1 error occurred:\n\t* invalid accessor\n\n"]}"#, ErrorKind::NotFound),
            (400, r#"{"errors":["check-and-set parameter did not match the current version"]}"#, ErrorKind::Conflict),
            (400, r#"{"errors":["check-and-set parameter required for this call"]}"#, invalid("/options/precondition")),
            (400, r#"{"errors":["unknown role norole"]}"#, invalid("")),
            (404, r#"{"errors":[]}"#, ErrorKind::NotFound),
            (
                404,
                r#"{"errors":["no handler for route \"secretx/data/a\". route entry not found."]}"#,
                ErrorKind::Unsupported,
            ),
            (404, "<html>", ErrorKind::Unsupported),
            (400, "", invalid("")),
            (503, r#"{"errors":["Vault is sealed"]}"#, ErrorKind::Unavailable),
            (473, r#"{"errors":["standby"]}"#, ErrorKind::Unavailable),
        ] {
            assert_eq!(kind(status, body, Effect::Read), expected, "{body}");
            assert_eq!(kind(status, body, Effect::Write), expected, "{body}");
        }
        let limited = refused(429, br#"{"errors":["too many"]}"#, Effect::Read, Some("2"), "it").kind;
        assert_eq!(limited, Error::rate_limited(Some(2000), "").kind);
    }

    #[test]
    fn a_write_that_may_have_happened_is_never_told_as_not_carried_out() {
        for (status, body) in [(500, r#"{"errors":["internal error"]}"#), (502, "<html>"), (504, "")] {
            assert_eq!(kind(status, body, Effect::Write), ErrorKind::OutcomeUnknown, "{status}");
            assert_eq!(kind(status, body, Effect::Read), ErrorKind::Unavailable, "{status}");
        }
        let late = unsent(Error::deadline_exceeded("late"), Effect::Write);
        assert_eq!(late.kind, ErrorKind::OutcomeUnknown);
        assert_eq!(unread(Error::internal("no JSON"), Effect::Write).kind, ErrorKind::OutcomeUnknown);
        assert_eq!(unread(Error::internal("no JSON"), Effect::Read).kind, ErrorKind::Internal);
    }
}
