//! What was found beside a plugin, and what it proves.

use jackfield_registry::Digest;
use sigstore_verify::types::{Artifact, Bundle, Sha256Hash, SignatureContent, Statement};
use sigstore_verify::{VerificationPolicy, crypto::SubjectAltName};

use crate::{PublicKey, Signer, SimpleSignature, TrustRoot, keyed, policy::Expected, simple, statement};

/// The largest piece of evidence that is looked at, in bytes. A bundle with a certificate and a log's proof has a tenth.
pub const MAX_EVIDENCE_BYTES: usize = 1024 * 1024;

/// A signature or an attestation, not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A sigstore bundle: of a file's digest, or an in-toto statement about it.
    Bundle(Vec<u8>),
    /// A signature in cosign's older form.
    Simple(SimpleSignature),
}

/// What a piece of evidence proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Someone signed it.
    Signed(Signer),
    /// Someone attests something of it, by the predicate's type.
    Attested(Signer, String),
}

impl Evidence {
    /// What it proves of something with this digest, if it is from who is expected.
    pub(crate) fn proves(&self, digest: &Digest, expected: &Expected, root: &TrustRoot) -> Result<Proof, String> {
        match (self, expected) {
            (Self::Simple(found), Expected::Key(key)) => {
                let size = found.payload.len().max(found.signature.len());
                bounded(size)?;
                simple::verify(found, key, digest)?;
                Ok(Proof::Signed(by_key(key)))
            }
            (Self::Simple(_), Expected::Identity { .. }) => {
                Err("a signature in cosign's older form has no identity that is checked here; sign with cosign 3"
                    .into())
            }
            (Self::Bundle(bytes), expected) => {
                bounded(bytes.len())?;
                bundle(bytes, digest, expected, root)
            }
        }
    }
}

fn bounded(size: usize) -> Result<(), String> {
    if size > MAX_EVIDENCE_BYTES {
        return Err(format!("it has {size} bytes; at most {MAX_EVIDENCE_BYTES} are looked at"));
    }
    Ok(())
}

fn by_key(key: &PublicKey) -> Signer {
    Signer::Key { fingerprint: key.fingerprint() }
}

fn bundle(bytes: &[u8], digest: &Digest, expected: &Expected, root: &TrustRoot) -> Result<Proof, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the bundle is not text".to_owned())?;
    let bundle = Bundle::from_json(text).map_err(|error| format!("the bundle cannot be read: {error}"))?;
    let signer = match expected {
        Expected::Key(key) => {
            keyed::verify(&bundle, key, digest)?;
            by_key(key)
        }
        Expected::Identity { issuer, subject } => {
            let artifact = Artifact::from_digest(Sha256Hash::new(*digest.as_bytes()));
            let policy = VerificationPolicy::any_identity().require_issuer(issuer.clone());
            let found = root.verifier().verify(artifact, &bundle, &policy).map_err(|error| error.to_string())?;
            if !(found.certificate_verified() && found.tlog_verified()) {
                return Err("neither the certificate nor the log's proof was checked".into());
            }
            let name = found.identity().map(name).unwrap_or_default();
            if !matches(subject, &name) {
                return Err(format!("it is signed by `{name}`, not by `{subject}`"));
            }
            Signer::Identity { issuer: issuer.clone(), subject: name }
        }
    };
    proof(&bundle, signer)
}

/// What a bundle that was verified says.
fn proof(bundle: &Bundle, signer: Signer) -> Result<Proof, String> {
    match &bundle.content {
        SignatureContent::MessageSignature(_) => Ok(Proof::Signed(signer)),
        SignatureContent::DsseEnvelope(envelope) => {
            let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
                .map_err(|error| format!("the statement cannot be read: {error}"))?;
            Ok(match statement.predicate_type {
                kind if kind == statement::SIGNATURE => Proof::Signed(signer),
                kind => Proof::Attested(signer, kind),
            })
        }
        _ => Err("the bundle has something else than a signature or a statement".into()),
    }
}

fn name(identity: &SubjectAltName) -> String {
    match identity {
        SubjectAltName::Email(name) | SubjectAltName::Uri(name) => name.to_string(),
        other => other.to_string(),
    }
}

/// Whether a text is one that a pattern stands for; `*` stands for anything, nothing included.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_subject_stands_for_anything_and_nothing_else_does() {
        for (pattern, text, expected) in [
            ("a@example.com", "a@example.com", true),
            ("a@example.com", "aa@example.com", false),
            ("a@example.com", "a@example.com.evil", false),
            ("https://git/o/r/w.yml@refs/tags/*", "https://git/o/r/w.yml@refs/tags/v1", true),
            ("https://git/o/r/w.yml@refs/tags/*", "https://git/o/r/w.yml@refs/heads/main", false),
            ("*@example.com", "x@example.com", true),
            ("*@example.com", "x@example.com.evil", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
