//! Who signed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who signed something, proved by the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Signer {
    /// The holder of a key.
    Key {
        /// The SHA-256 of the public key's DER, as `sha256:` and hexadecimal digits.
        fingerprint: String,
    },
    /// Someone who an issuer of identities vouched for at the time of signing.
    Identity {
        /// The issuer, a URL.
        issuer: String,
        /// Who: an address of mail, or what a build system calls itself.
        subject: String,
    },
}

impl Signer {
    /// Whether both are the same signer. A build system's subject ends in the revision it built, which differs by version.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Identity { issuer, subject }, Self::Identity { issuer: other_issuer, subject: other_subject }) => {
                issuer == other_issuer && without_revision(subject) == without_revision(other_subject)
            }
            _ => self == other,
        }
    }
}

/// `https://github.com/o/r/.github/workflows/w.yml@refs/tags/v1` without what follows the `@`.
fn without_revision(subject: &str) -> &str {
    subject.split_once("@refs/").map_or(subject, |(workflow, _)| workflow)
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { fingerprint } => write!(f, "key {fingerprint}"),
            Self::Identity { issuer, subject } => write!(f, "{subject} (vouched for by {issuer})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow(subject: &str) -> Signer {
        Signer::Identity { issuer: "https://issuer.example".into(), subject: subject.into() }
    }

    #[test]
    fn one_workflow_is_one_signer_at_every_revision() {
        let built = |revision: &str| workflow(&format!("https://git.example/o/r/.github/workflows/w.yml@{revision}"));
        assert!(built("refs/tags/v1").is(&built("refs/tags/v2")));
        assert!(
            !built("refs/tags/v1").is(&workflow("https://git.example/o/other/.github/workflows/w.yml@refs/tags/v1"))
        );
        assert!(!workflow("a@example.com").is(&workflow("b@example.com")));
        assert!(!workflow("a@example.com").is(&Signer::Key { fingerprint: "sha256:00".into() }));
    }
}
