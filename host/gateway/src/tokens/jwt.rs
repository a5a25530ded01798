//! Signed assertions: JSON Web Tokens (RFC 7519) in their compact form (RFC 7515), signed by RSA, ECDSA over P-256 or
//! Ed25519, as the key is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::Serialize;
use zeroize::{Zeroize as _, Zeroizing};

/// How long an assertion is good for; it is used at once.
const GOOD_FOR: Duration = Duration::from_secs(240);
/// How far the other side's clock may be behind this one.
const BEHIND: Duration = Duration::from_secs(60);

/// What is asserted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims<'a> {
    pub(super) issuer: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) audience: &'a str,
    /// Google has it here.
    pub(super) scope: Option<&'a str>,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    thumbprint: Option<&'a str>,
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key that signs, and by what the other side knows it.
pub(super) struct Signer<'a> {
    key: Key,
    id: Option<&'a str>,
    thumbprint: Option<String>,
}

impl<'a> Signer<'a> {
    /// With a private key in PEM.
    pub(super) fn new(pem: &str) -> Result<Self, String> {
        let mut der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "its private key is not PEM")?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(Key::Rsa),
            PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
            _ => None,
        };
        der.zeroize();
        let what = "its private key is none for signing: RSA of 2048 bits or more (PKCS#1 or PKCS#8), ECDSA over P-256 or \
                    Ed25519 (PKCS#8)";
        Ok(Self { key: key.ok_or(what)?, id: None, thumbprint: None })
    }

    /// The other side knows it by an ID.
    pub(super) fn key_id(self, id: Option<&'a str>) -> Self {
        Self { id, ..self }
    }

    /// The other side knows it by its certificate's hash.
    pub(super) fn certificate(self, pem: &str) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| "its certificate is not PEM")?;
        Ok(Self { thumbprint: Some(BASE64.encode(digest(&SHA256, &der))), ..self })
    }

    /// Signs claims that are made now.
    pub(super) fn sign(&self, claims: &Claims<'_>, now: SystemTime) -> Result<Zeroizing<String>, String> {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| format!("there are no random numbers: {error}"))?;
        let payload = Payload {
            iss: claims.issuer,
            sub: claims.subject,
            aud: claims.audience,
            scope: claims.scope,
            iat: seconds(now - BEHIND),
            exp: seconds(now + GOOD_FOR),
            jti: &BASE64.encode(id),
        };
        let alg = match &self.key {
            Key::Rsa(_) => "RS256",
            Key::P256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        };
        let header = Header { alg, typ: "JWT", kid: self.id, thumbprint: self.thumbprint.as_deref() };
        let part = |json: serde_json::Result<Vec<u8>>| json.map(|json| BASE64.encode(json)).map_err(|e| e.to_string());
        let signed = format!("{}.{}", part(serde_json::to_vec(&header))?, part(serde_json::to_vec(&payload))?);
        let signature = self.signature(signed.as_bytes()).ok_or("its private key signs nothing")?;
        Ok(Zeroizing::new(format!("{signed}.{}", BASE64.encode(signature))))
    }

    fn signature(&self, text: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).ok()?;
                Some(signature)
            }
            Key::P256(key) => Some(key.sign(&random, text).ok()?.as_ref().to_vec()),
            Key::Ed25519(key) => Some(key.sign(text).as_ref().to_vec()),
        }
    }
}

fn pkcs8(der: &[u8]) -> Option<Key> {
    let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Key::Rsa);
    let p256 =
        || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()).ok().map(Key::P256);
    let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Key::Ed25519);
    rsa().or_else(p256).or_else(ed25519)
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData as _};
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    };
    use serde_json::Value;

    use super::*;

    const CLAIMS: Claims<'_> =
        Claims { issuer: "me", subject: Some("you"), audience: "https://id.example/token", scope: None };

    fn parts(assertion: &str) -> (Value, Value, String, Vec<u8>) {
        let parts: Vec<&str> = assertion.split('.').collect();
        let json = |part: &str| serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap();
        let signed = assertion.rsplit_once('.').unwrap().0.to_owned();
        (json(parts[0]), json(parts[1]), signed, BASE64.decode(parts[2]).unwrap())
    }

    #[test]
    fn an_assertion_is_signed_by_whichever_key_there_is() {
        let with = |key: &KeyPair, name: &str, algorithm: &'static dyn VerificationAlgorithm| {
            let assertion =
                Signer::new(&key.serialize_pem()).unwrap().key_id(Some("k1")).sign(&CLAIMS, SystemTime::now());
            let (header, payload, signed, signature) = parts(&assertion.unwrap());
            assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some(name), Some("k1")));
            assert_eq!((payload["iss"].as_str(), payload["sub"].as_str()), (Some("me"), Some("you")));
            assert_eq!(payload["exp"].as_u64().unwrap() - payload["iat"].as_u64().unwrap(), 300);
            UnparsedPublicKey::new(algorithm, key.der_bytes()).verify(signed.as_bytes(), &signature).unwrap();
        };
        with(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), "ES256", &ECDSA_P256_SHA256_FIXED);
        with(&KeyPair::generate_for(&PKCS_ED25519).unwrap(), "EdDSA", &ED25519);
        let rsa = KeyPair::from_pem_and_sign_algo(include_str!("../../tests/data/rsa.pem"), &PKCS_RSA_SHA256).unwrap();
        with(&rsa, "RS256", &RSA_PKCS1_2048_8192_SHA256);
    }

    #[test]
    fn a_key_that_cannot_sign_is_told_without_it() {
        for pem in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
            let error = Signer::new(pem).err().unwrap();
            assert!(error.contains("its private key is") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn no_assertion_is_like_another() {
        let signer = Signer::new(&KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem()).unwrap();
        let now = SystemTime::now();
        assert_ne!(signer.sign(&CLAIMS, now).unwrap(), signer.sign(&CLAIMS, now).unwrap());
    }
}
