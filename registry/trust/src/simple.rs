//! cosign's signatures of before version 3: a JSON in the form of Red Hat's "simple signing", signed as it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jackfield_registry::Digest;
use serde::Deserialize;
use serde_json::json;
use sigstore_verify::crypto::{KeyAlgorithm, verify_signature};
use sigstore_verify::types::SignatureBytes;

use crate::PublicKey;

/// What the payload says that it is.
const TYPE: &str = "cosign container image signature";

/// A signature in cosign's older form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimpleSignature {
    /// What is signed: a JSON that names the manifest's digest. In a registry it is a layer.
    pub payload: Vec<u8>,
    /// The signature in base64. In a registry it is the layer's annotation `dev.cosignproject.cosign/signature`.
    pub signature: String,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

/// What is signed.
pub(crate) fn payload(repository: &str, manifest: &Digest) -> Vec<u8> {
    json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": manifest.to_string() },
            "type": TYPE,
        },
        "optional": null,
    })
    .to_string()
    .into_bytes()
}

/// Whether a signature is one of this key over this manifest.
pub(crate) fn verify(simple: &SimpleSignature, key: &PublicKey, manifest: &Digest) -> Result<(), String> {
    let signature = STANDARD.decode(&simple.signature).map_err(|_| "the signature is not base64".to_owned())?;
    let scheme = KeyAlgorithm::from_spki(key.der()).map_err(|error| error.to_string())?.default_signing_scheme();
    verify_signature(key.der(), &simple.payload, &SignatureBytes::from_bytes(&signature), scheme)
        .map_err(|error| error.to_string())?;
    // What is not signed is not read.
    let payload: Payload = serde_json::from_slice(&simple.payload)
        .map_err(|error| format!("the signed payload cannot be read: {error}"))?;
    if payload.critical.r#type != TYPE {
        return Err(format!("the signed payload is a `{}`, not a `{TYPE}`", payload.critical.r#type));
    }
    if payload.critical.image.digest != *manifest {
        return Err(format!("the signature is for {}, not for {manifest}", payload.critical.image.digest));
    }
    Ok(())
}
