//! What protects the vault key. Each key source holds, or asks somebody who holds, a key of its own, and with it wraps the
//! vault key; any one of a vault's sources opens it. The vault knows them by one trait, and remembers of each only what is
//! needed to find it again.

mod ask;
mod aws;
mod file;
mod kernel;
mod passphrase;
mod transit;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use jackfield_net::Dialer;
use serde::{Deserialize, Serialize};

use crate::{Secret, VaultError, seal};
pub use aws::AwsKms;
pub use file::make_key_file;
pub use kernel::KernelKey;
pub(crate) use passphrase::Derivation;
pub use transit::Transit;

/// Keeps the vault key.
#[async_trait]
pub(crate) trait KeySource: Send + Sync {
    /// Wraps the vault key for the use that `bound` names.
    async fn wrap(&self, key: &Secret, bound: &[u8]) -> Result<Vec<u8>, VaultError>;

    /// Gives the vault key back. [`VaultError::WrongKey`] where it was not wrapped by this source for this use.
    async fn unwrap(&self, wrapped: &[u8], bound: &[u8]) -> Result<Secret, VaultError>;
}

/// A source that is to keep the vault key from now on. In JSON `{"passphrase": "…"}`, `{"file": "/path"}`,
/// `{"keyring": {…}}`, `{"transit": {…}}` or `{"aws-kms": {…}}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewSource {
    /// Something that people know: at least twelve characters, better six random words.
    Passphrase(Secret),
    /// A file with 32 random bytes in hexadecimal, for its owner only; [`make_key_file`] makes one.
    File(PathBuf),
    /// A key in the keyring of the operating system.
    Keyring(KernelKey),
    /// The transit engine of a Vault or OpenBao.
    Transit(Transit),
    /// A key of AWS's key management service.
    AwsKms(AwsKms),
}

/// What is remembered of a source. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "type")]
pub(crate) enum Remembered {
    Passphrase(Derivation),
    File { path: PathBuf },
    Keyring(KernelKey),
    Transit(Transit),
    AwsKms(AwsKms),
}

impl Remembered {
    /// The kind of source, in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::File { .. } => "file",
            Self::Keyring(_) => "keyring",
            Self::Transit(_) => "transit",
            Self::AwsKms(_) => "aws-kms",
        }
    }

    /// What a person is told of it.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Passphrase(_) => "a passphrase".into(),
            Self::File { path } => format!("the key file {}", path.display()),
            Self::Keyring(key) => key.to_string(),
            Self::Transit(transit) => transit.to_string(),
            Self::AwsKms(kms) => kms.to_string(),
        }
    }

    /// The source, if it needs nothing of a person; or with the passphrase that one gave.
    pub(crate) async fn source(
        &self,
        passphrase: Option<&Arc<Secret>>,
        dialer: &Dialer,
    ) -> Result<Option<Box<dyn KeySource>>, VaultError> {
        Ok(Some(match (self, passphrase) {
            (Self::Passphrase(_), None) => return Ok(None),
            (Self::Passphrase(derivation), Some(passphrase)) => Box::new(Local(derivation.key(passphrase).await?)),
            (Self::File { path }, _) => Box::new(Local(file::read(path)?)),
            (Self::Keyring(key), _) => Box::new(Local(key.read().await?)),
            (Self::Transit(transit), _) => Box::new(transit.source(dialer)?),
            (Self::AwsKms(kms), _) => Box::new(kms.source(dialer)?),
        }))
    }
}

impl NewSource {
    /// The source, made where it was not there, and what to remember of it.
    pub(crate) async fn prepare(self, dialer: &Dialer) -> Result<(Remembered, Box<dyn KeySource>), VaultError> {
        Ok(match self {
            Self::Passphrase(passphrase) => {
                passphrase::judge(&passphrase)?;
                let derivation = Derivation::new()?;
                let key = derivation.key(&Arc::new(passphrase)).await?;
                (Remembered::Passphrase(derivation), Box::new(Local(key)))
            }
            Self::File(path) => {
                let path = file::absolute(&path)?;
                let key = file::read(&path)?;
                (Remembered::File { path }, Box::new(Local(key)))
            }
            Self::Keyring(name) => {
                let key = name.read().await?;
                (Remembered::Keyring(name), Box::new(Local(key)))
            }
            Self::Transit(transit) => {
                let source = transit.source(dialer)?;
                (Remembered::Transit(transit), Box::new(source))
            }
            Self::AwsKms(kms) => {
                let source = kms.source(dialer)?;
                (Remembered::AwsKms(kms), Box::new(source))
            }
        })
    }
}

/// A source whose key is here.
struct Local(Secret);

#[async_trait]
impl KeySource for Local {
    async fn wrap(&self, key: &Secret, bound: &[u8]) -> Result<Vec<u8>, VaultError> {
        seal::seal(&self.0, bound, key.expose())
    }

    async fn unwrap(&self, wrapped: &[u8], bound: &[u8]) -> Result<Secret, VaultError> {
        seal::open(&self.0, bound, wrapped).map_err(|_| VaultError::WrongKey)
    }
}
