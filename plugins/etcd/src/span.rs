//! Spans of keys: all keys with a prefix, less the hidden ones. etcd names a span by its first key and the first key after
//! it; the single zero byte as the end stands for "to the very last key".

use crate::wire::Blob;

/// Keys from `start` up to, not including, `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Vec<u8>,
    /// None: to the very last key.
    end: Option<Vec<u8>>,
}

impl Span {
    /// All keys with a prefix.
    pub(crate) fn of(prefix: &str) -> Self {
        // The smallest key there can be is one zero byte: etcd has no empty key.
        let start = if prefix.is_empty() { vec![0] } else { prefix.as_bytes().to_vec() };
        Self { start, end: after_prefix(prefix.as_bytes()) }
    }

    /// The part behind a key.
    #[must_use]
    pub(crate) fn after(mut self, key: &[u8]) -> Self {
        let next = [key, &[0]].concat();
        if next > self.start {
            self.start = next;
        }
        self
    }

    /// What is left without the keys of a prefix: none, one or two spans, in order.
    pub(crate) fn without(self, prefix: &[u8]) -> Vec<Self> {
        let hidden_end = after_prefix(prefix);
        let before = Self {
            start: self.start.clone(),
            end: Some(self.end.as_ref().map_or(prefix, |end| end.as_slice().min(prefix)).to_vec()),
        };
        let behind = hidden_end.map(|hidden_end| Self { start: self.start.max(hidden_end), end: self.end });
        [Some(before), behind].into_iter().flatten().filter(|span| !span.is_empty()).collect()
    }

    /// As etcd names the end.
    pub(crate) fn end(&self) -> Blob {
        Blob(self.end.clone().unwrap_or_else(|| vec![0]))
    }

    /// As etcd names the start.
    pub(crate) fn start(&self) -> Blob {
        Blob(self.start.clone())
    }

    fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The first key after all keys with a prefix; none where the prefix has no such end.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: &str, end: Option<&str>) -> Span {
        Span { start: start.as_bytes().to_vec(), end: end.map(|end| end.as_bytes().to_vec()) }
    }

    #[test]
    fn a_prefix_spans_its_keys_and_no_others() {
        assert_eq!(Span::of("a/"), span("a/", Some("a0")));
        assert_eq!(Span::of(""), span("\0", None));
        assert_eq!(Span::of("").end(), Blob(vec![0]));
        // The last character there is: its bytes end below 0xff, so there is always a next one.
        assert_eq!(Span::of("\u{10ffff}").end(), Blob(vec![0xf4, 0x8f, 0xbf, 0xc0]));
        assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xff]), None);
    }

    #[test]
    fn a_page_goes_on_behind_the_last_key_and_never_before_the_prefix() {
        assert_eq!(Span::of("a/").after(b"a/b"), span("a/b\0", Some("a0")));
        assert_eq!(Span::of("b/").after(b"a"), Span::of("b/"));
    }

    #[test]
    fn hidden_keys_are_cut_out_wherever_they_are() {
        let cases = [
            ("", vec![span("\0", Some("m/")), span("m0", None)]),
            ("m", vec![span("m", Some("m/")), span("m0", Some("n"))]),
            ("a/", vec![span("a/", Some("a0"))]),
            ("z/", vec![span("z/", Some("z0"))]),
            ("m/", vec![]),
            ("m/x", vec![]),
            ("m0", vec![span("m0", Some("m1"))]),
        ];
        for (prefix, expected) in cases {
            assert_eq!(Span::of(prefix).without(b"m/"), expected, "{prefix}");
        }
        assert_eq!(Span::of("").after(b"m/x").without(b"m/"), [span("m0", None)]);
        assert_eq!(Span::of("").after(b"m1").without(b"m/"), [span("m1\0", None)]);
    }
}
