//! Percent-encoding (RFC 3986): everything but letters, digits, `-`, `.`, `_` and `~` is escaped, which is right in every
//! part of a path, a query and a form.

/// One path segment, or one name or value of a query: `/` is escaped too.
///
/// ```
/// use jackfield_sdk::http::encode;
/// assert_eq!(encode("a/b c?"), "a%2Fb%20c%3F");
/// ```
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    push(&mut encoded, text);
    encoded
}

/// A path of several segments: each is encoded, the slashes between them stay.
///
/// ```
/// use jackfield_sdk::http::encode_path;
/// assert_eq!(encode_path("config/app name"), "config/app%20name");
/// ```
pub fn encode_path(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(encode).collect();
    segments.join("/")
}

pub(super) fn push(encoded: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(byte.into());
        } else {
            encoded.push('%');
            encoded.push(HEX[usize::from(byte >> 4)].into());
            encoded.push(HEX[usize::from(byte & 15)].into());
        }
    }
}
