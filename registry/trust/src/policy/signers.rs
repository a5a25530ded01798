//! Those who may sign one thing, apart from a policy: what an operator names beside it, an index of plugins for example.

use std::sync::OnceLock;

use jackfield_registry::Digest;

use super::{Expected, PolicyError, SignerRule, document::expected, judge::MAX_EVIDENCE};
use crate::{
    Evidence, PublicKey, Signer, TrustRoot,
    evidence::{Claim, Signed},
};

/// Those who may sign something: holders of keys, and identities. One of them is enough.
#[derive(Debug)]
pub struct Signers {
    expected: Vec<Expected>,
    /// Whom identities are believed of; the root that ships is read when a signature is first looked at.
    root: OnceLock<TrustRoot>,
}

impl SignerRule {
    /// The holder of a key.
    pub fn of_key(key: &PublicKey) -> Self {
        Self { name: None, key: Some(key.to_pem()), issuer: None, subject: None }
    }
}

impl Signers {
    /// Those whom the rules name. `trust_root`: whom identities are believed of, in the form of sigstore's `trusted_root.json`,
    /// instead of its public good instance.
    pub fn new(rules: &[SignerRule], trust_root: Option<&str>) -> Result<Self, PolicyError> {
        let root = OnceLock::new();
        if let Some(json) = trust_root {
            _ = root.set(TrustRoot::from_json(json)?);
        }
        Ok(Self { expected: expected(rules, "signer")?, root })
    }

    /// Who of them signed a file of this digest; why each signature does not count where none of them did. An attestation is
    /// none.
    pub fn of_file(&self, digest: &Digest, evidence: &[Evidence]) -> Result<Signer, Vec<String>> {
        let mut reasons = Vec::new();
        if self.expected.is_empty() {
            reasons.push("nobody is named who may sign it".to_owned());
        }
        if evidence.is_empty() {
            reasons.push("it is not signed".to_owned());
        }
        let root = self.root().map_err(|error| vec![error])?;
        for evidence in evidence.iter().take(MAX_EVIDENCE) {
            let piece = match evidence.read(digest, root) {
                Ok(piece) => piece,
                Err(reason) => {
                    reasons.push(reason);
                    continue;
                }
            };
            for expected in &self.expected {
                let by = match expected {
                    Expected::Key(key) => piece.by_key(key, digest, Signed::File),
                    Expected::Identity { issuer, subject } => piece.by_identity(issuer, subject, Signed::File),
                };
                match by {
                    Ok((signer, Claim::Signed)) => return Ok(signer),
                    Ok((_, Claim::Attested(_))) => {
                        reasons.push("what there is attests something, but signs nothing".to_owned());
                    }
                    Err(reason) => reasons.push(reason),
                }
            }
        }
        reasons.sort();
        reasons.dedup();
        Err(reasons)
    }

    fn root(&self) -> Result<&TrustRoot, String> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let shipped = TrustRoot::public_good().map_err(|error| error.to_string())?;
        Ok(self.root.get_or_init(|| shipped))
    }
}
