//! The trust policy: for each place plugins come from, whose signature they need. The rule with the longest prefix decides,
//! alone; where there is none, nothing may be installed but a file of which the operator says so.

mod ceiling;
mod document;
mod judge;

use std::sync::OnceLock;

use crate::{KeyError, Origin, PublicKey, RootError, TrustRoot};
pub use ceiling::Ceiling;
use document::Document;
pub use document::{SignerRule, SourceRule, Unsigned};
pub use judge::{Delivery, Judgement, Refusal};

/// The most rules of a policy, and signers of a rule.
const MAX_RULES: usize = 1000;

/// Whose signature what comes from where needs.
#[derive(Debug, Default)]
pub struct TrustPolicy {
    document: Document,
    /// The signers of each rule of the document, in its order.
    expected: Vec<Vec<Expected>>,
    /// The document's trust root, or else the one that ships; read when an identity is first asked for.
    root: OnceLock<TrustRoot>,
}

/// Who is expected to have signed.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
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

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("the trust policy cannot be read: {0}")]
    Syntax(String),
    /// It has too many rules.
    #[error("the trust policy has {0} rules or signers of one rule; at most {MAX_RULES} are read")]
    TooMany(usize),
    /// A prefix that covers nothing.
    #[error(
        "`source[{rule}].prefix` is `{prefix}`: it begins with `oci:`, `https:`, `http:` or `file:`, as in `oci://ghcr.io/acme/`"
    )]
    Prefix {
        /// The rule, from 0.
        rule: usize,
        /// The prefix.
        prefix: String,
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
    #[error("`source[{rule}].signer[{signer}]` needs either `key`, or `issuer` and `subject`")]
    Signer {
        /// The rule, from 0.
        rule: usize,
        /// The signer, from 0.
        signer: usize,
    },
    /// A pattern that anybody matches.
    #[error(
        "`source[{rule}].signer[{signer}].subject` is `{subject}`, which everybody is whom the issuer vouches for; name at least a domain or a repository"
    )]
    Anybody {
        /// The rule, from 0.
        rule: usize,
        /// The signer, from 0.
        signer: usize,
        /// The subject.
        subject: String,
    },
    /// A key that cannot be read.
    #[error("`source[{rule}].signer[{signer}].key`: {error}")]
    Key {
        /// The rule, from 0.
        rule: usize,
        /// The signer, from 0.
        signer: usize,
        /// What is wrong.
        error: KeyError,
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
        let expected = document.check()?;
        let root = OnceLock::new();
        if let Some(json) = &document.trust_root {
            _ = root.set(TrustRoot::from_json(json)?);
        }
        Ok(Self { document, expected, root })
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

    /// The rule for a place: the one with the longest prefix that covers it.
    fn rule(&self, origin: &Origin) -> Option<(&SourceRule, &[Expected])> {
        let rules = self.document.source.iter().zip(&self.expected);
        let covers = rules.filter(|(rule, _)| origin.is_below(&rule.prefix));
        covers.max_by_key(|(rule, _)| rule.prefix.len()).map(|(rule, expected)| (rule, expected.as_slice()))
    }

    fn root(&self) -> Result<&TrustRoot, RootError> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let shipped = TrustRoot::public_good()?;
        Ok(self.root.get_or_init(|| shipped))
    }
}
