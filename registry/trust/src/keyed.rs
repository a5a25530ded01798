//! Bundles that were signed with a key, without a log's proof: `sigstore-verify` reads and checks the parts of a bundle, but
//! takes none that neither a log nor a time stamp speaks for. Who names a key believes its holder, and needs neither.

use jackfield_registry::Digest;
use sigstore_verify::crypto::{KeyAlgorithm, SigningScheme, verify_signature, verify_signature_prehashed};
use sigstore_verify::types::{
    Bundle, DsseEnvelope, HashAlgorithm, Sha256Hash, SignatureContent, Statement, bundle::MessageSignature,
};

use crate::{PublicKey, statement};

/// Whether a bundle's signature is one of this key over something with this digest.
pub(crate) fn verify(bundle: &Bundle, key: &PublicKey, digest: &Digest) -> Result<(), String> {
    let algorithm = KeyAlgorithm::from_spki(key.der()).map_err(|error| error.to_string())?;
    let digest = Sha256Hash::new(*digest.as_bytes());
    match &bundle.content {
        SignatureContent::MessageSignature(signature) => over_a_digest(signature, key, algorithm, &digest),
        SignatureContent::DsseEnvelope(envelope) => {
            over_a_statement(envelope, key, algorithm.default_signing_scheme(), &digest)
        }
        _ => Err("the bundle has something else than a signature or a statement".into()),
    }
}

fn over_a_digest(
    found: &MessageSignature,
    key: &PublicKey,
    algorithm: KeyAlgorithm,
    digest: &Sha256Hash,
) -> Result<(), String> {
    let scheme = algorithm.resolve_signing_scheme(HashAlgorithm::Sha2256).map_err(|error| error.to_string())?;
    if let Some(named) = &found.message_digest
        && (named.algorithm != HashAlgorithm::Sha2256 || named.digest.as_bytes() != digest.as_bytes())
    {
        return Err("the signature is for something else".into());
    }
    verify_signature_prehashed(key.der(), digest.as_bytes(), &found.signature, scheme)
        .map_err(|error| error.to_string())
}

fn over_a_statement(
    envelope: &DsseEnvelope,
    key: &PublicKey,
    scheme: SigningScheme,
    digest: &Sha256Hash,
) -> Result<(), String> {
    if envelope.payload_type != statement::PAYLOAD_TYPE {
        return Err(format!("the envelope holds `{}`, not `{}`", envelope.payload_type, statement::PAYLOAD_TYPE));
    }
    verify_signature(key.der(), &envelope.pae(), &envelope.signature.sig, scheme).map_err(|error| error.to_string())?;
    // What is not signed is not read.
    let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
        .map_err(|error| format!("the signed statement cannot be read: {error}"))?;
    if !statement.matches_sha256(digest) {
        return Err("the signed statement is about something else".into());
    }
    Ok(())
}
