//! What was found beside a plugin, and what it proves.

use std::fmt::Write as _;

use jackfield_registry::Digest;
use sigstore_verify::types::{Artifact, Bundle, Sha256Hash, SignatureContent, Statement, VerificationMaterialContent};
use sigstore_verify::{VerificationPolicy, crypto::SubjectAltName};

use crate::{PublicKey, Signer, SimpleSignature, TrustRoot, keyed, simple, statement};

/// The largest piece of evidence that is looked at, in bytes. A bundle with a certificate and a log's proof has a tenth.
pub const MAX_EVIDENCE_BYTES: usize = 1024 * 1024;
/// The most entries of logs, and time stamps, of one bundle: cosign makes one, and each takes time to check.
const MAX_ENTRIES: usize = 4;
/// How much of a stranger's words is told, in characters.
const MAX_SHOWN: usize = 200;

/// A signature or an attestation, not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A sigstore bundle: of a file's digest, or an in-toto statement about it.
    Bundle(Vec<u8>),
    /// A signature in cosign's older form.
    Simple(SimpleSignature),
    /// Something was there that could not be had; why. It proves nothing, but nobody can say that there was nothing.
    Missed(String),
}

/// What a signature is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// A manifest in a registry. Only what says that it is a signature of one counts: a key that signs files as they are can be
    /// brought to sign a file that is a manifest.
    Manifest,
    /// A file.
    File,
}

/// A piece of evidence that could be read.
pub(crate) enum Piece<'e> {
    Simple(&'e SimpleSignature),
    Keyed(Box<Bundle>),
    /// A bundle with a certificate, with what came of checking it.
    Vouched(Box<Bundle>, Result<(String, String), String>),
}

/// What a piece of evidence says, whoever says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// That it is signed.
    Signed,
    /// Something of it, by the predicate's type.
    Attested(String),
}

impl Evidence {
    /// Reads it, and checks what can be checked without knowing whose it should be.
    pub(crate) fn read(&self, digest: &Digest, root: &TrustRoot) -> Result<Piece<'_>, String> {
        match self {
            Self::Missed(reason) => Err(shown(reason)),
            Self::Simple(found) => {
                bounded(found.payload.len().max(found.signature.len()))?;
                Ok(Piece::Simple(found))
            }
            Self::Bundle(bytes) => {
                bounded(bytes.len())?;
                let text = std::str::from_utf8(bytes).map_err(|_| "the bundle is not text".to_owned())?;
                let bundle = Bundle::from_json(text).map_err(|error| told("the bundle cannot be read", &error))?;
                let material = &bundle.verification_material;
                let entries = material.tlog_entries.len();
                let stamps = material.timestamp_verification_data.rfc3161_timestamps.len();
                if entries.max(stamps) > MAX_ENTRIES {
                    return Err(format!("the bundle has more than {MAX_ENTRIES} entries of logs or time stamps"));
                }
                if matches!(material.content, VerificationMaterialContent::PublicKey(_)) {
                    return Ok(Piece::Keyed(Box::new(bundle)));
                }
                let identity = vouched(&bundle, digest, root);
                Ok(Piece::Vouched(Box::new(bundle), identity))
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

impl Piece<'_> {
    /// What it says of something with this digest, if the holder of a key says it.
    pub(crate) fn by_key(&self, key: &PublicKey, digest: &Digest, signed: Signed) -> Result<(Signer, Claim), String> {
        let signer = || Signer::Key { fingerprint: key.fingerprint() };
        match self {
            Self::Simple(_) if signed == Signed::File => Err("it signs what is in a registry, not a file".into()),
            Self::Simple(found) => simple::verify(found, key, digest)
                .map(|()| (signer(), Claim::Signed))
                .map_err(|reason| not_by(key, &reason)),
            Self::Keyed(bundle) => {
                keyed::verify(bundle, key, digest).map_err(|reason| not_by(key, &reason))?;
                Ok((signer(), claim(bundle, signed)?))
            }
            Self::Vouched(..) => Err("it is signed by an identity, not by a key".into()),
        }
    }

    /// What it says of that, if an identity says it for which an issuer vouches.
    pub(crate) fn by_identity(&self, issuer: &str, subject: &str, signed: Signed) -> Result<(Signer, Claim), String> {
        match self {
            Self::Vouched(bundle, Ok((found_issuer, found_subject))) => {
                if found_issuer != issuer || !matches(subject, found_subject) {
                    return Err(format!("it is signed by `{}` of `{}`", shown(found_subject), shown(found_issuer)));
                }
                let signer = Signer::Identity { issuer: found_issuer.clone(), subject: found_subject.clone() };
                Ok((signer, claim(bundle, signed)?))
            }
            Self::Vouched(_, Err(reason)) => Err(reason.clone()),
            _ => Err("it is signed by a key, not by an identity".into()),
        }
    }
}

fn not_by(key: &PublicKey, reason: &str) -> String {
    format!("not by key {}: {}", key.fingerprint(), shown(reason))
}

/// Checks a bundle with a certificate once, for whoever may be expected: issuer and subject.
fn vouched(bundle: &Bundle, digest: &Digest, root: &TrustRoot) -> Result<(String, String), String> {
    let artifact = Artifact::from_digest(Sha256Hash::new(*digest.as_bytes()));
    let found = root
        .verifier()
        .verify(artifact, bundle, &VerificationPolicy::any_identity())
        .map_err(|error| shown(&error.to_string()))?;
    if !(found.certificate_verified() && found.tlog_verified()) {
        return Err("neither the certificate nor the log's proof was checked".into());
    }
    let name = match found.identity() {
        Some(SubjectAltName::Email(name) | SubjectAltName::Uri(name)) => name.to_string(),
        _ => return Err("the certificate names nobody by an address of mail or a URI".into()),
    };
    let issuer = found.issuer().ok_or("the certificate names no issuer")?;
    Ok((issuer.to_owned(), name))
}

/// What a bundle says, once its signature was verified.
fn claim(bundle: &Bundle, signed: Signed) -> Result<Claim, String> {
    match &bundle.content {
        SignatureContent::MessageSignature(_) if signed == Signed::Manifest => {
            Err("it signs a file, not what is in a registry".into())
        }
        SignatureContent::MessageSignature(_) => Ok(Claim::Signed),
        SignatureContent::DsseEnvelope(envelope) => {
            let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
                .map_err(|error| told("the statement cannot be read", &error))?;
            Ok(match statement.predicate_type {
                kind if kind == statement::SIGNATURE => Claim::Signed,
                kind => Claim::Attested(kind),
            })
        }
        _ => Err("the bundle has something else than a signature or a statement".into()),
    }
}

fn told(what: &str, error: &dyn std::fmt::Display) -> String {
    shown(&format!("{what}: {error}"))
}

/// The beginning of a text that strangers had a part in, in one line without anything that a terminal obeys.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(MAX_SHOWN) {
        if c.is_control() {
            _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    if text.chars().nth(MAX_SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// Whether a text is one that a pattern stands for; `*` stands for anything without an `@`, nothing included: what stands behind
/// the `@` of a subject is another question than what stands before it.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part).filter(|at| !rest.get(..*at).unwrap_or_default().contains('@')) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.strip_suffix(last).is_some_and(|stood_for| !stood_for.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_subject_stands_for_anything_on_its_side_of_the_at_sign() {
        for (pattern, text, expected) in [
            ("a@example.com", "a@example.com", true),
            ("a@example.com", "aa@example.com", false),
            ("a@example.com", "a@example.com.evil", false),
            ("https://git/o/r/w.yml@refs/tags/*", "https://git/o/r/w.yml@refs/tags/v1", true),
            ("https://git/o/r/w.yml@refs/tags/*", "https://git/o/r/w.yml@refs/heads/main", false),
            ("https://git/o/*@refs/tags/*", "https://git/o/r/w.yml@refs/tags/v1", true),
            ("https://git/o/*@refs/tags/*", "https://git/o/r/w.yml@refs/heads/x@refs/tags/v1", false),
            ("*@example.com", "x@example.com", true),
            ("*@example.com", "x@evil.com@example.com", false),
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

    #[test]
    fn a_strangers_words_are_short_and_in_one_line() {
        assert_eq!(shown("a\nerror: \u{1b}[31m"), "a\\nerror: \\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(1_000)).chars().count(), MAX_SHOWN + 1);
    }
}
