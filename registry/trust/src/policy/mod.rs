//! The trust policy: for each place plugins come from, whose signature they need. The rule with the longest prefix decides,
//! alone; where there is none, nothing may be installed but a file of which the operator says so.

mod advisories;
mod ceiling;
mod document;
mod judge;
mod prefix;
mod signers;

use std::sync::OnceLock;

use crate::{KeyError, Origin, PublicKey, RootError, TrustRoot};
pub use advisories::{AdvisoryRule, Refuse, Severity, SeverityError};
pub use ceiling::Ceiling;
use document::Document;
pub use document::{AttestationRule, SignerRule, SourceRule, Unsigned};
pub use judge::{Delivery, Judgement, Refusal};
pub use signers::Signers;

/// The most rules of a policy.
const MAX_RULES: usize = 1000;
/// The most signers of a rule, or of an attestation: each takes time for each signature that is found.
const MAX_SIGNERS: usize = 64;

/// Whose signature what comes from where needs.
#[derive(Debug, Default)]
pub struct TrustPolicy {
    document: Document,
    /// Who is expected by each rule of the document, in its order.
    wanted: Vec<Wanted>,
    /// The document's trust root, or else the one that ships; read when a signature is first looked at.
    root: OnceLock<TrustRoot>,
}

/// Who is expected by a rule.
#[derive(Debug)]
struct Wanted {
    signers: Vec<Expected>,
    /// By the type of the predicate, who may attest it.
    attestations: Vec<(String, Vec<Expected>)>,
}

/// Who is expected to have signed.
#[derive(Clone, Debug)]
enum Expected {
    /// The holder of a key.
    Key(PublicKey),
    /// Someone who an issuer vouched for.
    Identity {
        /// The issuer.
        issuer: String,
        /// A pattern for who.
        subject: String,
    },
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("the trust policy cannot be read: {0}")]
    Syntax(String),
    /// It has too many of something.
    #[error("the trust policy has {count} rules, or signers in one place; at most {most} are read")]
    TooMany {
        /// How many.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// A prefix that covers nothing.
    #[error("`source[{rule}].prefix` is `{prefix}`, which no place begins with: {reason}")]
    Prefix {
        /// The rule, from 0.
        rule: usize,
        /// The prefix.
        prefix: String,
        /// Why not.
        reason: &'static str,
    },
    /// Two rules for the same.
    #[error(
        "`source[{rule}].prefix` is `{prefix}`, for which there is a rule already; put the signers of both into one"
    )]
    Twice {
        /// The second rule, from 0.
        rule: usize,
        /// The prefix.
        prefix: String,
    },
    /// A signer that is neither a key nor an identity.
    #[error("`{place}` needs either `key`, or `issuer` and `subject`")]
    Signer {
        /// Where.
        place: String,
    },
    /// An issuer that is none.
    #[error("`{place}.issuer` is `{issuer}`; an issuer is written as a URL: `https://accounts.google.com`")]
    Issuer {
        /// Where.
        place: String,
        /// What is written.
        issuer: String,
    },
    /// A pattern that anybody matches.
    #[error(
        "`{place}.subject` is `{subject}`, which stands for everybody whom the issuer vouches for; name at least a domain (`*@example.com`) or whose repository it is (`https://github.com/acme/*`)"
    )]
    Anybody {
        /// Where.
        place: String,
        /// The subject.
        subject: String,
    },
    /// A key that cannot be read.
    #[error("`{place}.key`: {error}")]
    Key {
        /// Where.
        place: String,
        /// What is wrong.
        error: KeyError,
    },
    /// An attestation that is a signature.
    #[error("`{place}` is what cosign calls a signature; who has to sign is written as `[[source.signer]]`")]
    Attestation {
        /// Where.
        place: String,
    },
    /// A trust root that cannot be read.
    #[error("`trust-root`: {0}")]
    Root(#[from] RootError),
}

impl TrustPolicy {
    /// Reads a policy in TOML.
    pub fn parse(toml: &str) -> Result<Self, PolicyError> {
        Self::new(toml::from_str(toml).map_err(|error| PolicyError::Syntax(error.to_string()))?)
    }

    /// Reads a policy in JSON.
    pub fn from_json(json: &[u8]) -> Result<Self, PolicyError> {
        Self::new(serde_json::from_slice(json).map_err(|error| PolicyError::Syntax(error.to_string()))?)
    }

    fn new(document: Document) -> Result<Self, PolicyError> {
        let wanted = document.check()?;
        let root = OnceLock::new();
        if let Some(json) = &document.trust_root {
            _ = root.set(TrustRoot::from_json(json)?);
        }
        Ok(Self { document, wanted, root })
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.document).unwrap_or_default()
    }

    /// As TOML, as it could be read again.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.document).unwrap_or_default()
    }

    /// The rules.
    pub fn rules(&self) -> &[SourceRule] {
        &self.document.source
    }

    /// What becomes of a plugin in which a fault is known.
    pub fn advisories(&self) -> &AdvisoryRule {
        &self.document.advisories
    }

    /// Whom identities are believed of, in the form of sigstore's `trusted_root.json`, where that is not its public good instance.
    pub fn trust_root(&self) -> Option<&str> {
        self.document.trust_root.as_deref()
    }

    /// The most that a plugin from a place may ask for, where the rule for it says so.
    pub fn ceiling_of(&self, origin: &Origin) -> Option<&Ceiling> {
        self.rule(origin)?.0.ceiling.as_ref()
    }

    /// The rule for a place: the one with the longest prefix that covers it.
    fn rule(&self, origin: &Origin) -> Option<(&SourceRule, &Wanted)> {
        let rules = self.document.source.iter().zip(&self.wanted);
        let covers = rules.filter(|(rule, _)| origin.is_below(&rule.prefix));
        covers.max_by_key(|(rule, _)| rule.prefix.len())
    }

    fn root(&self) -> Result<&TrustRoot, RootError> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let shipped = TrustRoot::public_good()?;
        Ok(self.root.get_or_init(|| shipped))
    }
}
