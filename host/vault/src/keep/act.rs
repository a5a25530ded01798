//! What is done with sources, told to whoever keeps a record: never a value, and a lease only by its name here.

/// How many may wait until they are taken.
pub(super) const CAPACITY: usize = 1024;

/// Something that was done with a source of credentials, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAct {
    /// What.
    pub kind: ActKind,
    /// For which credential.
    pub credential: String,
    /// Where, as one phrase for a person.
    pub origin: String,
    /// The lease, by its name here.
    pub lease: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// What was done with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActKind {
    /// A value was fetched: the first, or another.
    Fetched,
    /// None could be had. Told once until one can.
    FetchFailed,
    /// A lease was renewed.
    Renewed,
    /// A lease could not be renewed for now. Told once until it can.
    RenewFailed,
    /// A lease was given back.
    Revoked,
    /// A lease could not be given back. Told once a lease.
    RevokeFailed,
}

impl ActKind {
    /// What it is called where it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "source.fetched",
            Self::FetchFailed => "source.fetch-failed",
            Self::Renewed => "lease.renewed",
            Self::RenewFailed => "lease.renew-failed",
            Self::Revoked => "lease.revoked",
            Self::RevokeFailed => "lease.revoke-failed",
        }
    }

    /// Whether something failed.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::FetchFailed | Self::RenewFailed | Self::RevokeFailed)
    }
}

impl SourceAct {
    /// In one sentence for a person.
    pub fn message(&self) -> String {
        let Self { kind, credential, origin, lease, reason } = self;
        let of = format!("the credential `{credential}`, from {origin}");
        let lease = lease.as_deref().map_or(String::new(), |lease| format!(" (lease {lease})"));
        let reason = reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
        match kind {
            ActKind::Fetched => format!("fetched {of}{lease}"),
            ActKind::FetchFailed => format!("cannot fetch {of}{reason}"),
            ActKind::Renewed => format!("renewed {of}{lease}"),
            ActKind::RenewFailed => format!("cannot renew {of}{lease}{reason}"),
            ActKind::Revoked => format!("gave back {of}{lease}"),
            ActKind::RevokeFailed => format!("cannot give back {of}{lease}{reason}; it is tried again"),
        }
    }
}
