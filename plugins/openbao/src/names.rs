//! Which keys there can be. OpenBao takes a key for a path and rewrites or refuses some spellings: two that mean the same path would
//! be one key with two names, so only the one spelling that it keeps as it is gets through.

use jackfield_sdk::prelude::*;

/// The longest key, in bytes.
const MAX_KEY: usize = 512;

/// A key: segments with `/` between them.
pub(crate) fn key(key: &str, field: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Error::invalid(field, format!("a key has 1 to {MAX_KEY} bytes")));
    }
    match key.split('/').any(|segment| segment.is_empty()) {
        true => Err(Error::invalid(field, "a key is a path: `/` stands only between segments, as in `app/database`")),
        false => segments(key, field),
    }
}

/// What a key may begin with.
pub(crate) fn prefix(prefix: &str, field: &str) -> Result<()> {
    if prefix.len() > MAX_KEY {
        return Err(Error::invalid(field, format!("a prefix has at most {MAX_KEY} bytes")));
    }
    if prefix.starts_with('/') || prefix.contains("//") {
        return Err(Error::invalid(field, "no key begins like this: `/` stands only between segments, as in `app/`"));
    }
    // The last segment may be the beginning of one.
    segments(folder(prefix), field)
}

/// The folder that all keys with a prefix are in; empty, or with `/` at its end.
pub(crate) fn folder(prefix: &str) -> &str {
    prefix.rfind('/').and_then(|end| prefix.get(..=end)).unwrap_or_default()
}

fn segments(path: &str, field: &str) -> Result<()> {
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Error::invalid(field, "`.` and `..` name no key of their own"));
    }
    // A backslash is a slash to some servers on the way, so the host sends none.
    match path.chars().any(|c| c.is_control() || c == '\\') {
        true => Err(Error::invalid(field, "a key has no control characters and no backslash")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_in_the_one_spelling_that_openbao_keeps() {
        for good in ["a", "a/b", "a..b", "ü x%+?*", ".a/b."] {
            assert_eq!(key(good, "/key"), Ok(()), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/./b", "../a", "a\u{1}", "a\n", "a\\b", &"k".repeat(513)] {
            assert!(key(bad, "/key").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_may_end_anywhere_in_a_key() {
        for (good, of) in [("", ""), ("a", ""), ("a/", "a/"), ("a/b", "a/"), ("a/..", "a/"), ("a/b/.", "a/b/")] {
            assert_eq!((prefix(good, "/prefix"), folder(good)), (Ok(()), of), "{good}");
        }
        for bad in ["/", "a//", "../a", "a/../b"] {
            assert!(prefix(bad, "/prefix").is_err(), "{bad}");
        }
    }
}
