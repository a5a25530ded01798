//! Texts: what a guest's are, and what JSON's must be.

use std::borrow::Cow;

use super::{Failure, TextEncoding, invalid};

/// In the length of a text that is Latin-1 or UTF-16, this bit says that it is UTF-16.
const UTF16_TAG: u32 = 1 << 31;

/// A text of so many code units, for whose bytes `fetch` is asked: by their number and their alignment.
pub(super) fn decode<'m>(
    encoding: TextEncoding,
    units: u32,
    fetch: impl FnOnce(usize, usize) -> Result<&'m [u8], Box<Failure>>,
) -> Result<Cow<'m, str>, Box<Failure>> {
    let count = (units & !UTF16_TAG) as usize;
    match encoding {
        TextEncoding::Utf8 => {
            let bytes = fetch(units as usize, 1)?;
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| invalid("it is not UTF-8"))
        }
        TextEncoding::Latin1OrUtf16 if units & UTF16_TAG == 0 => {
            Ok(Cow::Owned(fetch(count, 2)?.iter().map(|byte| char::from(*byte)).collect()))
        }
        TextEncoding::Utf16 | TextEncoding::Latin1OrUtf16 => {
            let bytes = fetch(count.saturating_mul(2), 2)?;
            let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            let text: Result<String, _> = char::decode_utf16(units).collect();
            text.map(Cow::Owned).map_err(|_| invalid("it is not UTF-16"))
        }
    }
}

/// How many bytes come before the first that JSON needs escaped, if there is one.
pub(super) fn plain(bytes: &[u8]) -> Option<usize> {
    let needs = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let mut done = 0;
    // Most texts have none: blocks of this size are judged as a whole, which takes a few instructions each.
    for block in bytes.chunks(32) {
        if block.iter().fold(false, |found, byte| found | needs(*byte)) {
            return block.iter().position(|byte| needs(*byte)).map(|at| done + at);
        }
        done += block.len();
    }
    None
}

/// The letter that stands for a byte behind a backslash, where there is one.
pub(super) fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        _ => None,
    }
}
