//! A text that comes in pieces. Only what may be the beginning of a secret is held back until more has come.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Needles, REDACTED};

/// A text on its way through.
#[derive(Debug)]
pub struct Scan {
    needles: Arc<Needles>,
    held: Zeroizing<Vec<u8>>,
    /// So much of what is held is a secret's for sure: its beginning is redacted already.
    secret: usize,
    found: u64,
}

impl Scan {
    /// Looks for these.
    pub fn new(needles: Arc<Needles>) -> Self {
        Self { needles, held: Zeroizing::new(Vec::new()), secret: 0, found: 0 }
    }

    /// Looks for these from here on: a secret may come to be while a text is under way. Where there are none the vault was
    /// sealed, and what was looked for until then still is.
    pub fn look_for(&mut self, needles: &Arc<Needles>) {
        if !needles.is_empty() && !Arc::ptr_eq(&self.needles, needles) {
            self.needles = needles.clone();
        }
    }

    /// How many secrets were redacted so far.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Takes the next piece, and appends to `out` what is certain by now.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut all = std::mem::take(&mut self.held);
        let done = if all.is_empty() {
            self.pass(piece, false, out)
        } else {
            all.extend_from_slice(piece);
            self.pass(&all, false, out)
        };
        let text = if all.is_empty() { piece } else { &all };
        self.held.extend_from_slice(text.get(done..).unwrap_or_default());
    }

    /// The text has ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let all = std::mem::take(&mut self.held);
        self.pass(&all, true, out);
    }

    /// Appends what is certain, and tells how much of the text that is. At the end, everything is.
    fn pass(&mut self, text: &[u8], end: bool, out: &mut Vec<u8>) -> usize {
        let mut found = self.needles.find(text);
        let cut = if end { text.len() } else { self.needles.tail(text) };
        let mut done = 0;
        if self.secret > 0 {
            if cut == 0 {
                return 0;
            }
            // What goes on from before is one secret with whatever overlaps it here.
            while let Some(first) = found.first().filter(|first| first.start <= self.secret) {
                self.secret = self.secret.max(first.end);
                found.remove(0);
            }
            done = self.secret.min(cut);
        }
        self.secret = self.secret.saturating_sub(cut);
        for range in found {
            // What begins in the part that is held is found again with it.
            if range.start >= cut {
                break;
            }
            out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
            out.extend_from_slice(REDACTED.as_bytes());
            self.found += 1;
            done = range.end.min(cut);
            self.secret = range.end.saturating_sub(cut);
        }
        out.extend_from_slice(text.get(done..cut).unwrap_or_default());
        cut
    }
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };
    use proptest::prelude::*;

    use super::*;

    fn needles(secrets: &[&str]) -> Arc<Needles> {
        Arc::new(Needles::new(secrets.iter().map(|secret| secret.as_bytes())))
    }

    /// The text as it comes out when it goes in in pieces that end at these places.
    fn through(needles: &Arc<Needles>, text: &[u8], cuts: &[usize]) -> Vec<u8> {
        let (mut scan, mut out, mut from) = (Scan::new(needles.clone()), Vec::new(), 0);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        for cut in cuts {
            scan.push(&text[from..cut], &mut out);
            from = cut;
        }
        scan.push(&text[from..], &mut out);
        scan.finish(&mut out);
        out
    }

    fn text_of(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn percent(text: &str, which: &[bool]) -> String {
        let byte = |(i, b): (usize, u8)| match which[i % which.len()] || !b.is_ascii_alphanumeric() {
            true if i % 2 == 0 => format!("%{b:02x}"),
            true => format!("%{b:02X}"),
            false => char::from(b).to_string(),
        };
        text.bytes().enumerate().map(byte).collect()
    }

    fn json(text: &str, which: &[bool]) -> String {
        let byte = |(i, b): (usize, u8)| match (which[i % which.len()], b) {
            (true, b) => format!("\\u00{b:02x}"),
            (false, b'/' | b'"' | b'\\') => format!("\\{}", char::from(b)),
            (false, b) => char::from(b).to_string(),
        };
        text.bytes().enumerate().map(byte).collect()
    }

    /// A secret in the forms that a server may give it back in; `before` decides base64's offset.
    fn forms(secret: &str, before: &str, which: &[bool]) -> Vec<String> {
        let pair = format!("{before}{secret}:x");
        let mixed = |(i, c): (usize, char)| if i % 3 == 0 { c.to_ascii_uppercase() } else { c };
        let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
        let base64 = STANDARD.encode(&pair);
        vec![
            secret.to_owned(),
            base64.clone(),
            URL_SAFE.encode(&pair),
            hex.clone(),
            hex.chars().enumerate().map(mixed).collect(),
            percent(secret, which),
            json(secret, which),
            base64.replace('/', "\\/"),
            percent(&base64, which),
            json(&base64, which),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_secret_is_redacted_in_every_form_and_however_it_is_cut_and_nothing_else_is(
            secret in "[!-~]{8,40}", other in "[A-Za-z0-9]{8,20}", before in "[a-z]{0,4}", noise in "[ -~]{0,60}",
            which in proptest::collection::vec(any::<bool>(), 5), cuts in proptest::collection::vec(any::<usize>(), 0..12),
        ) {
            let needles = needles(&[&secret, &other]);
            // Noise must not hold what begins or ends like a form, or there are no exact borders to expect.
            prop_assume!(needles.redact(noise.as_bytes()).is_none());
            for form in forms(&secret, &before, &which) {
                let text = format!("<<{noise}|| {form} ||{noise}>>");
                let out = through(&needles, text.as_bytes(), &cuts);
                let whole = needles.redact(text.as_bytes());
                prop_assert!(whole.is_some(), "{form} was not found");
                // Cut in any way, no more of it stays than when it is whole.
                let (out, whole) = (text_of(out), text_of(whole.unwrap_or_default()));
                prop_assert_eq!(&out, &whole, "{}", form);
                prop_assert!(needles.redact_str(&out).is_none());
            }
            let clean = format!("{noise}{noise}");
            prop_assume!(needles.redact(clean.as_bytes()).is_none());
            prop_assert_eq!(through(&needles, clean.as_bytes(), &cuts), clean.into_bytes());
        }
    }

    #[test]
    fn every_place_to_cut_at_gives_the_same() {
        let needles = needles(&["s3cr3t-t0ken", "abababab"]);
        let text = br#"{"a":"s3cr3t-t0ken","b":"abababababab","c":"\u0073\u0033cr3t-t0ken","d":"s3cr3t-t0ke"}"#;
        let expected = br#"{"a":"[redacted]","b":"[redacted]","c":"[redacted]","d":"s3cr3t-t0ke"}"#;
        for first in 0..=text.len() {
            for second in [first, text.len() / 2, text.len()] {
                let out = through(&needles, text, &[first, second]);
                assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "{first} {second}");
            }
        }
        let bytes: Vec<usize> = (0..text.len()).collect();
        assert_eq!(through(&needles, text, &bytes), expected);
    }

    #[test]
    fn an_escaped_secret_is_found_however_far_another_escape_is_from_it() {
        let needles = needles(&["s3cr3t-t0ken"]);
        for gap in 0..100 {
            for escaped in ["s3cr3t-t0ke\\u006e", "\\u0073\\u0033cr3t-t0ken", "s3cr3t\\u002dt0ken", "s3cr3t-t0ke%6E"] {
                let text = format!("\\n%20{}{escaped}{}\\n%20", "x".repeat(gap), "y".repeat(gap));
                let clean = needles.redact_str(&text).unwrap_or_default();
                assert!(clean.contains("x[redacted]y") || gap == 0 && clean.contains(REDACTED), "{gap}: {clean}");
            }
        }
    }

    #[test]
    fn what_cannot_be_the_beginning_of_a_secret_is_not_held_back() {
        let (mut scan, mut out) = (Scan::new(needles(&["s3cr3t-t0ken"])), Vec::new());
        scan.push(b"{\"event\":1}\n", &mut out);
        assert_eq!(out, b"{\"event\":1}\n");
        scan.push(b"s3cr3t", &mut out);
        assert_eq!(out.len(), 12);
        scan.push(b" was its name", &mut out);
        assert!(out.ends_with(b"s3cr3t was its name"));
    }

    #[test]
    fn a_secret_that_comes_to_be_while_a_text_is_under_way_is_found_in_the_rest_of_it() {
        let (mut scan, mut out) = (Scan::new(needles(&["s3cr3t-t0ken"])), Vec::new());
        scan.push(b"one s3cr3t-", &mut out);
        scan.look_for(&needles(&["s3cr3t-t0ken", "an0ther-secret"]));
        scan.push(b"t0ken, an0ther-", &mut out);
        // The vault was sealed.
        scan.look_for(&Arc::default());
        scan.push(b"secret", &mut out);
        scan.finish(&mut out);
        assert_eq!(text_of(out), "one [redacted], [redacted]");
    }

    #[test]
    fn a_text_that_is_all_secrets_is_not_kept() {
        let (mut scan, mut out) = (Scan::new(needles(&["aaaaaaaa"])), Vec::new());
        for _ in 0..1000 {
            scan.push(&[b'a'; 100], &mut out);
            assert!(scan.held.len() < 100, "{}", scan.held.len());
        }
        scan.finish(&mut out);
        assert_eq!(out, REDACTED.as_bytes());
    }
}
