//! cosign's files of private keys: PKCS #8 within NaCl's secretbox, under a password stretched by scrypt. What is written is
//! what `cosign generate-key-pair` writes; go-securesystemslib's `encrypted` package has the format.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_secretbox::{
    KeyInit as _, XSalsa20Poly1305,
    aead::{Aead as _, generic_array::GenericArray},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::KeyError;

/// The label cosign writes.
const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// The label it wrote before.
const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
/// The largest cost that a file may ask for, as a power of two: 128 MiB with a block size of eight. cosign writes 16, and 15
/// before.
const MAX_LOG_N: u8 = 17;
/// What cosign writes.
const LOG_N: u8 = 16;
const BLOCK: u32 = 8;
const LANES: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Whether a text is a private key under a password.
pub(crate) fn is_sealed(pem: &str) -> bool {
    contents(pem).is_some()
}

/// What is between the lines of dashes, where one of cosign's labels is in them.
fn contents(pem: &str) -> Option<String> {
    let pem = pem.trim();
    [LABEL, OLD_LABEL].iter().find_map(|label| {
        let inner = pem.strip_prefix(&format!("-----BEGIN {label}-----"))?;
        let inner = inner.strip_suffix(&format!("-----END {label}-----"))?;
        Some(inner.split_ascii_whitespace().collect())
    })
}

/// Opens a private key; its PKCS #8.
pub(crate) fn open(pem: &str, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let wrong = |reason| KeyError::Private { reason };
    let json = STANDARD.decode(contents(pem).ok_or(wrong("another label"))?).map_err(|_| wrong("not base64"))?;
    let sealed: Sealed = serde_json::from_slice(&json).map_err(|_| wrong("not what cosign writes"))?;
    if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
        return Err(wrong("another way of encryption than scrypt and nacl/secretbox"));
    }
    let Params { n, r, p } = sealed.kdf.params;
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    if !n.is_power_of_two() || log_n > MAX_LOG_N || r > BLOCK || p > LANES {
        return Err(wrong("it asks for more memory than keys are given here"));
    }
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| wrong("not base64"));
    let (salt, nonce, ciphertext) =
        (bytes(&sealed.kdf.salt)?, bytes(&sealed.cipher.nonce)?, bytes(&sealed.ciphertext)?);
    let nonce: [u8; 24] = nonce.try_into().map_err(|_| wrong("a nonce that is not of 24 bytes"))?;
    let cipher = cipher(password, &salt, log_n, r, p)?;
    cipher.decrypt(&GenericArray::from(nonce), &*ciphertext).map(Zeroizing::new).map_err(|_| KeyError::Password)
}

/// Writes a private key under a password.
pub(crate) fn seal(pkcs8: &[u8], password: &str) -> Result<String, KeyError> {
    let (salt, nonce) = (random::<32>()?, random::<24>()?);
    let cipher = cipher(password, &salt, LOG_N, BLOCK, LANES)?;
    let ciphertext = cipher
        .encrypt(&GenericArray::from(nonce), pkcs8)
        .map_err(|_| KeyError::Private { reason: "it could not be encrypted" })?;
    let sealed = Sealed {
        kdf: Kdf {
            name: "scrypt".into(),
            params: Params { n: 1 << LOG_N, r: BLOCK, p: LANES },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(ciphertext),
    };
    let json = serde_json::to_vec(&sealed).map_err(|_| KeyError::Private { reason: "it could not be written" })?;
    let base64 = STANDARD.encode(json);
    let mut pem = format!("-----BEGIN {LABEL}-----\n");
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {LABEL}-----\n"));
    Ok(pem)
}

fn cipher(password: &str, salt: &[u8], log_n: u8, r: u32, p: u32) -> Result<XSalsa20Poly1305, KeyError> {
    let parameters =
        scrypt::Params::new(log_n, r, p).map_err(|_| KeyError::Private { reason: "parameters scrypt has not" })?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password.as_bytes(), salt, &parameters, &mut *key)
        .map_err(|_| KeyError::Private { reason: "parameters scrypt has not" })?;
    Ok(XSalsa20Poly1305::new(GenericArray::from_slice(&*key)))
}

/// Random bytes of the machine's.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Random { reason: error.to_string() })?;
    Ok(bytes)
}
