//! Paths and query strings of the API.

use std::fmt::Write as _;

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    // An empty segment would be another route, and `.` and `..` are resolved on the way; none of them is a name.
    match name {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        name => encode(name, b"-._~:@"),
    }
}

fn encode(text: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A query string in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds a parameter.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(&encode(name, b"-._~"));
        self.0.push('=');
        self.0.push_str(&encode(value, b"-._~"));
    }

    /// Adds a parameter where it has a value.
    pub(crate) fn add_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, &value.to_string());
        }
    }

    /// `?a=b`, or nothing.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_whatever_it_holds() {
        for (name, expected) in [
            ("jackfield:key-value@0.1.0", "jackfield:key-value@0.1.0"),
            ("a/b?c#d%", "a%2Fb%3Fc%23d%25"),
            ("..", "%2E%2E"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(segment(name), expected);
        }
    }

    #[test]
    fn a_query_keeps_its_values_apart() {
        let mut query = Query::default();
        assert_eq!(query.as_str(), "");
        query.add("label", "a=b&c");
        query.add_some("limit", Some(5));
        query.add_some("cursor", None::<String>);
        query.add("x", "1 +2");
        assert_eq!(query.as_str(), "?label=a%3Db%26c&limit=5&x=1%20%2B2");
    }
}
