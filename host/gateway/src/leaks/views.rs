//! A text with its escapes undone, and where in the text each byte comes from: percent escapes, as in queries and forms, and
//! JSON's. Made only where a text has such escapes.

use std::ops::Range;

use memchr::memchr;

/// A text, or a part of one, without escapes of one kind.
#[derive(Default)]
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where in it a run of bytes begins that stand in the text one after the other, and where in the text.
    runs: Vec<(usize, usize)>,
    /// Where an escape begins that may go on in what is not here yet.
    pub(super) incomplete: Option<usize>,
}

impl View {
    /// Where a part of it comes from.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        self.at(range.start)..self.at(range.end)
    }

    /// Where the byte at an index comes from; none behind the last.
    pub(super) fn start(&self, index: usize) -> Option<usize> {
        (index < self.bytes.len()).then(|| self.at(index))
    }

    fn at(&self, index: usize) -> usize {
        let after = self.runs.partition_point(|(begin, _)| *begin <= index);
        let (begin, source) = after.checked_sub(1).and_then(|run| self.runs.get(run)).copied().unwrap_or_default();
        source + (index - begin)
    }

    /// The next byte comes from here.
    fn run(&mut self, source: usize) {
        let begin = self.bytes.len();
        match self.runs.last_mut() {
            Some(last) if last.0 == begin => last.1 = source,
            _ => self.runs.push((begin, source)),
        }
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

/// The views of a text, where they differ from it: of what is around its escapes, as far as something so long may reach.
pub(super) fn of(text: &[u8], longest: usize) -> Vec<View> {
    let mut all = Vec::new();
    for kind in KINDS {
        let mut from = 0;
        while let Some(escape) = kind.next(text, from) {
            // Two views may overlap: what has the second one's first escape in it may begin in the first.
            let (view, end) = kind.view(text, escape.saturating_sub(longest), Some((escape, longest)));
            all.push(view);
            from = end;
        }
    }
    all
}

/// The views of a text, of which more will come, from a place on. That may be within an escape. A view ends where an escape
/// begins that is not all here.
pub(super) fn of_tail(text: &[u8], from: usize) -> Vec<View> {
    let tail = text.get(from..).unwrap_or_default();
    let kinds = KINDS.into_iter().filter(|kind| memchr(kind.sign, tail).is_some());
    kinds.map(|kind| kind.view(text, from, None).0).collect()
}

impl Kind {
    /// Where the next escape is that can be undone.
    fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr(self.sign, text.get(at..)?)?;
            if (self.undo)(text.get(at..)?).is_some() {
                return Some(at);
            }
            at += 1;
        }
    }

    /// The view of a text from a place on, and where in the text it ends: so far behind its last escape, of which one is
    /// known; or, where none is said, at the text's end or where an escape begins that is not all there.
    fn view(&self, text: &[u8], from: usize, around: Option<(usize, usize)>) -> (View, usize) {
        let mut view = View::default();
        let mut at = from;
        let mut end = around.map_or(text.len(), |(escape, beyond)| text.len().min(escape + beyond));
        view.run(at);
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let sign = memchr(self.sign, rest).map(|sign| at + sign);
            let escape = sign.and_then(|sign| text.get(sign..)).unwrap_or_default();
            match (sign, (self.undo)(escape)) {
                (Some(sign), Some((byte, len))) if sign < end => {
                    view.bytes.extend_from_slice(text.get(at..sign).unwrap_or_default());
                    view.run(sign);
                    view.bytes.push(byte);
                    at = sign + len;
                    view.run(at);
                    end = around.map_or(end, |(_, beyond)| text.len().min(at + beyond));
                }
                (Some(sign), None) if sign < end => {
                    if around.is_none() && (self.begins)(escape) {
                        view.bytes.extend_from_slice(text.get(at..sign).unwrap_or_default());
                        view.incomplete = Some(sign);
                        return (view, sign);
                    }
                    // No escape: the sign is a byte like others.
                    view.bytes.extend_from_slice(text.get(at..=sign).unwrap_or_default());
                    at = sign + 1;
                }
                _ => {
                    view.bytes.extend_from_slice(text.get(at..end).unwrap_or_default());
                    return (view, end.max(at));
                }
            }
        }
    }
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
        let view = of(b"a%41%zb\\u0041%4", 100).swap_remove(0);
        assert_eq!(view.bytes, b"aA%zb\\u0041%4");
        assert_eq!(view.source(0..2), 0..4);
        let view = of(br#"x\u0041\/\"\q\u00e4\u00"#, 100).swap_remove(0);
        assert_eq!(view.bytes, br#"xA/"\q\u00e4\u00"#);
        assert_eq!(view.source(1..3), 1..9);
        assert!(of(b"plain, 100% plain \\q", 100).is_empty());
    }

    #[test]
    fn an_escape_that_is_not_all_here_ends_a_view_and_what_is_none_does_not() {
        for (text, at) in [("ab%", 2), ("ab%4", 2), ("ab\\", 2), ("ab\\u", 2), ("a\\nb\\u00f", 4)] {
            let view = of_tail(text.as_bytes(), 0).swap_remove(0);
            assert_eq!(view.incomplete, Some(at), "{text}");
        }
        for text in ["ab%.", "ab%4g", "ab\\q", "ab\\ux", "ab\\n", "100% "] {
            assert_eq!(of_tail(text.as_bytes(), 0).swap_remove(0).incomplete, None, "{text}");
        }
    }
}
