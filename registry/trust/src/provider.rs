//! The cryptography beneath `sigstore-verify`: *ring*, which the host speaks TLS with already, and `p256` and `p384` for
//! signatures over a digest alone, which *ring* does not check. The crate's own default would bring a second C library.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use ring::signature as algorithms;
use sha2::{Digest as _, Sha256, Sha384, Sha512, digest::DynDigest};
use sigstore_verify::crypto::{CryptoProvider, Error, HashContext, Result, SigningScheme, install_default_provider};
use sigstore_verify::types::HashAlgorithm;

#[derive(Debug)]
struct Provider;

/// Has this provider used, unless the program has chosen another before.
pub(crate) fn install() {
    // A program that embeds the host may have one of its own, which serves as well.
    _ = install_default_provider(&Provider);
}

struct Hash(Box<dyn DynDigest + Send>);

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_vec()
    }
}

impl CryptoProvider for Provider {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        let hash: Box<dyn DynDigest + Send> = match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Sha256::new()),
            HashAlgorithm::Sha2384 => Box::new(Sha384::new()),
            HashAlgorithm::Sha2512 => Box::new(Sha512::new()),
            other => return Err(unsupported(&other.to_string())),
        };
        Ok(Box::new(Hash(hash)))
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<()> {
        let algorithm: &'static dyn algorithms::VerificationAlgorithm = match scheme {
            SigningScheme::EcdsaP256Sha256 => &algorithms::ECDSA_P256_SHA256_ASN1,
            SigningScheme::EcdsaP256Sha384 => &algorithms::ECDSA_P256_SHA384_ASN1,
            SigningScheme::EcdsaP384Sha256 => &algorithms::ECDSA_P384_SHA256_ASN1,
            SigningScheme::EcdsaP384Sha384 => &algorithms::ECDSA_P384_SHA384_ASN1,
            SigningScheme::Ed25519 => &algorithms::ED25519,
            SigningScheme::RsaPssSha256 => &algorithms::RSA_PSS_2048_8192_SHA256,
            SigningScheme::RsaPssSha384 => &algorithms::RSA_PSS_2048_8192_SHA384,
            SigningScheme::RsaPssSha512 => &algorithms::RSA_PSS_2048_8192_SHA512,
            SigningScheme::RsaPkcs1Sha256 => &algorithms::RSA_PKCS1_2048_8192_SHA256,
            SigningScheme::RsaPkcs1Sha384 => &algorithms::RSA_PKCS1_2048_8192_SHA384,
            SigningScheme::RsaPkcs1Sha512 => &algorithms::RSA_PKCS1_2048_8192_SHA512,
            other => return Err(unsupported(other.name())),
        };
        algorithms::UnparsedPublicKey::new(algorithm, key).verify(data, signature).map_err(|_| wrong(scheme))
    }

    fn verify_prehashed(&self, scheme: SigningScheme, key: &[u8], digest: &[u8], signature: &[u8]) -> Result<()> {
        match scheme {
            SigningScheme::EcdsaP256Sha256 | SigningScheme::EcdsaP256Sha384 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| wrong(scheme))?;
                let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| wrong(scheme))?;
                key.verify_prehash(digest, &signature).map_err(|_| wrong(scheme))
            }
            SigningScheme::EcdsaP384Sha256 | SigningScheme::EcdsaP384Sha384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| wrong(scheme))?;
                let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| wrong(scheme))?;
                key.verify_prehash(digest, &signature).map_err(|_| wrong(scheme))
            }
            other => Err(unsupported(other.name())),
        }
    }
}

fn wrong(scheme: SigningScheme) -> Error {
    Error::Verification(format!("the signature ({}) is not one of this key over this", scheme.name()))
}

fn unsupported(algorithm: &str) -> Error {
    Error::UnsupportedAlgorithm(format!("{algorithm} is not supported here"))
}
