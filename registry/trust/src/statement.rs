//! in-toto statements within DSSE envelopes: what cosign signs since version 3, and what attestations are.

use jackfield_registry::Digest;
use serde_json::json;

/// What an envelope with a statement says that it holds.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The predicate of a statement that is a signature and attests nothing.
pub(crate) const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The statement that something is signed.
pub(crate) fn of_signature(manifest: &Digest) -> Vec<u8> {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": manifest.hex() }, "annotations": {} }],
        "predicateType": SIGNATURE,
        "predicate": {},
    })
    .to_string()
    .into_bytes()
}

/// DSSE's pre-authentication encoding: what is signed of a payload.
pub(crate) fn pae(payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}
