//! The vocabulary every capability shares, and how a plugin makes an [`Error`]. The types are those of the WIT package
//! `jackfield:types`; a capability's generated code refers to these very types, so they pass between capabilities and
//! the SDK as they are.

pub use crate::bindings::jackfield::types::types::{
    Error, ErrorKind, ErrorSource, FieldViolation, Label, Page, Precondition, RetryAfter, TimestampMs, WriteOptions,
};

/// What an operation returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Constructors, one a kind, and what can be added to an error. A new error is the plugin's own fault until
/// [`downstream`](Error::downstream) says otherwise.
///
/// ```
/// use jackfield_sdk::types::{Error, ErrorKind, ErrorSource};
/// let error = Error::not_found("there is no key `a`").downstream().code("HTTP 404");
/// assert_eq!(error.kind, ErrorKind::NotFound);
/// assert_eq!(error.source, ErrorSource::Downstream);
/// ```
impl Error {
    /// An error of any kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: ErrorSource::Plugin, code: None }
    }

    /// The request is wrong. `field` is a JSON Pointer into the request, e.g. `/page/limit`; empty for the whole of it.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid(FieldViolation { field: field.into() }), message)
    }

    /// The outside system does not know who is asking.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, message)
    }

    /// The outside system knows who is asking and says no.
    pub fn permission_denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::PermissionDenied, message)
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// What was to be created exists already.
    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::AlreadyExists, message)
    }

    /// The precondition did not hold, or another writer came first.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Too many requests; try again after `delay_ms` milliseconds, where that is known.
    pub fn rate_limited(delay_ms: Option<u64>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::RateLimited(RetryAfter { delay_ms }), message)
    }

    /// The outside system cannot be reached or cannot answer now, and the request was not carried out.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Time ran out.
    pub fn deadline_exceeded(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::DeadlineExceeded, message)
    }

    /// The plugin or this version of the outside system cannot do this.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A write was sent and may or may not have happened.
    pub fn outcome_unknown(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OutcomeUnknown, message)
    }

    /// A fault with no better name.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Says that the outside system is at fault.
    #[must_use]
    pub fn downstream(mut self) -> Self {
        self.source = ErrorSource::Downstream;
        self
    }

    /// Adds the outside system's own code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Puts words before the message: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl AsRef<str>) -> Self {
        self.message = format!("{}: {}", context.as_ref(), self.message);
        self
    }

    /// Whether what was named does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether another writer came first, or a precondition did not hold.
    pub fn is_conflict(&self) -> bool {
        self.kind == ErrorKind::Conflict
    }
}

/// A label from its name and value.
pub fn label(name: impl Into<String>, value: impl Into<String>) -> Label {
    Label { name: name.into(), value: value.into() }
}

/// The first page, as large as the plugin chooses.
#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Page {
    fn default() -> Self {
        Self { cursor: None, limit: None }
    }
}

/// A write that is carried out, unconditionally, and that nothing names.
#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for WriteOptions {
    fn default() -> Self {
        Self { idempotency_key: None, dry_run: false, precondition: None }
    }
}

impl Precondition {
    /// Whether this holds for a target at `revision`; `None` for a target that does not exist.
    ///
    /// ```
    /// use jackfield_sdk::types::Precondition;
    /// assert!(Precondition::Absent.holds(None));
    /// assert!(Precondition::Revision("7".into()).holds(Some("7")));
    /// assert!(!Precondition::Present.holds(None));
    /// ```
    pub fn holds(&self, revision: Option<&str>) -> bool {
        match self {
            Self::Absent => revision.is_none(),
            Self::Present => revision.is_some(),
            Self::Revision(wanted) => revision == Some(wanted.as_str()),
        }
    }
}

impl WriteOptions {
    /// Fails with `conflict` where the precondition does not hold for a target at `revision` (`None`: it does not
    /// exist). `what` names the target in the message, e.g. ``the key `a` ``.
    pub fn check(&self, what: &str, revision: Option<&str>) -> Result<()> {
        let Some(precondition) = self.precondition.as_ref().filter(|precondition| !precondition.holds(revision)) else {
            return Ok(());
        };
        Err(Error::conflict(match (precondition, revision) {
            (Precondition::Absent, _) => format!("{what} exists already"),
            (_, None) => format!("{what} does not exist"),
            (Precondition::Revision(wanted), Some(found)) => {
                format!("{what} is at revision {found}, not {wanted}: somebody changed it; read it again")
            }
            (Precondition::Present, Some(_)) => format!("the precondition does not hold for {what}"),
        }))
    }
}
