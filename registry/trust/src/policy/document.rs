//! A trust policy as it is written.

use serde::{Deserialize, Serialize};

use super::{Ceiling, Expected, MAX_RULES, PolicyError};
use crate::PublicKey;

/// The kinds of places plugins come from.
const SCHEMES: [&str; 4] = ["oci:", "https:", "http:", "file:"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Document {
    /// Whom identities are believed of, in the form of sigstore's `trusted_root.json`, instead of the public good instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trust_root: Option<String>,
    #[serde(default)]
    pub(super) source: Vec<SourceRule>,
}

/// What plugins from one place need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SourceRule {
    /// How what it is about begins: `oci://ghcr.io/acme/`.
    pub prefix: String,
    /// What becomes of a plugin without a signature.
    #[serde(default)]
    pub unsigned: Unsigned,
    /// Attestations that a plugin needs besides, by the types of their predicates, e.g. `https://slsa.dev/provenance/v1`; each
    /// from one of the signers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<String>,
    /// Who may have signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signer: Vec<SignerRule>,
    /// The most that a plugin may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
}

/// What becomes of a plugin without a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsigned {
    /// It is refused.
    #[default]
    Refuse,
    /// It is taken as it is.
    Allow,
}

/// Who may have signed: the holder of a key, or an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignerRule {
    /// What the operator calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A public key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Who vouches for an identity, e.g. `https://token.actions.githubusercontent.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Who that is; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Document {
    /// Judges the rules; the signers of each.
    pub(super) fn check(&self) -> Result<Vec<Vec<Expected>>, PolicyError> {
        at_most(self.source.len())?;
        let mut all = Vec::with_capacity(self.source.len());
        for (number, rule) in self.source.iter().enumerate() {
            let prefix = rule.prefix.clone();
            if !SCHEMES.iter().any(|scheme| prefix.starts_with(scheme)) {
                return Err(PolicyError::Prefix { rule: number, prefix });
            }
            // `oci://a` and `oci://a/` cover the same.
            let same = |other: &SourceRule| other.prefix.trim_end_matches('/') == prefix.trim_end_matches('/');
            if self.source.iter().take(number).any(same) {
                return Err(PolicyError::Twice { rule: number, prefix });
            }
            at_most(rule.signer.len())?;
            let signers = rule.signer.iter().enumerate();
            all.push(signers.map(|(at, signer)| signer.check(number, at)).collect::<Result<_, _>>()?);
        }
        Ok(all)
    }
}

fn at_most(count: usize) -> Result<(), PolicyError> {
    if count > MAX_RULES { Err(PolicyError::TooMany(count)) } else { Ok(()) }
}

impl SignerRule {
    fn check(&self, rule: usize, signer: usize) -> Result<Expected, PolicyError> {
        match (&self.key, &self.issuer, &self.subject) {
            (Some(pem), None, None) => {
                PublicKey::from_pem(pem).map(Expected::Key).map_err(|error| PolicyError::Key { rule, signer, error })
            }
            (None, Some(issuer), Some(subject)) => {
                if subject.chars().all(|c| c == '*') {
                    return Err(PolicyError::Anybody { rule, signer, subject: subject.clone() });
                }
                Ok(Expected::Identity { issuer: issuer.clone(), subject: subject.clone() })
            }
            _ => Err(PolicyError::Signer { rule, signer }),
        }
    }
}
