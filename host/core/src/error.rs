//! The one error of the embedding API. It says what was wrong, where, who is at fault and what to do next; the server
//! turns it into problem+json and the CLI into a sentence. It never holds a secret or a guest's memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What kind of failure, from the closed list of `jackfield:types/types.error-kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request is wrong; retrying it unchanged cannot help.
    Invalid,
    /// Nobody knows who is asking.
    Unauthenticated,
    /// The one who asks may not.
    PermissionDenied,
    /// What was named does not exist.
    NotFound,
    /// What was to be created exists already.
    AlreadyExists,
    /// A precondition did not hold, or another writer came first.
    Conflict,
    /// Too many requests; see [`Error::retry_after`].
    RateLimited,
    /// Cannot be reached or cannot answer now; nothing was carried out.
    Unavailable,
    /// Time ran out.
    DeadlineExceeded,
    /// Cannot be done by this plugin or this version of the outside system.
    Unsupported,
    /// A write was sent and its answer lost.
    OutcomeUnknown,
    /// A fault with no better name.
    Internal,
}

impl ErrorKind {
    /// Whether it is the answer to what was asked, and not a reason why nobody could answer now.
    pub(crate) fn says_no(self) -> bool {
        matches!(self, Self::Invalid | Self::NotFound | Self::AlreadyExists | Self::Conflict | Self::Unsupported)
    }

    /// The kind's name in every surface, e.g. `not-found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission-denied",
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Unsupported => "unsupported",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Internal => "internal",
        }
    }
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorSource {
    /// Whoever made the request.
    Caller,
    /// Jackfield itself.
    Host,
    /// The plugin.
    Plugin,
    /// The outside system behind the plugin.
    Downstream,
}

impl ErrorSource {
    /// The source's name in every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Host => "host",
            Self::Plugin => "plugin",
            Self::Downstream => "downstream",
        }
    }
}

/// Why something did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// Who is at fault.
    pub source_of_fault: ErrorSource,
    /// What was wrong, where, and the next thing to do.
    pub message: String,
    /// JSON Pointer into the request, for `invalid`.
    pub field: Option<String>,
    /// A stable code, where the kind does not tell enough: the outside system's own, or the host's, e.g. `integration-disabled`.
    pub code: Option<String>,
    /// When to try again, for `rate-limited` and `unavailable`.
    pub retry_after: Option<Duration>,
    /// Of a write that failed, the key that names it: to send it again, or to find it in the journal.
    pub idempotency_key: Option<String>,
}

impl Error {
    /// An error with no field, code or retry time.
    pub fn new(kind: ErrorKind, source: ErrorSource, message: impl Into<String>) -> Self {
        Self {
            kind,
            source_of_fault: source,
            message: message.into(),
            field: None,
            code: None,
            retry_after: None,
            idempotency_key: None,
        }
    }

    /// The caller's request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, ErrorSource::Caller, message)
    }

    /// What the caller named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, ErrorSource::Caller, message)
    }

    /// A fault of the host's own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, ErrorSource::Host, message)
    }

    /// The same error, pointing at a field (JSON Pointer).
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.field = Some(pointer.into());
        self
    }
}

/// The result of the embedding API.
pub type Result<T, E = Error> = std::result::Result<T, E>;
