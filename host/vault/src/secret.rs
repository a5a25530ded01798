//! Bytes that nobody else should see. Each [`Secret`] has pages of its own, so that it can be kept out of swap and core
//! dumps without asking that of anything else, and it is overwritten before they are given back. Nothing prints one,
//! nothing serialises one, and a copy is made only by who asks for the bytes.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use zeroize::Zeroize as _;

use crate::{VaultError, pages::Pages};

/// Secret bytes.
pub struct Secret(Pages);

impl Secret {
    /// So many bytes, all 0, that `fill` then writes: secrets that are made or decrypted here are never anywhere else.
    pub fn with<E>(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut pages = Pages::new(len);
        fill(pages.bytes_mut())?;
        Ok(Self(pages))
    }

    /// So many random bytes.
    pub fn random(len: usize) -> Result<Self, VaultError> {
        Self::with(len, getrandom::fill).map_err(|error| VaultError::Random(error.to_string()))
    }

    /// The bytes. Whoever copies them overwrites the copy.
    pub fn expose(&self) -> &[u8] {
        self.0.bytes()
    }

    /// The bytes as text, where they are that.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(self.expose()).ok()
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A copy; the original is not touched.
impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        let mut pages = Pages::new(bytes.len());
        pages.bytes_mut().copy_from_slice(bytes);
        Self(pages)
    }
}

/// Takes the bytes over and overwrites where they were.
impl From<Vec<u8>> for Secret {
    fn from(mut bytes: Vec<u8>) -> Self {
        let secret = Self::from(&bytes[..]);
        bytes.zeroize();
        secret
    }
}

/// Takes the text over and overwrites where it was.
impl From<String> for Secret {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

/// A text, which is nowhere else once it is read: as far as whoever reads it keeps no copy.
/// What is told of a secret that is no text: nothing of it.
const NOT_TEXT: &str = "a secret is a text; put it in quotes";

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(text.as_bytes().into())
            }

            fn visit_string<E>(self, text: String) -> Result<Secret, E> {
                Ok(text.into())
            }

            // A value of another type would be told in the error.
            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(NOT_TEXT))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_and_is_what_it_was_made_of() {
        let secret = Secret::from("correct horse".to_owned());
        assert_eq!((secret.expose_str(), secret.len()), (Some("correct horse"), 13));
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(…) Some(Secret(…))");
        assert!(Secret::from(Vec::new()).is_empty());
    }

    #[test]
    fn random_secrets_differ() {
        let two = [Secret::random(32).unwrap(), Secret::random(32).unwrap()];
        assert_ne!(two[0].expose(), two[1].expose());
    }
}
