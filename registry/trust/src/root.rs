//! Whom identities are believed of: certificate authorities, transparency logs and time stamps.

use std::fmt;

use sigstore_verify::Verifier;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};

use crate::provider;

/// A trust root, in the form of sigstore's `trusted_root.json`.
pub struct TrustRoot {
    verifier: Verifier,
}

/// Why something is not a trust root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a trust root ({reason}); it is a JSON as `cosign trusted-root create` writes it")]
pub struct RootError {
    reason: String,
}

impl TrustRoot {
    /// sigstore's public good instance as it was when this program was built.
    pub fn public_good() -> Result<Self, RootError> {
        Self::from_json(SIGSTORE_PRODUCTION_TRUSTED_ROOT)
    }

    /// Reads one.
    pub fn from_json(json: &str) -> Result<Self, RootError> {
        provider::install();
        let root = TrustedRoot::from_json(json).map_err(|error| RootError { reason: error.to_string() })?;
        let verifier = Verifier::new(&root).map_err(|error| RootError { reason: error.to_string() })?;
        Ok(Self { verifier })
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustRoot").finish_non_exhaustive()
    }
}
