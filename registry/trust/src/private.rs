//! Private keys, and what is signed with them: ECDSA P-256, as cosign makes them.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jackfield_registry::Digest;
use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::Signer as _, signature::hazmat::PrehashSigner as _},
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{KeyError, PublicKey, SimpleSignature, sealed, simple, statement};

/// What a bundle in today's format is called.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A private key. It is shown to nobody, and overwritten when it is dropped.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// A new one.
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            // All but one in 2^32 numbers of 32 bytes are keys.
            let bytes = Zeroizing::new(sealed::random::<32>()?);
            if let Ok(key) = SecretKey::from_slice(&*bytes) {
                return Ok(Self(key.into()));
            }
        }
    }

    /// Reads a key in PEM: `cosign.key` under its password, or PKCS #8 without one.
    pub fn from_pem(pem: &str, password: &str) -> Result<Self, KeyError> {
        let wrong = |reason| KeyError::Private { reason };
        let key = if sealed::is_sealed(pem) {
            SecretKey::from_pkcs8_der(&sealed::open(pem, password)?)
        } else {
            SecretKey::from_pkcs8_pem(pem.trim())
        };
        key.map(|key| Self(key.into())).map_err(|_| wrong("not PKCS #8 of ECDSA P-256"))
    }

    /// Whether a key in PEM is under a password.
    pub fn needs_password(pem: &str) -> bool {
        sealed::is_sealed(pem)
    }

    /// As `cosign.key` has it, under a password.
    pub fn to_pem(&self, password: &str) -> Result<String, KeyError> {
        let pkcs8 = self.0.to_pkcs8_der().map_err(|_| KeyError::Private { reason: "it could not be written" })?;
        sealed::seal(pkcs8.as_bytes(), password)
    }

    /// The public key to it.
    pub fn public(&self) -> PublicKey {
        let der = self.0.verifying_key().to_public_key_der();
        // A point of the curve always has a DER.
        PublicKey::from_der(der.as_ref().map(|der| der.as_bytes()).unwrap_or_default())
    }

    /// Signs a file by its digest: what `cosign sign-blob --bundle` writes.
    pub fn bundle(&self, file: &Digest) -> Vec<u8> {
        let signature: Option<Signature> = self.0.sign_prehash(file.as_bytes()).ok();
        let content = json!({
            "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(file.as_bytes()) },
            "signature": encoded(signature),
        });
        self.bundled("messageSignature", &content)
    }

    /// Signs what is in a registry by its manifest's digest: the bundle that `cosign sign` attaches.
    pub fn image_bundle(&self, manifest: &Digest) -> Vec<u8> {
        let payload = statement::of_signature(manifest);
        let signature: Signature = self.0.sign(&statement::pae(&payload));
        let content = json!({
            "payload": STANDARD.encode(&payload),
            "payloadType": statement::PAYLOAD_TYPE,
            "signatures": [{ "sig": encoded(Some(signature)) }],
        });
        self.bundled("dsseEnvelope", &content)
    }

    /// Signs what is in a registry the way cosign did before version 3.
    pub fn simple(&self, repository: &str, manifest: &Digest) -> SimpleSignature {
        let payload = simple::payload(repository, manifest);
        let signature: Signature = self.0.sign(&payload);
        SimpleSignature { payload, signature: encoded(Some(signature)) }
    }

    fn bundled(&self, kind: &str, content: &Value) -> Vec<u8> {
        // cosign's hint: the digest of the key's DER.
        let hint = STANDARD.encode(Digest::of(self.public().der().as_bytes()).as_bytes());
        json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": hint } },
            kind: content,
        })
        .to_string()
        .into_bytes()
    }
}

fn encoded(signature: Option<Signature>) -> String {
    signature.map(|signature| STANDARD.encode(signature.to_der().as_bytes())).unwrap_or_default()
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivateKey").field(&self.public().fingerprint()).finish()
    }
}
