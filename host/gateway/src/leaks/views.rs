//! A text with its escapes undone, and where in the text each byte comes from: percent escapes, as in queries and forms, and
//! JSON's. Made only where a text has such escapes.

use std::ops::Range;

/// A text without escapes of one kind.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where each byte's source begins; one more for the end.
    starts: Vec<usize>,
    /// Where an escape begins that may go on in what is not here yet.
    pub(super) incomplete: Option<usize>,
}

impl View {
    /// Where a part of it comes from.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or_default();
        at(range.start)..at(range.end)
    }

    /// Where the byte at an index comes from; none behind the last.
    pub(super) fn start(&self, index: usize) -> Option<usize> {
        (index < self.bytes.len()).then(|| self.starts.get(index).copied()).flatten()
    }
}

/// A kind of escape.
#[derive(Clone, Copy)]
struct Kind {
    /// What each begins with.
    sign: u8,
    /// Undoes one at the beginning of a text: the byte, and how long it is. None where there is none.
    undo: fn(&[u8]) -> Option<(u8, usize)>,
    /// Whether a text, which begins with the sign, is the beginning of one.
    begins: fn(&[u8]) -> bool,
}

const KINDS: [Kind; 2] = [
    Kind { sign: b'%', undo: percent, begins: |text| text.len() < 3 && text.iter().skip(1).all(u8::is_ascii_hexdigit) },
    Kind {
        sign: b'\\',
        undo: json,
        begins: |text| match text.get(1) {
            None => true,
            Some(b'u') => text.len() < 6 && text.iter().skip(2).all(u8::is_ascii_hexdigit),
            Some(_) => false,
        },
    },
];

/// The views of a text that differ from it.
pub(super) fn of(text: &[u8]) -> impl Iterator<Item = View> {
    views(text, 0, false)
}

/// The views of a text, of which more will come, from a place on. That may be within an escape. A view ends where an escape
/// begins that is not all here.
pub(super) fn of_tail(text: &[u8], from: usize) -> impl Iterator<Item = View> {
    views(text, from, true)
}

fn views(text: &[u8], from: usize, goes_on: bool) -> impl Iterator<Item = View> {
    let tail = text.get(from..).unwrap_or_default();
    let kinds = KINDS.into_iter().filter(move |kind| tail.contains(&kind.sign));
    kinds.map(move |kind| {
        let mut view = View { bytes: Vec::with_capacity(tail.len()), starts: Vec::new(), incomplete: None };
        view.starts.reserve(tail.len() + 1);
        let mut at = 0;
        while let Some(byte) = tail.get(at) {
            view.starts.push(from + at);
            let rest = tail.get(at..).unwrap_or_default();
            let escape = *byte == kind.sign;
            if escape && goes_on && (kind.begins)(rest) {
                view.incomplete = Some(from + at);
                return view;
            }
            let (byte, len) = escape.then(|| (kind.undo)(rest)).flatten().unwrap_or((*byte, 1));
            view.bytes.push(byte);
            at += len;
        }
        view.starts.push(from + at);
        view
    })
}

fn percent(text: &[u8]) -> Option<(u8, usize)> {
    Some((hex(text.get(1..3)?)?, 3))
}

fn json(text: &[u8]) -> Option<(u8, usize)> {
    match text.get(1)? {
        b'u' => {
            // Characters beyond ASCII are no single byte; what a secret may hold of them is looked for unescaped.
            let high = hex(text.get(2..4)?)?;
            let low = hex(text.get(4..6)?)?;
            (high == 0 && low < 0x80).then_some((low, 6))
        }
        b'n' => Some((b'\n', 2)),
        b't' => Some((b'\t', 2)),
        b'r' => Some((b'\r', 2)),
        b'b' => Some((8, 2)),
        b'f' => Some((12, 2)),
        byte @ (b'"' | b'\\' | b'/') => Some((*byte, 2)),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    u8::try_from(value(high)? << 4 | value(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_every_byte_knows_where_it_comes_from() {
        let view = of(b"a%41%zb\\u0041%4").next().unwrap();
        assert_eq!(view.bytes, b"aA%zb\\u0041%4");
        assert_eq!(view.source(0..2), 0..4);
        let view = of(br#"x\u0041\/\"\q\u00e4\u00"#).next().unwrap();
        assert_eq!(view.bytes, br#"xA/"\q\u00e4\u00"#);
        assert_eq!(view.source(1..3), 1..9);
        assert!(of(b"plain").next().is_none());
    }

    #[test]
    fn an_escape_that_is_not_all_here_ends_a_view_and_what_is_none_does_not() {
        for (text, at) in [("ab%", 2), ("ab%4", 2), ("ab\\", 2), ("ab\\u", 2), ("a\\nb\\u00f", 4)] {
            let view = of_tail(text.as_bytes(), 0).next().unwrap();
            assert_eq!(view.incomplete, Some(at), "{text}");
        }
        for text in ["ab%.", "ab%4g", "ab\\q", "ab\\ux", "ab\\n", "100% "] {
            assert_eq!(of_tail(text.as_bytes(), 0).next().unwrap().incomplete, None, "{text}");
        }
    }
}
