//! Pages of a list that is at hand as a whole. The cursor is opaque to callers and checked when it comes back, so that a
//! made-up one is an `invalid` error and not a page out of nowhere.

use crate::types::{Error, Page, Result};

/// The most items a page has, whatever the caller asks for.
pub const MAX_LIMIT: usize = 10_000;

/// How many items the caller wants: `default_limit` where nothing is said, never more than [`MAX_LIMIT`]. Zero is an
/// `invalid` error.
pub fn limit(page: &Page, default_limit: usize) -> Result<usize> {
    match page.limit {
        Some(0) => Err(Error::invalid("/page/limit", "a page has at least one item")),
        Some(limit) => Ok((limit as usize).min(MAX_LIMIT)),
        None => Ok(default_limit.clamp(1, MAX_LIMIT)),
    }
}

/// The page that is asked for, and the cursor of the next one.
///
/// ```
/// use jackfield_sdk::{paging::paginate, types::Page};
/// let (items, next) = paginate(vec!["a", "b", "c"], &Page { cursor: None, limit: Some(2) }, 100)?;
/// assert_eq!(items, ["a", "b"]);
/// let (items, next) = paginate(vec!["a", "b", "c"], &Page { cursor: next, limit: Some(2) }, 100)?;
/// assert_eq!((items, next), (vec!["c"], None));
/// # Ok::<(), jackfield_sdk::Error>(())
/// ```
pub fn paginate<T>(mut items: Vec<T>, page: &Page, default_limit: usize) -> Result<(Vec<T>, Option<String>)> {
    let limit = limit(page, default_limit)?;
    let start = match &page.cursor {
        Some(cursor) => offset_of(cursor)?,
        None => 0,
    };
    items.drain(..start.min(items.len()));
    let next = (items.len() > limit).then(|| cursor_at(start + limit));
    items.truncate(limit);
    Ok((items, next))
}

/// Makes a text into an opaque cursor, for lists whose next page starts after a key.
pub fn seal(text: &str) -> String {
    use std::fmt::Write;
    let mut cursor = String::with_capacity(8 + 2 * text.len());
    let _ = write!(cursor, "{:08x}", checksum(text.as_bytes()));
    for byte in text.bytes() {
        let _ = write!(cursor, "{byte:02x}");
    }
    cursor
}

/// The text of a cursor that [`seal`] made; anything else is an `invalid` error.
pub fn unseal(cursor: &str) -> Result<String> {
    let fault =
        || Error::invalid("/page/cursor", "this is not a cursor that an earlier page returned; start without one");
    let digits = cursor.as_bytes();
    if digits.len() < 8 || !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(fault());
    }
    let byte = |at: usize| u8::from_str_radix(&cursor[at..at + 2], 16);
    let bytes =
        (8..digits.len()).step_by(2).map(byte).collect::<std::result::Result<Vec<_>, _>>().map_err(|_| fault())?;
    if u32::from_str_radix(&cursor[..8], 16) != Ok(checksum(&bytes)) {
        return Err(fault());
    }
    String::from_utf8(bytes).map_err(|_| fault())
}

fn cursor_at(offset: usize) -> String {
    seal(&format!("offset:{offset}"))
}

fn offset_of(cursor: &str) -> Result<usize> {
    let text = unseal(cursor)?;
    let offset = text.strip_prefix("offset:").and_then(|offset| offset.parse().ok());
    offset.ok_or_else(|| Error::invalid("/page/cursor", "this cursor belongs to another list; start without one"))
}

/// FNV-1a. It guards against mistakes; a cursor grants nothing, so there is nothing to forge.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_on_exactly_one_page() {
        let all: Vec<u32> = (0..25).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let (items, next) = paginate(all.clone(), &Page { cursor, limit: Some(10) }, 100).unwrap();
            seen.extend(items);
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_cursor_that_was_not_handed_out_is_refused() {
        for cursor in
            ["", "7", "zz", "00000000", "ffffffff6f", "ü1234567", &seal("key:a"), &format!("{}0", cursor_at(3))]
        {
            let page = Page { cursor: Some(cursor.to_owned()), limit: None };
            let error = paginate(vec![1], &page, 10).unwrap_err();
            assert!(matches!(error.kind, crate::types::ErrorKind::Invalid(_)), "{cursor}: {error:?}");
        }
    }

    #[test]
    fn a_page_past_the_end_is_empty() {
        let page = Page { cursor: Some(cursor_at(usize::MAX)), limit: None };
        assert_eq!(paginate(vec![1], &page, 10).unwrap(), (Vec::new(), None));
    }

    #[test]
    fn a_page_of_nothing_is_refused() {
        assert!(paginate(vec![1], &Page { cursor: None, limit: Some(0) }, 10).is_err());
    }
}
