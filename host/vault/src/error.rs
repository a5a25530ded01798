//! What can be wrong with a vault. No variant can hold a secret.

use jackfield_store::StoreError;

use crate::CredentialKind;

/// Why a vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no vault yet.
    #[error("there is no vault yet; make one with `jackfield vault init`")]
    Absent,
    /// There is one already.
    #[error("there is a vault already, sealed with {0}; add another key source with `jackfield vault key add`")]
    Exists(String),
    /// The vault is sealed.
    #[error("the vault is sealed (with {0}); open it with `jackfield vault unlock`")]
    Sealed(String),
    /// No source that is at hand opens the vault.
    #[error("the vault was not opened: {}", .0.join("; "))]
    NotOpened(Vec<String>),
    /// A key source does not open what it should have wrapped.
    #[error("this is not the key, or what it should open was changed")]
    WrongKey,
    /// A passphrase that may not protect a vault.
    #[error("the passphrase cannot be used: {0}")]
    Passphrase(String),
    /// A key source cannot be used.
    #[error("{place} cannot be used: {reason}")]
    Source {
        /// Which.
        place: String,
        /// Why not.
        reason: String,
    },
    /// There is no such key source.
    #[error("the vault has no key source `{0}`; `jackfield vault status` lists them")]
    UnknownSource(String),
    /// A vault must be openable.
    #[error("this is the vault's last key source, without which nothing in it could ever be read; add another before")]
    LastSource,
    /// Key sources that are not at hand would no longer open the vault.
    #[error("these key sources cannot be asked now, so they would not open the vault any more: {}; give their passphrase, or remove them first", .0.join(", "))]
    Unreachable(Vec<String>),
    /// A name that no credential can have.
    #[error(
        "`{0}` cannot be a credential's name: use 1 to 63 lower-case letters, digits and `-`, starting with a letter"
    )]
    Name(String),
    /// There is no such credential.
    #[error("there is no credential `{name}`.{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// There is one of that name already, of another type.
    #[error("the credential `{name}` is of type {found}, not {wanted}; delete it first, or choose another name")]
    OtherKind {
        /// The name.
        name: String,
        /// Its type.
        found: CredentialKind,
        /// The type that was asked for.
        wanted: CredentialKind,
    },
    /// The fields are not those of the type.
    #[error("{0}")]
    Fields(String),
    /// The credential has no such version, or not in that state.
    #[error("the credential `{name}` {reason}")]
    Version {
        /// The name.
        name: String,
        /// What there is instead.
        reason: String,
    },
    /// A field that comes from elsewhere has no value that is good now.
    #[error("{origin} has given nothing that can be used now: {reason}")]
    NotFetched {
        /// Where it comes from.
        origin: String,
        /// Why there is none.
        reason: String,
    },
    /// There is no such lease.
    #[error("there is no lease `{0}`; `jackfield credential leases` lists them")]
    UnknownLease(String),
    /// A lease could not be given back.
    #[error(
        "the lease `{id}` cannot be given back: {reason}; `--force` forgets it here, and its server has it until it ends"
    )]
    LeaseStuck {
        /// What it is called here.
        id: String,
        /// Why not.
        reason: String,
    },
    /// Somebody else changed the same at the same time.
    #[error("the vault was changed by somebody else meanwhile; look at it again, then decide")]
    Conflict,
    /// What is stored is not what was stored.
    #[error("the vault is damaged: {0}; restore a backup")]
    Damaged(String),
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(String),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict,
            error => Self::Store(error),
        }
    }
}
