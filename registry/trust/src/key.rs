//! Public keys, as `cosign.pub` has them.

use std::fmt;

use jackfield_registry::Digest;
use sigstore_verify::crypto::KeyAlgorithm;
use sigstore_verify::types::DerPublicKey;

/// A public key: ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits and more. The last two sign what is in registries only: a
/// bundle of a file has its digest, and theirs are not signatures of digests.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(DerPublicKey);

/// Why something is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A public key that cannot be read.
    #[error("not a public key in PEM ({reason}); it begins with `-----BEGIN PUBLIC KEY-----`, as in `cosign.pub`")]
    Public {
        /// What is wrong.
        reason: String,
    },
    /// A private key that cannot be read.
    #[error(
        "not a private key in PEM ({reason}); it begins with `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----`, as in `cosign.key`, or with `-----BEGIN PRIVATE KEY-----` and is of ECDSA P-256"
    )]
    Private {
        /// What is wrong.
        reason: &'static str,
    },
    /// The password does not open the key.
    #[error("the password does not open the private key")]
    Password,
    /// The machine has no randomness.
    #[error("the machine gave no random bytes: {reason}")]
    Random {
        /// What it said.
        reason: String,
    },
}

impl PublicKey {
    /// Reads a key in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = DerPublicKey::from_pem(pem.trim()).map_err(|error| KeyError::Public { reason: error.to_string() })?;
        match KeyAlgorithm::from_spki(&key).map_err(|error| KeyError::Public { reason: error.to_string() })? {
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 | KeyAlgorithm::Rsa => {
                Ok(Self(key))
            }
            other => {
                Err(KeyError::Public { reason: format!("signatures of its kind, {other:?}, are not checked here") })
            }
        }
    }

    pub(crate) fn from_der(der: &[u8]) -> Self {
        Self(DerPublicKey::from_bytes(der))
    }

    /// As PEM, with a line's end behind the last line.
    pub fn to_pem(&self) -> String {
        let pem = self.0.to_pem().replace("\r\n", "\n");
        format!("{}\n", pem.trim_end())
    }

    /// The SHA-256 of its DER: what the key is called.
    pub fn fingerprint(&self) -> String {
        Digest::of(self.0.as_bytes()).to_string()
    }

    pub(crate) fn der(&self) -> &DerPublicKey {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.fingerprint()).finish()
    }
}
