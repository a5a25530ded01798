//! A key from a passphrase, by Argon2id: guessing costs as much memory and time each time as it costs here once.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use crate::{Secret, VaultError, seal::KEY};

/// The second recommended choice of RFC 9106, section 4, for machines that cannot spare 2 GiB.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SALT: usize = 16;

/// What a stored derivation may ask for at most: whoever can write to the data folder is not to decide what this machine
/// spends. A gigabyte is sixteen times what is made here.
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 16;

/// The shortest passphrase, in characters.
const SHORTEST: usize = 12;

/// How a passphrase becomes a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Derivation {
    /// Base64.
    salt: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Derivation {
    /// One with a salt of its own.
    pub(crate) fn new() -> Result<Self, VaultError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| VaultError::Random(error.to_string()))?;
        Ok(Self { salt: BASE64.encode(salt), memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES })
    }

    /// The key of a passphrase. Takes a tenth of a second or so, on a thread of its own.
    pub(crate) async fn key(&self, passphrase: &Arc<Secret>) -> Result<Secret, VaultError> {
        let (this, passphrase) = (self.clone(), passphrase.clone());
        let derived = tokio::task::spawn_blocking(move || this.derive(&passphrase)).await;
        derived.map_err(|error| VaultError::Damaged(format!("a key could not be derived: {error}")))?
    }

    fn derive(&self, passphrase: &Secret) -> Result<Secret, VaultError> {
        let damaged = |what: String| VaultError::Damaged(format!("how the passphrase becomes a key is wrong: {what}"));
        if self.memory_kib > MOST_MEMORY_KIB || self.passes > MOST_PASSES || self.lanes > MOST_LANES {
            return Err(damaged("it would take more than 1 GiB, 64 passes or 16 lanes".into()));
        }
        let salt = BASE64.decode(&self.salt).map_err(|error| damaged(error.to_string()))?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY));
        let params = params.map_err(|error| damaged(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Secret::with(KEY, |key| argon2.hash_password_into(passphrase.expose(), &salt, key))
            .map_err(|error| damaged(error.to_string()))
    }
}

/// Whether a passphrase may protect a vault.
pub(crate) fn judge(passphrase: &Secret) -> Result<(), VaultError> {
    let refuse = |reason: &str| Err(VaultError::Passphrase(reason.to_owned()));
    let Some(text) = passphrase.expose_str() else { return refuse("it is not UTF-8") };
    if text.chars().count() < SHORTEST {
        return refuse("it is shorter than 12 characters; six random words are easier to remember and harder to guess");
    }
    if text.chars().any(char::is_control) {
        return refuse("it holds a control character, which not every terminal can enter again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_passphrase_is_refused() {
        for bad in ["", "short", "elevenchars", "twelve chars\n"] {
            assert!(judge(&bad.to_owned().into()).is_err(), "{bad:?}");
        }
        assert!(judge(&"correct horse".to_owned().into()).is_ok());
    }

    #[test]
    fn one_salt_gives_one_key_and_another_another() {
        // As weak as it may be: this is about salts.
        let weak = |salt: &str| Derivation { salt: BASE64.encode(salt), memory_kib: 8, passes: 1, lanes: 1 };
        let passphrase = Secret::from("correct horse".to_owned());
        let key = |salt| weak(salt).derive(&passphrase).unwrap().expose().to_vec();
        assert_eq!(key("0123456789abcdef"), key("0123456789abcdef"));
        assert_ne!(key("0123456789abcdef"), key("0123456789abcdeg"));
    }

    #[test]
    fn a_stored_derivation_cannot_ask_for_any_amount_of_memory() {
        let greedy = Derivation { memory_kib: u32::MAX, ..Derivation::new().unwrap() };
        let error = greedy.derive(&"correct horse".to_owned().into()).unwrap_err();
        assert!(error.to_string().contains("1 GiB"), "{error}");
    }
}
