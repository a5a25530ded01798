//! A trust policy as it is written.

use serde::{Deserialize, Serialize};

use super::{AdvisoryRule, Ceiling, Expected, MAX_RULES, MAX_SIGNERS, PolicyError, Wanted, prefix};
use crate::{PublicKey, statement};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Document {
    /// Whom identities are believed of, in the form of sigstore's `trusted_root.json`, instead of the public good instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trust_root: Option<String>,
    /// What becomes of a plugin in which a fault is known.
    #[serde(default, skip_serializing_if = "AdvisoryRule::is_default")]
    pub(super) advisories: AdvisoryRule,
    /// Needed, be it empty: a file that says nothing is a mistake, and no wish to trust nobody.
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
    /// The most that a plugin may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
    /// Who may have signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signer: Vec<SignerRule>,
    /// Attestations that a plugin needs besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestation: Vec<AttestationRule>,
}

/// An attestation that a plugin needs besides a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttestationRule {
    /// The type of its predicate, e.g. `https://slsa.dev/provenance/v1`. What the predicate says is not read.
    pub r#type: String,
    /// Who may attest it, and signs nothing by that; where none is named, the rule's signers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signer: Vec<SignerRule>,
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
    /// Who that is; `*` stands for anything without an `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Document {
    /// Judges the rules; who is expected by each.
    pub(super) fn check(&self) -> Result<Vec<Wanted>, PolicyError> {
        at_most(self.source.len(), MAX_RULES)?;
        let mut all = Vec::with_capacity(self.source.len());
        for (number, rule) in self.source.iter().enumerate() {
            let prefix = rule.prefix.clone();
            prefix::check(&prefix).map_err(|reason| PolicyError::Prefix {
                rule: number,
                prefix: prefix.clone(),
                reason,
            })?;
            // `oci://a` and `oci://a/` cover the same.
            let same = |other: &SourceRule| other.prefix.trim_end_matches('/') == prefix.trim_end_matches('/');
            if self.source.iter().take(number).any(same) {
                return Err(PolicyError::Twice { rule: number, prefix });
            }
            let signers = expected(&rule.signer, &format!("source[{number}].signer"))?;
            at_most(rule.attestation.len(), MAX_SIGNERS)?;
            let attested = rule.attestation.iter().enumerate().map(|(at, attestation)| {
                if attestation.r#type == statement::SIGNATURE {
                    return Err(PolicyError::Attestation { place: format!("source[{number}].attestation[{at}].type") });
                }
                let by = expected(&attestation.signer, &format!("source[{number}].attestation[{at}].signer"))?;
                Ok((attestation.r#type.clone(), if by.is_empty() { signers.clone() } else { by }))
            });
            let attestations = attested.collect::<Result<_, _>>()?;
            all.push(Wanted { signers, attestations });
        }
        Ok(all)
    }
}

fn at_most(count: usize, most: usize) -> Result<(), PolicyError> {
    if count > most { Err(PolicyError::TooMany { count, most }) } else { Ok(()) }
}

pub(super) fn expected(signers: &[SignerRule], place: &str) -> Result<Vec<Expected>, PolicyError> {
    at_most(signers.len(), MAX_SIGNERS)?;
    signers.iter().enumerate().map(|(at, signer)| signer.check(&format!("{place}[{at}]"))).collect()
}

impl SignerRule {
    fn check(&self, place: &str) -> Result<Expected, PolicyError> {
        let place = place.to_owned();
        match (&self.key, &self.issuer, &self.subject) {
            (Some(pem), None, None) => {
                PublicKey::from_pem(pem).map(Expected::Key).map_err(|error| PolicyError::Key { place, error })
            }
            (None, Some(issuer), Some(subject)) => {
                if !issuer.starts_with("https://") {
                    return Err(PolicyError::Issuer { place, issuer: issuer.clone() });
                }
                if is_anybody(subject) {
                    return Err(PolicyError::Anybody { place, subject: subject.clone() });
                }
                Ok(Expected::Identity { issuer: issuer.clone(), subject: subject.clone() })
            }
            _ => Err(PolicyError::Signer { place }),
        }
    }
}

/// Whether a pattern stands for people who have nothing in common but whoever vouches for them. Of a URI it names the host and
/// whose it is there, of an address of mail the domain.
fn is_anybody(subject: &str) -> bool {
    let Some((before, _)) = subject.split_once('*') else { return subject.is_empty() };
    let after = subject.rsplit('*').next().unwrap_or_default();
    match before.split_once("://") {
        // A host, and a part of the path that is whole.
        Some((_, rest)) => rest.split('/').filter(|part| !part.is_empty()).count() < 2 || rest.matches('/').count() < 2,
        None => !after.split_once('@').is_some_and(|(_, domain)| domain.contains('.') && !domain.starts_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_at_least_a_domain_or_whose_repository_it_is() {
        for anybody in [
            "",
            "*",
            "**",
            "*.*",
            "*@*",
            "*@com",
            "*@.com",
            "https://github.com/*",
            "https://*/acme/x",
            "https://github.com/acme*",
            "a*",
        ] {
            assert!(is_anybody(anybody), "{anybody}");
        }
        for somebody in [
            "a",
            "a@example.com",
            "*@example.com",
            "https://github.com/acme/*",
            "https://github.com/acme/*@refs/tags/*",
        ] {
            assert!(!is_anybody(somebody), "{somebody}");
        }
    }
}
