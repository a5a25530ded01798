//! Judging one plugin: the only way from evidence to an answer.

use jackfield_registry::{Digest, Rights};

use super::{Expected, SourceRule, TrustPolicy, Unsigned};
use crate::{Evidence, Origin, Signer, evidence::Proof};

/// The most pieces of evidence that are looked at.
const MAX_EVIDENCE: usize = 64;
/// The most reasons that are told.
const MAX_REASONS: usize = 4;

/// A plugin that is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Where it came from.
    pub origin: &'a Origin,
    /// The digest that signatures are of: of a manifest in a registry, otherwise of the file.
    pub digest: &'a Digest,
    /// What was found beside it.
    pub evidence: &'a [Evidence],
    /// What it asks for.
    pub rights: &'a Rights,
    /// Whether the operator said that this file will do without a signature. It counts for files for which there is no rule.
    pub unsigned_file: bool,
}

/// A plugin that may be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Who signed it; none where that was not needed.
    pub signer: Option<Signer>,
    /// The prefix of the rule that decided; none where there is none.
    pub rule: Option<String>,
    /// What is attested of it, by the types of predicates.
    pub attestations: Vec<String>,
}

/// Why a plugin may not be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no rule.
    #[error(
        "no rule of the trust policy is about `{origin}`; to trust what comes from there, add one:\n[[source]]\nprefix = \"{origin}\"\n[[source.signer]]\nkey = '''\n(the signer's public key, as in `cosign.pub`)\n'''{}",
        if origin.is_file() { "\nor, for this file alone, say that it needs no signature: `--allow-unsigned`" } else { "" }
    )]
    NoRule {
        /// Where it came from.
        origin: Origin,
    },
    /// There is no signature.
    #[error(
        "`{origin}` is not signed, and the trust policy's rule for `{prefix}` wants a signature; sign it with `jackfield plugin sign`, or allow it there with `unsigned = \"allow\"`"
    )]
    Unsigned {
        /// Where it came from.
        origin: Origin,
        /// The rule.
        prefix: String,
    },
    /// No signature is one that the rule wants.
    #[error(
        "no signature of `{origin}` is by a signer that the trust policy's rule for `{prefix}` names:{}",
        listed(reasons)
    )]
    NoSigner {
        /// Where it came from.
        origin: Origin,
        /// The rule.
        prefix: String,
        /// Why each does not count.
        reasons: Vec<String>,
    },
    /// An attestation is missing.
    #[error("the trust policy's rule for `{prefix}` wants an attestation `{missing}` by one of its signers, and `{origin}` has {}", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
    Attestation {
        /// Where it came from.
        origin: Origin,
        /// The rule.
        prefix: String,
        /// What is missing.
        missing: String,
        /// What there is.
        found: Vec<String>,
    },
    /// It asks for more than may be given.
    #[error(
        "`{origin}` asks for more than the trust policy's rule for `{prefix}` lets plugins from there have:{}",
        listed(beyond)
    )]
    Ceiling {
        /// Where it came from.
        origin: Origin,
        /// The rule.
        prefix: String,
        /// What is above the ceiling.
        beyond: Vec<String>,
    },
    /// The trust root that ships cannot be read.
    #[error(transparent)]
    Root(#[from] crate::RootError),
}

fn listed(lines: &[String]) -> String {
    let shown: String = lines.iter().take(MAX_REASONS).map(|line| format!("\n  - {line}")).collect();
    let more = lines.len().saturating_sub(MAX_REASONS);
    if more == 0 { shown } else { format!("{shown}\n  - and {more} more") }
}

impl TrustPolicy {
    /// Judges a plugin by the rule for the place it came from.
    pub fn judge(&self, delivery: &Delivery<'_>) -> Result<Judgement, Refusal> {
        let Delivery { origin, rights, .. } = *delivery;
        let Some((rule, expected)) = self.rule(origin) else {
            if origin.is_file() && delivery.unsigned_file {
                return Ok(Judgement { signer: None, rule: None, attestations: Vec::new() });
            }
            return Err(Refusal::NoRule { origin: origin.clone() });
        };
        let (origin, prefix) = (origin.clone(), rule.prefix.clone());
        let (signer, attestations) = self.signed(delivery, rule, expected)?;
        if let Some(missing) = rule.attestations.iter().find(|wanted| !attestations.contains(wanted)) {
            return Err(Refusal::Attestation { origin, prefix, missing: missing.clone(), found: attestations });
        }
        let beyond = rule.ceiling.as_ref().map(|ceiling| ceiling.exceeded(rights)).unwrap_or_default();
        if !beyond.is_empty() {
            return Err(Refusal::Ceiling { origin, prefix, beyond });
        }
        Ok(Judgement { signer, rule: Some(prefix), attestations })
    }

    /// Who signed, and what is attested by those who may sign.
    fn signed(
        &self,
        delivery: &Delivery<'_>,
        rule: &SourceRule,
        expected: &[Expected],
    ) -> Result<(Option<Signer>, Vec<String>), Refusal> {
        let (mut signer, mut attestations, mut reasons) = (None, Vec::new(), Vec::new());
        let root = self.root()?;
        for evidence in delivery.evidence.iter().take(MAX_EVIDENCE) {
            for expected in expected {
                match evidence.proves(delivery.digest, expected, root) {
                    Ok(Proof::Signed(by)) => signer = signer.or(Some(by)),
                    Ok(Proof::Attested(_, kind)) => attestations.push(kind),
                    Err(reason) => reasons.push(reason),
                }
            }
        }
        reasons.sort();
        reasons.dedup();
        let (origin, prefix) = (delivery.origin.clone(), rule.prefix.clone());
        let nothing = delivery.evidence.is_empty() || expected.is_empty();
        match (signer, rule.unsigned) {
            (Some(signer), _) => Ok((Some(signer), attestations)),
            // Where signers are named, a signature that is not theirs is worse than none.
            (None, Unsigned::Allow) if nothing => Ok((None, attestations)),
            (None, _) if delivery.evidence.is_empty() => Err(Refusal::Unsigned { origin, prefix }),
            (None, _) => {
                if expected.is_empty() {
                    reasons.push("it names none".into());
                } else if reasons.is_empty() {
                    reasons.push("what there is attests something, but signs nothing".into());
                }
                Err(Refusal::NoSigner { origin, prefix, reasons })
            }
        }
    }
}
