//! What failures below mean to whoever called: one kind, one side at fault, one sentence.
//!
//! A guest's own error is believed as to kind and words, within bounds. What it cannot tell (it crashed, time ran out) is
//! told by the host from what it saw: who was being waited for, and whether something may have been written already, in
//! which case nobody may conclude that nothing happened.

use std::time::Duration;

use jackfield_engine::{CallError, EngineError, types};
use jackfield_fetch::FetchError;
use jackfield_oci::OciError;
use jackfield_reflect::{JsonError, ReflectError};
use jackfield_registry::PackageError;
use jackfield_store::StoreError;
use jackfield_vault::VaultError;

use crate::{Error, ErrorKind, ErrorSource, track::Track};

/// The longest message of a guest's that is passed on, in bytes.
const MAX_MESSAGE: usize = 4096;

/// The code of an outbound request that the operator does not allow, though the plugin's manifest asks for it.
pub(crate) const NOT_ALLOWED: &str = "not-allowed";

/// The code of an outbound request that the address policy refuses.
pub(crate) const ADDRESS_REFUSED: &str = "address-refused";

/// The code of an outbound request that could not be authenticated.
pub(crate) const CREDENTIAL: &str = "credential";

/// The code of an outbound request that a person has to consent to first.
pub(crate) const NEEDS_REAUTHORIZATION: &str = "needs-reauthorization";

/// The longest time after which a guest may ask its caller to come again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What a failed call means. `write`: the operation may change something.
pub(crate) fn call(error: CallError, write: bool, track: Track) -> Error {
    let message = error.to_string();
    let by = |kind, source| Error::new(kind, source, message.clone());
    let failed = match error {
        CallError::Guest(error) => return honest(guest(error), write, track),
        CallError::Params(error) => return params(error),
        CallError::Busy { .. } => {
            let mut error = coded(by(ErrorKind::Unavailable, ErrorSource::Host), "concurrency-limit");
            error.retry_after = Some(Duration::from_secs(1));
            return error;
        }
        CallError::NoSuchExport(_) => by(ErrorKind::Internal, ErrorSource::Plugin),
        CallError::Trap { message } => {
            let message = format!("the plugin crashed: {}", text(message));
            Error::new(ErrorKind::Internal, ErrorSource::Plugin, message)
        }
        CallError::Exceeded { limit, .. } => {
            coded(by(ErrorKind::Internal, ErrorSource::Plugin), &format!("{}-limit", limit.as_str()))
        }
        CallError::DeadlineExceeded if track.waits => Error::new(
            ErrorKind::DeadlineExceeded,
            ErrorSource::Downstream,
            "the outside system did not answer in time; allow more time or see what holds it up",
        ),
        CallError::DeadlineExceeded => by(ErrorKind::DeadlineExceeded, ErrorSource::Plugin),
        CallError::Internal(_) => by(ErrorKind::Internal, ErrorSource::Host),
    };
    if write && track.wrote {
        let message = format!(
            "{}; something may have been written already: read it back before you try again",
            failed.message.trim_end_matches('.')
        );
        return Error { kind: ErrorKind::OutcomeUnknown, message, ..failed };
    }
    failed
}

/// What a guest says of a write whose answer was lost: what came of that it cannot know, whatever it says. What it says may
/// even be what came of it: a conflict with itself.
fn honest(error: Error, write: bool, track: Track) -> Error {
    match write && track.lost {
        true => Error { kind: ErrorKind::OutcomeUnknown, ..error },
        false => error,
    }
}

/// An operation that is not run because it has crashed again and again.
pub(crate) fn breaker(action: &str, left: Duration) -> Error {
    let message = format!(
        "`{action}` has crashed in every one of its last calls and is not run for {:.1} s more; the integration's other operations are",
        left.as_secs_f64()
    );
    let error = Error::new(ErrorKind::Unavailable, ErrorSource::Plugin, message);
    Error { retry_after: Some(left), ..coded(error, "breaker-open") }
}

fn coded(mut error: Error, code: &str) -> Error {
    error.code = Some(code.to_owned());
    error
}

/// Parameters that are wrong, with the place.
pub(crate) fn params(error: JsonError) -> Error {
    let message = error.to_string();
    Error::invalid(message).at(error.pointer)
}

/// An error that a guest answered with.
pub(crate) fn guest(error: types::Error) -> Error {
    use types::ErrorKind as Guest;
    let mut field = None;
    let mut retry_after = None;
    let kind = match error.kind {
        Guest::Invalid(violation) => {
            field = Some(violation.field);
            ErrorKind::Invalid
        }
        Guest::Unauthenticated => ErrorKind::Unauthenticated,
        Guest::PermissionDenied => ErrorKind::PermissionDenied,
        Guest::NotFound => ErrorKind::NotFound,
        Guest::AlreadyExists => ErrorKind::AlreadyExists,
        Guest::Conflict => ErrorKind::Conflict,
        Guest::RateLimited(after) => {
            retry_after = after.delay_ms.map(|ms| Duration::from_millis(ms).min(MAX_RETRY_AFTER));
            ErrorKind::RateLimited
        }
        Guest::Unavailable => ErrorKind::Unavailable,
        Guest::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Guest::Unsupported => ErrorKind::Unsupported,
        Guest::OutcomeUnknown => ErrorKind::OutcomeUnknown,
        Guest::Internal => ErrorKind::Internal,
    };
    let asked =
        matches!(kind, ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Conflict);
    let source = match error.source {
        // The plugin may use its endpoint; it is the host's policy that refuses what the endpoint's name resolves to.
        _ if kind == ErrorKind::PermissionDenied && error.code.as_deref() == Some(ADDRESS_REFUSED) => ErrorSource::Host,
        // The plugin may ask for it; it is the call that the operator does not allow.
        _ if kind == ErrorKind::PermissionDenied && error.code.as_deref() == Some(NOT_ALLOWED) => ErrorSource::Caller,
        // Credentials are the host's business, and the plugin knows nothing of them.
        _ if kind == ErrorKind::Unauthenticated
            && matches!(error.code.as_deref(), Some(CREDENTIAL | NEEDS_REAUTHORIZATION)) =>
        {
            ErrorSource::Host
        }
        types::ErrorSource::Downstream => ErrorSource::Downstream,
        // `plugin` stands for the plugin and for what it was asked; of these kinds it is what was asked.
        types::ErrorSource::Plugin if asked => ErrorSource::Caller,
        types::ErrorSource::Plugin => ErrorSource::Plugin,
    };
    let code = error.code.map(text);
    Error { field: field.map(text), code, retry_after, ..Error::new(kind, source, text(error.message)) }
}

/// A stranger's text, a guest's or one that names what is in a file of his, bounded and without control characters but line breaks.
pub(crate) fn text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_MESSAGE));
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// A store that did not do what was asked.
pub(crate) fn store(error: StoreError) -> Error {
    let message = error.to_string();
    match error {
        StoreError::Conflict { .. } => Error::new(
            ErrorKind::Conflict,
            ErrorSource::Caller,
            format!("somebody else changed it meanwhile; read it again, then decide ({message})"),
        ),
        StoreError::Closed => shutting_down(),
        StoreError::Locked { .. } => Error::new(ErrorKind::Unavailable, ErrorSource::Host, message),
        StoreError::Folder { .. } => Error::new(ErrorKind::Unavailable, ErrorSource::Host, message),
        StoreError::NewerVersion { .. } => Error::new(ErrorKind::Unsupported, ErrorSource::Host, message),
        _ => Error::internal(message),
    }
}

/// A vault that did not do what was asked.
pub(crate) fn vault(error: VaultError) -> Error {
    use ErrorKind as Kind;
    let message = error.to_string();
    let by = |kind, source| Error::new(kind, source, message.clone());
    match error {
        VaultError::Store(error) => store(error),
        VaultError::Unknown { .. } | VaultError::UnknownSource(_) => by(Kind::NotFound, ErrorSource::Caller),
        VaultError::Exists(_) | VaultError::OtherKind { .. } => by(Kind::AlreadyExists, ErrorSource::Caller),
        VaultError::NotOpened(_) | VaultError::WrongKey => by(Kind::PermissionDenied, ErrorSource::Caller),
        // It is for the caller to make it, or to open it.
        VaultError::Absent | VaultError::Sealed(_) => by(Kind::Conflict, ErrorSource::Caller),
        VaultError::Conflict | VaultError::LastSource | VaultError::Unreachable(_) | VaultError::Version { .. } => {
            by(Kind::Conflict, ErrorSource::Caller)
        }
        VaultError::UnknownLease(_) => by(Kind::NotFound, ErrorSource::Caller),
        VaultError::LeaseStuck { .. } => coded(by(Kind::Conflict, ErrorSource::Downstream), "lease-stuck"),
        VaultError::NotFetched { .. } => by(Kind::Unavailable, ErrorSource::Downstream),
        VaultError::Passphrase(_) | VaultError::Source { .. } | VaultError::Name(_) | VaultError::Fields(_) => {
            by(Kind::Invalid, ErrorSource::Caller)
        }
        VaultError::Damaged(_) | VaultError::Random(_) => by(Kind::Internal, ErrorSource::Host),
    }
}

/// The host ends.
pub(crate) fn shutting_down() -> Error {
    Error::new(ErrorKind::Unavailable, ErrorSource::Host, "the host is shutting down")
}

/// A file that is no plugin.
pub(crate) fn package(error: PackageError) -> Error {
    Error::invalid(text(format!("this file is not a plugin: {error}")))
}

/// The code of what is not what its digest says.
pub(crate) const DAMAGED: &str = "damaged";

/// A plugin that could not be fetched.
pub(crate) fn fetch(error: FetchError) -> Error {
    let message = text(error.to_string());
    match error {
        error if error.is_not_found() => Error::new(ErrorKind::NotFound, ErrorSource::Downstream, message),
        FetchError::Registry(OciError::NotWasm { .. } | OciError::TooLargeToPull { .. })
        | FetchError::TooLarge { .. } => Error::new(ErrorKind::Invalid, ErrorSource::Downstream, message),
        FetchError::Registry(OciError::Digest { .. } | OciError::Length { .. }) | FetchError::Kept { .. } => {
            let error = Error::new(ErrorKind::Invalid, ErrorSource::Downstream, message);
            Error { code: Some(DAMAGED.to_owned()), ..error }
        }
        _ => {
            let error = Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, message);
            Error { code: Some("not-fetched".to_owned()), ..error }
        }
    }
}

/// A component whose WIT cannot be served.
pub(crate) fn reflection(error: ReflectError) -> Error {
    Error::invalid(text(error.to_string()))
}

/// A component that cannot be loaded.
pub(crate) fn engine(error: EngineError) -> Error {
    match error {
        EngineError::Start(_) | EngineError::Cache { .. } => Error::internal(error.to_string()),
        error => Error::invalid(text(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use jackfield_engine::Limit;

    use super::*;

    const WROTE: Track =
        Track { writes: true, lines: 0, traffic: 0, wrote: true, lost: false, waits: false, closed: false };
    const WAITS: Track =
        Track { writes: false, lines: 0, traffic: 0, wrote: false, lost: false, waits: true, closed: false };

    fn trap() -> CallError {
        CallError::Trap { message: "unreachable".into() }
    }

    #[test]
    fn a_failed_write_that_may_have_been_sent_has_an_unknown_outcome_and_a_read_never_has() {
        for error in [trap, || CallError::DeadlineExceeded, || CallError::Exceeded { limit: Limit::Cpu, most: 1 }] {
            assert_eq!(call(error(), true, WROTE).kind, ErrorKind::OutcomeUnknown);
            assert_ne!(call(error(), false, WROTE).kind, ErrorKind::OutcomeUnknown);
            assert_ne!(call(error(), true, Track::default()).kind, ErrorKind::OutcomeUnknown);
        }
    }

    #[test]
    fn a_guest_cannot_know_that_nothing_happened_when_an_answer_was_lost() {
        let said = |kind| {
            let error = types::Error { kind, message: "x".into(), source: types::ErrorSource::Downstream, code: None };
            CallError::Guest(error)
        };
        let lost = Track { lost: true, ..WROTE };
        assert_eq!(call(said(types::ErrorKind::Unavailable), true, lost).kind, ErrorKind::OutcomeUnknown);
        assert_eq!(call(said(types::ErrorKind::Unavailable), true, WROTE).kind, ErrorKind::Unavailable);
        assert_eq!(call(said(types::ErrorKind::Unavailable), false, lost).kind, ErrorKind::Unavailable);
        assert_eq!(call(said(types::ErrorKind::Conflict), true, lost).kind, ErrorKind::OutcomeUnknown);
    }

    #[test]
    fn time_that_ran_out_is_blamed_on_whoever_was_waited_for() {
        let slow = call(CallError::DeadlineExceeded, false, WAITS);
        assert_eq!((slow.kind, slow.source_of_fault), (ErrorKind::DeadlineExceeded, ErrorSource::Downstream));
        let slow = call(CallError::DeadlineExceeded, false, Track::default());
        assert_eq!((slow.kind, slow.source_of_fault), (ErrorKind::DeadlineExceeded, ErrorSource::Plugin));
    }

    #[test]
    fn a_crash_is_the_plugins_and_a_full_house_the_hosts() {
        let crash = call(trap(), true, Track::default());
        assert_eq!((crash.kind, crash.source_of_fault), (ErrorKind::Internal, ErrorSource::Plugin));
        let busy = call(CallError::Busy { reason: "x".into() }, true, Track::default());
        assert_eq!((busy.kind, busy.source_of_fault), (ErrorKind::Unavailable, ErrorSource::Host));
        assert!(busy.retry_after.is_some());
    }

    #[test]
    fn a_guests_error_keeps_its_kind_field_code_and_time_but_not_its_control_characters() {
        let answered = |kind, source| {
            let message = format!("a\x1b{}", "ß".repeat(MAX_MESSAGE));
            guest(types::Error { kind, message, source, code: Some("bad_data".into()) })
        };
        let violation = types::FieldViolation { field: "/query".into() };
        let invalid = answered(types::ErrorKind::Invalid(violation), types::ErrorSource::Plugin);
        assert_eq!((invalid.kind, invalid.source_of_fault), (ErrorKind::Invalid, ErrorSource::Caller));
        assert_eq!((invalid.field.as_deref(), invalid.code.as_deref()), (Some("/query"), Some("bad_data")));
        assert!(invalid.message.starts_with("a ß") && invalid.message.len() <= MAX_MESSAGE);
        let after = types::RetryAfter { delay_ms: Some(1500) };
        let limited = answered(types::ErrorKind::RateLimited(after), types::ErrorSource::Downstream);
        assert_eq!(limited.source_of_fault, ErrorSource::Downstream);
        assert_eq!(limited.retry_after, Some(Duration::from_millis(1500)));
    }
}
