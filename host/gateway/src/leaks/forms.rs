//! The forms in which a secret is looked for.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::SHORTEST;

/// A form of a secret.
pub(super) struct Form {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Its letters may be of either case.
    pub(super) any_case: bool,
}

/// Every form of a secret. One of several lines is looked for line by line: a key that is shown is often wrapped anew.
pub(super) fn all(secret: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    let lines = secret.split(|byte| matches!(byte, b'\n' | b'\r'));
    for line in lines.map(<[u8]>::trim_ascii).filter(|line| line.len() >= SHORTEST && !is_frame(line)) {
        let exact = |bytes: Vec<u8>| Form { bytes: Zeroizing::new(bytes), any_case: false };
        forms.push(exact(line.to_vec()));
        for offset in 0..3 {
            let standard = base64(line, offset);
            let url_safe: Vec<u8> = standard.iter().map(|byte| url_safe(*byte)).collect();
            if url_safe != *standard {
                forms.push(exact(url_safe));
            }
            forms.push(exact(standard.to_vec()));
        }
        forms.push(Form { bytes: hex(line), any_case: true });
    }
    forms
}

/// The lines around a PEM text, which all of them have.
fn is_frame(line: &[u8]) -> bool {
    line.starts_with(b"-----")
}

/// What base64 has for a secret that begins so many bytes behind a group's begin, whatever stands before and behind it.
fn base64(secret: &[u8], offset: usize) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; offset]);
    padded.reserve_exact(secret.len());
    padded.extend_from_slice(secret);
    let encoded = Zeroizing::new(BASE64.encode(&padded[..]));
    // The characters of which all six bits are the secret's.
    let first = (8 * offset).div_ceil(6);
    let end = 8 * (offset + secret.len()) / 6;
    Zeroizing::new(encoded.as_bytes().get(first..end).unwrap_or_default().to_vec())
}

fn url_safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

fn hex(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut digits = Zeroizing::new(vec![0; HEXLOWER.encode_len(secret.len())]);
    HEXLOWER.encode_mut(secret, &mut digits);
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn base64_of_anything_that_holds_the_secret_holds_the_form_of_its_offset(
            before: Vec<u8>, secret in proptest::collection::vec(any::<u8>(), 6..40), after: Vec<u8>,
        ) {
            let encoded = BASE64.encode([&before[..], &secret, &after].concat());
            let form = base64(&secret, before.len() % 3);
            prop_assert!(form.len() >= SHORTEST);
            prop_assert!(encoded.as_bytes().windows(form.len()).any(|window| window == &form[..]));
        }
    }

    #[test]
    fn a_private_key_is_looked_for_by_its_lines_and_not_by_its_frame() {
        let pem = b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\r\nabc\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n";
        let raw: Vec<_> =
            all(pem).into_iter().map(|form| form.bytes.to_vec()).filter(|form| form.starts_with(b"MIGH")).collect();
        assert_eq!(raw, [b"MIGHAgEAMBMGByqGSM49".to_vec()]);
        assert!(all(pem).iter().all(|form| !form.bytes.starts_with(b"-----") && form.bytes.as_slice() != b"abc"));
    }
}
