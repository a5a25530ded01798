//! One spelling for each path, so that a rule about a path is a rule about what the server will see.
//!
//! `/v1/../admin`, `/v1/%2e%2e/admin` and `/%61dmin` all reach `/admin` on some server, so rules are applied to, and
//! requests sent with, the normalised form only. What different servers read differently is refused: encoded slashes and
//! backslashes, NUL, empty segments, `..;` (which servlet containers read as `..`), and escapes of escapes.

/// The longest path and query, in bytes; most servers take no more than 8 KiB.
const MAX_BYTES: usize = 32 << 10;

/// Why a path is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {reason}")]
pub struct InvalidPath {
    reason: &'static str,
}

/// A normalised path, and the query with its `?` as it was given.
pub fn normalize(path_and_query: &str) -> Result<(String, &str), InvalidPath> {
    let wrong = |reason| Err(InvalidPath { reason });
    if path_and_query.len() > MAX_BYTES {
        return wrong("and query are longer than 32 KiB");
    }
    if !path_and_query.bytes().all(|b| (0x21..=0x7e).contains(&b) && !b"<>\"`".contains(&b)) {
        return wrong("and query hold a character that must be percent-encoded");
    }
    if path_and_query.contains('#') {
        return wrong("and query hold a `#`, which must be percent-encoded");
    }
    let end = path_and_query.find('?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(end);
    let Some(rest) = path.strip_prefix('/') else { return wrong("does not begin with `/`") };
    let mut segments: Vec<String> = Vec::new();
    let mut parts = rest.split('/').peekable();
    let mut trailing_slash = false;
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let segment = segment(part)?;
        let name = segment.split(';').next().unwrap_or_default();
        let name = name.split("%3B").next().unwrap_or_default();
        if name != segment && matches!(name, "." | "..") {
            return wrong("holds `.;` or `..;`, which some servers read as `.` and `..`");
        }
        trailing_slash = last && matches!(segment.as_str(), "" | "." | "..");
        match segment.as_str() {
            "" if last => {}
            "" => return wrong("holds an empty segment (`//`)"),
            "." => {}
            ".." => {
                if segments.pop().is_none() {
                    return wrong("leads above the endpoint (`..`)");
                }
            }
            _ => segments.push(segment),
        }
    }
    let mut path = String::with_capacity(path.len());
    for segment in &segments {
        path.push('/');
        path.push_str(segment);
    }
    if trailing_slash || path.is_empty() {
        path.push('/');
    }
    Ok((path, query))
}

/// Decodes what needs no encoding, and writes what does in capitals.
fn segment(text: &str) -> Result<String, InvalidPath> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            return Err(InvalidPath { reason: "holds a backslash" });
        }
        if byte != b'%' {
            if !(byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)) {
                return Err(InvalidPath { reason: "holds a character that must be percent-encoded" });
            }
            out.push(char::from(byte));
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(hi), Some(lo)) = (digit(), digit()) else {
            return Err(InvalidPath { reason: "holds a `%` that two hexadecimal digits do not follow" });
        };
        // Two hexadecimal digits fit a byte.
        let value = u8::try_from(hi * 16 + lo).unwrap_or_default();
        match value {
            b'/' | b'\\' => return Err(InvalidPath { reason: "holds an encoded slash or backslash" }),
            0..=0x1f | 0x7f => return Err(InvalidPath { reason: "holds an encoded control character" }),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(value)),
            _ => out.push_str(&format!("%{value:02X}")),
        }
    }
    let twice = |escape: &str| out.to_ascii_lowercase().contains(escape);
    if ["%252e", "%252f", "%255c", "%253b"].into_iter().any(twice) {
        return Err(InvalidPath { reason: "holds an escape of an escape (`%252e`), which some servers decode twice" });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> String {
        normalize(text).unwrap().0
    }

    #[test]
    fn a_path_becomes_what_a_server_would_make_of_it() {
        assert_eq!(path("/"), "/");
        assert_eq!(path("/v1/../admin"), "/admin");
        assert_eq!(path("/v1/%2e%2e/admin"), "/admin");
        assert_eq!(path("/v1/.%2E/admin"), "/admin");
        assert_eq!(path("/%61dmin/./x"), "/admin/x");
        assert_eq!(path("/a%c3%a4/%3f"), "/a%C3%A4/%3F");
        assert_eq!(path("/a/"), "/a/");
        assert_eq!(path("/a/b/.."), "/a/");
        assert_eq!(path("/a;b=c/..."), "/a;b=c/...");
        assert_eq!(path("/100%25"), "/100%25");
        assert_eq!(normalize("/a?b=/../c").unwrap(), ("/a".into(), "?b=/../c"));
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for text in [
            "",
            "a",
            "http://x/",
            "/..",
            "/a/../../b",
            "/a//b",
            "//host/x",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/a%0a",
            "/a b",
            "/a\r\nHost: x",
            "/a#b",
            "/%zz",
            "/a/..;/b",
            "/a/..;x=y/b",
            "/a/.;/b",
            "/a/%2e%2e;/b",
            "/a/..%3b/b",
            "/a/%252e%252E/b",
            "/a%252fb",
            "/a<b",
            "/a?<",
            "/a^b",
            "/a|b",
            "/%4",
            "/ä",
        ] {
            assert!(normalize(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(text in "/[a-c./%25eE2fF?;bB3]{0,24}") {
            if let Ok((once, query)) = normalize(&text) {
                let whole = format!("{once}{query}");
                prop_assert_eq!(normalize(&whole).unwrap(), (once, query));
            }
        }

        #[test]
        fn no_normal_path_holds_a_dot_segment(text in "(/|[.]|%2[eE]|a|;|%3[bB]|%25){0,16}") {
            if let Ok((path, _)) = normalize(&text) {
                prop_assert!(!path.split('/').any(|s| matches!(s.split(';').next(), Some("." | ".."))), "{}", path);
            }
        }
    }
}
