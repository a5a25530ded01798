//! Lists, page by page. All pages of a list show the store as it was when the first one was read: the cursor holds that
//! revision and the last key. When etcd has compacted the revision since, the list has to be started anew, and the error
//! says so. A page of large values ends early rather than filling the plugin's memory.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::errors;
use crate::span::Span;
use crate::wire::{Int, Kv, Range};

/// The most bytes of JSON that are read for one page.
const BUDGET: usize = 24 * 1024 * 1024;

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The state that all pages show.
    pub(crate) revision: i64,
    /// The last key of the page before.
    pub(crate) after: Vec<u8>,
}

/// Some keys in order.
pub(crate) struct Part {
    pub(crate) kvs: Vec<Kv>,
    /// The state they are from.
    pub(crate) revision: i64,
    /// There are more after them.
    pub(crate) more: bool,
}

impl Cursor {
    pub(crate) fn seal(&self) -> String {
        paging::seal(&format!("{}:{}", self.revision, URL_SAFE_NO_PAD.encode(&self.after)))
    }

    /// Reads the cursor of a page, which must be one of a list of this prefix.
    pub(crate) fn of(page: &Page, prefix: &str) -> Result<Option<Self>> {
        let Some(sealed) = &page.cursor else { return Ok(None) };
        let cursor = Self::parse(&paging::unseal(sealed)?).filter(|cursor| cursor.after.starts_with(prefix.as_bytes()));
        cursor
            .map(Some)
            .ok_or_else(|| Error::invalid("/page/cursor", "this cursor belongs to another list; start without one"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (revision, after) = text.split_once(':')?;
        let revision = revision.parse().ok().filter(|revision| *revision > 0)?;
        Some(Self { revision, after: URL_SAFE_NO_PAD.decode(after).ok()? })
    }
}

impl Etcd {
    /// At most `limit` keys of a prefix, from behind the cursor, without the hidden ones.
    pub(crate) fn scan(&self, prefix: &str, cursor: Option<&Cursor>, limit: usize) -> Result<Part> {
        let mut revision = cursor.map(|cursor| cursor.revision);
        let span = Span::of(prefix);
        let span = match cursor {
            Some(cursor) => span.after(&cursor.after),
            None => span,
        };
        let mut kvs = Vec::new();
        let mut spans = span.without(self.settings.marker_prefix.as_bytes()).into_iter().peekable();
        while let Some(span) = spans.next() {
            let part = self.part(&span, revision, limit - kvs.len()).map_err(explain)?;
            revision = Some(part.revision);
            kvs.extend(part.kvs);
            if part.more || (kvs.len() >= limit && spans.peek().is_some()) {
                return Ok(Part { kvs, revision: part.revision, more: true });
            }
        }
        Ok(Part { kvs, revision: revision.unwrap_or_default(), more: false })
    }

    fn part(&self, span: &Span, revision: Option<i64>, mut limit: usize) -> Result<Part> {
        loop {
            let range = Range {
                key: span.start(),
                range_end: Some(span.end()),
                limit: Some(Int(i64::try_from(limit).unwrap_or(i64::MAX))),
                revision: revision.map(Int),
                ..Range::default()
            };
            // One key has to fit, whatever its size: there is nothing smaller to ask for.
            let budget = if limit == 1 { usize::MAX } else { BUDGET };
            if let Some(found) = self.range_within(&range, budget)? {
                let revision = revision.unwrap_or(found.header.revision.0);
                return Ok(Part { kvs: found.kvs, revision, more: found.more });
            }
            limit = (limit / 8).max(1);
        }
    }
}

fn explain(error: Error) -> Error {
    if errors::is_compacted(&error) {
        let message = "etcd no longer keeps the state that this list began with; start again without a cursor";
        return Error { message: message.to_owned(), ..error };
    }
    if errors::is_future(&error) {
        let message = "this cursor is of a state that etcd has not reached, so of another store; start without one";
        return Error { source: ErrorSource::Plugin, ..Error::invalid("/page/cursor", message) };
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cursor: &str) -> Page {
        Page { cursor: Some(cursor.to_owned()), limit: None }
    }

    #[test]
    fn a_cursor_comes_back_with_any_key() {
        for after in [&b"a/b"[..], b"a/", &[b'a', b'/', 0, 255]] {
            let cursor = Cursor { revision: 7, after: after.to_vec() };
            assert_eq!(Cursor::of(&page(&cursor.seal()), "a/"), Ok(Some(cursor)));
        }
        assert_eq!(Cursor::of(&Page::default(), "a/"), Ok(None));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let sealed = Cursor { revision: 7, after: b"b/c".to_vec() }.seal();
        for cursor in [&sealed, "r:7", "", &paging::seal("0:YS9i"), &paging::seal("-3:YS9i"), &paging::seal("7:*")] {
            assert!(matches!(Cursor::of(&page(cursor), "a/").unwrap_err().kind, ErrorKind::Invalid(_)), "{cursor}");
        }
    }
}
