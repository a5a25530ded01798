//! Credentials, sealed: typed, versioned, and opened only for who applies them to a request.
//!
//! ```text
//! key sources (passphrase, file, keyring,
//!              transit, AWS KMS)      any one of them wraps, and so opens
//!   └ vault key                             32 bytes, in memory only while the vault is open
//!       └ data key                          32 bytes, one a version of a credential
//!           └ fields                        what the version holds
//! ```
//!
//! Everything is sealed with XChaCha20-Poly1305 and bound to what it is for: this vault, this slot, this credential, this
//! version, this renewal of it. So whoever can change the data folder can lose things, but cannot make one credential pass
//! for another, or an old version for a new one. What he can read there: names, types, times, and where the key sources
//! are.
//!
//! Fields may also come from elsewhere and are then not stored at all ([`Source`]): files, variables, an OpenBao, commands.
//! What must be asked for is kept in memory and seen to by a [`Tender`].
//!
//! What stands against what: *a stolen data folder* holds nothing without a key source; *a stolen passphrase or key file*
//! is removed and the vault key replaced ([`Vault::rekey`]); *swap and core dumps* hold no secret where the system allows
//! that ([`VaultStatus::locked_memory`]); *logs and errors* cannot, since nothing prints a [`Secret`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState, net::Dialer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = Arc::new(jackfield_store::MemoryStore::new());
//! let vault = Vault::load(store.clone(), Arc::new(Dialer::new())).await?;
//! let kek = folder.path().join("kek");
//! jackfield_vault::make_key_file(&kek)?;
//! vault.init(NewSource::File(kek)).await?;
//! let token = Material::new([("token", "s3cr3t-t0ken")]);
//! vault.set("prometheus", CredentialKind::Bearer, &token, VersionState::Current).await?;
//!
//! // Another day.
//! let vault = Vault::load(store, Arc::new(Dialer::new())).await?;
//! assert!(vault.lease("prometheus").is_err(), "it is sealed");
//! vault.unlock(None).await?;
//! assert_eq!(vault.lease("prometheus")?.material.text("token"), Some("s3cr3t-t0ken"));
//! # Ok(())
//! # }
//! ```

mod certificate;
mod credential;
mod credentials;
mod error;
mod keep;
mod kek;
mod keyring;
pub mod kubeconfig;
mod pages;
mod rekey;
mod renewal;
mod seal;
mod secret;
mod source;
mod usage;
mod using;
mod vault;

pub use credential::{CredentialInfo, CredentialKind, Field, Form, Material, VersionInfo, VersionState, check_name};
pub use error::VaultError;
pub use jackfield_net as net;
pub use keep::{ActKind, LeaseInfo, LeaseState, SourceAct, Tender};
pub use kek::{AwsKms, KernelKey, NewSource, Transit, make_key_file};
pub use secret::Secret;
pub use source::{AllowedSources, BaoField, BaoServer, CommandField, Login, Source, SourceCommand, Sources};
pub use using::{InUse, Lease, Stamp};
pub use vault::{KeyInfo, Vault, VaultState, VaultStatus};

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
