//! Judging one plugin: the only way from evidence to an answer.

use std::collections::BTreeSet;

use jackfield_registry::{Digest, Limits, Rights};

use super::{Expected, SourceRule, TrustPolicy, Unsigned, Wanted};
use crate::{
    Evidence, Origin, Signer,
    evidence::{Claim, Signed},
};

/// The most pieces of evidence that are looked at.
pub(super) const MAX_EVIDENCE: usize = 64;
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
    /// The limits that it would run with.
    pub limits: &'a Limits,
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
    /// What is attested of it that the rule wants, by the types of predicates.
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
    #[error("the trust policy's rule for `{prefix}` wants an attestation `{missing}` by one of those who may attest it there, and `{origin}` has {}", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
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
    ///
    /// It takes time, up to a second for a registry that does its worst: not for a thread that others wait for.
    pub fn judge(&self, delivery: &Delivery<'_>) -> Result<Judgement, Refusal> {
        let Some((rule, wanted)) = self.rule(delivery.origin) else {
            if delivery.origin.is_file() && delivery.unsigned_file {
                return Ok(Judgement { signer: None, rule: None, attestations: Vec::new() });
            }
            return Err(Refusal::NoRule { origin: delivery.origin.clone() });
        };
        let (origin, prefix) = (delivery.origin.clone(), rule.prefix.clone());
        let found = self.look(delivery, wanted)?;
        let signer = signer(delivery, rule, wanted, &found)?;
        let attestations: Vec<String> = found.attested.into_iter().collect();
        if let Some((missing, _)) = wanted.attestations.iter().find(|(kind, _)| !attestations.contains(kind)) {
            return Err(Refusal::Attestation { origin, prefix, missing: missing.clone(), found: attestations });
        }
        let ceiling = rule.ceiling.as_ref();
        let beyond = ceiling.map(|ceiling| ceiling.exceeded(delivery.rights, delivery.limits)).unwrap_or_default();
        if !beyond.is_empty() {
            return Err(Refusal::Ceiling { origin, prefix, beyond });
        }
        Ok(Judgement { signer, rule: Some(prefix), attestations })
    }

    /// Looks at each piece of evidence once for each who is expected.
    fn look(&self, delivery: &Delivery<'_>, wanted: &Wanted) -> Result<Found, Refusal> {
        let root = self.root()?;
        let (digest, mut found) = (delivery.digest, Found::default());
        let signed = if delivery.origin.is_registry() { Signed::Manifest } else { Signed::File };
        for evidence in delivery.evidence.iter().take(MAX_EVIDENCE) {
            let piece = match evidence.read(digest, root) {
                Ok(piece) => piece,
                Err(reason) => {
                    found.reasons.insert(reason);
                    continue;
                }
            };
            let by = |expected: &Expected| match expected {
                Expected::Key(key) => piece.by_key(key, digest, signed),
                Expected::Identity { issuer, subject } => piece.by_identity(issuer, subject, signed),
            };
            for expected in &wanted.signers {
                match by(expected) {
                    Ok((signer, Claim::Signed)) => found.signer = found.signer.take().or(Some(signer)),
                    Ok((_, Claim::Attested(_))) => {}
                    Err(reason) => {
                        found.reasons.insert(reason);
                    }
                }
            }
            let attested = wanted.attestations.iter().filter(|(kind, may)| {
                may.iter().any(|expected| matches!(by(expected), Ok((_, Claim::Attested(said))) if said == *kind))
            });
            found.attested.extend(attested.map(|(kind, _)| kind.clone()));
        }
        if delivery.evidence.len() > MAX_EVIDENCE {
            found.reasons.insert(format!("there is more beside it than the {MAX_EVIDENCE} pieces that are looked at"));
        }
        Ok(found)
    }
}

/// What the evidence comes to.
#[derive(Default)]
struct Found {
    signer: Option<Signer>,
    /// The types of those attestations that the rule wants and that are by who may attest them.
    attested: BTreeSet<String>,
    reasons: BTreeSet<String>,
}

/// Who signed, where that is as the rule wants it.
fn signer(
    delivery: &Delivery<'_>,
    rule: &SourceRule,
    wanted: &Wanted,
    found: &Found,
) -> Result<Option<Signer>, Refusal> {
    let (origin, prefix) = (delivery.origin.clone(), rule.prefix.clone());
    let nothing = delivery.evidence.is_empty() || wanted.signers.is_empty();
    match (&found.signer, rule.unsigned) {
        (Some(signer), _) => Ok(Some(signer.clone())),
        // Where signers are named, a signature that is not theirs is worse than none.
        (None, Unsigned::Allow) if nothing => Ok(None),
        (None, _) if delivery.evidence.is_empty() => Err(Refusal::Unsigned { origin, prefix }),
        (None, _) => {
            let mut reasons: Vec<String> = found.reasons.iter().cloned().collect();
            if wanted.signers.is_empty() {
                reasons = vec!["it names none".into()];
            } else if reasons.is_empty() {
                reasons.push("what there is attests something, but signs nothing".into());
            }
            Err(Refusal::NoSigner { origin, prefix, reasons })
        }
    }
}
