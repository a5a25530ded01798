//! Sealing: XChaCha20-Poly1305 with a random nonce, which is long enough (24 bytes) that two never meet. What is sealed is
//! bound to what it is for (the associated data): moved to another record or version, it does not open.
//!
//! A sealed text is the nonce, then the ciphertext, then the tag.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{AeadInOut as _, Tag},
};

use crate::{Secret, VaultError};

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;

/// What was sealed does not open: with this key, for this use, it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unopened;

/// Seals `plain` for the use that `bound` names.
pub(crate) fn seal(key: &Secret, bound: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut sealed = vec![0; NONCE + plain.len() + TAG];
    let (nonce, rest) = sealed.split_at_mut(NONCE);
    getrandom::fill(nonce).map_err(|error| VaultError::Random(error.to_string()))?;
    let (text, tag) = rest.split_at_mut(plain.len());
    text.copy_from_slice(plain);
    let damaged = || VaultError::Damaged("a key of the wrong length".into());
    let cipher = cipher(key).map_err(|_| damaged())?;
    let nonce = (&*nonce).try_into().map_err(|_| damaged())?;
    let made = cipher.encrypt_inout_detached(nonce, bound, text.into()).map_err(|_| damaged())?;
    tag.copy_from_slice(&made);
    Ok(sealed)
}

/// Opens what was sealed for the same use; the plain text is never anywhere but in the secret.
pub(crate) fn open(key: &Secret, bound: &[u8], sealed: &[u8]) -> Result<Secret, Unopened> {
    let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or(Unopened)?;
    let len = rest.len().checked_sub(TAG).ok_or(Unopened)?;
    let (text, tag) = rest.split_at(len);
    let nonce = nonce.try_into().map_err(|_| Unopened)?;
    let tag: &Tag<XChaCha20Poly1305> = tag.try_into().map_err(|_| Unopened)?;
    let cipher = cipher(key)?;
    Secret::with(len, |plain| {
        plain.copy_from_slice(text);
        cipher.decrypt_inout_detached(nonce, bound, plain.into(), tag).map_err(|_| Unopened)
    })
}

fn cipher(key: &Secret) -> Result<XChaCha20Poly1305, Unopened> {
    XChaCha20Poly1305::new_from_slice(key.expose()).map_err(|_| Unopened)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::from(vec![byte; KEY])
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_key_for_its_use_and_in_no_other_way(
            plain: Vec<u8>, bound: Vec<u8>, other: Vec<u8>, flip: prop::sample::Index, bit in 0..8u32,
        ) {
            let sealed = seal(&key(1), &bound, &plain).unwrap();
            let opened = open(&key(1), &bound, &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain[..]);
            prop_assert!(open(&key(2), &bound, &sealed).is_err());
            prop_assert_eq!(open(&key(1), &other, &sealed).is_ok(), other == bound);
            let mut changed = sealed.clone();
            changed[flip.index(sealed.len())] ^= 1 << bit;
            prop_assert!(open(&key(1), &bound, &changed).is_err());
            prop_assert!(open(&key(1), &bound, &sealed[..flip.index(sealed.len())]).is_err());
        }
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        assert_ne!(seal(&key(1), b"", b"x").unwrap(), seal(&key(1), b"", b"x").unwrap());
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn it_is_the_published_algorithm() {
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let nonce: Vec<u8> = (0x40..=0x57).collect();
        let bound = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let tag = [0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49];
        let begins = [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b];
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let mut text = plain.to_vec();
        let cipher = cipher(&Secret::from(key)).unwrap();
        let made = cipher.encrypt_inout_detached(nonce[..].try_into().unwrap(), &bound, (&mut text[..]).into());
        assert_eq!(made.unwrap()[..], tag);
        assert!(text.starts_with(&begins));
    }
}
