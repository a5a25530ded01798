//! A request in the one form in which both sides hash it.

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::Request;

/// Headers that say nothing of the request, or that proxies change.
const UNSIGNED: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::USER_AGENT,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
];

/// What a query's value leaves as it is (RFC 3986, unreserved).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What a path leaves as it is.
const PATH: &AsciiSet = &PLAIN.remove(b'/');

/// How a service reads a request before it checks the signature.
pub(crate) struct Reading {
    /// The path is cleaned of `//` and dots.
    pub(crate) clean: bool,
    /// The path is escaped once more than it is in the request.
    pub(crate) escape_twice: bool,
    /// The body's hash is a header of its own.
    pub(crate) body_header: bool,
}

/// The request as it is signed, and the names of the headers that are.
pub(crate) fn canonical(reading: &Reading, request: &Request<'_>, body: &str) -> (String, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let path: Cow<'_, str> = if reading.clean { cleaned(path).into() } else { path.into() };
    // However it is escaped, it counts as the service escapes.
    let path = if reading.escape_twice {
        percent_encode(path.as_bytes(), PATH).to_string()
    } else {
        percent_encode(&percent_decode_str(&path).collect::<Vec<_>>(), PATH).to_string()
    };
    let mut headers: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::from([("host", vec![request.host.into()])]);
    for (name, value) in request.headers.iter().filter(|(name, _)| !UNSIGNED.contains(name)) {
        headers.entry(name.as_str()).or_default().push(spaced(value));
    }
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let headers: String = headers.iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
    let query = sorted(query);
    (format!("{}\n{path}\n{query}\n{headers}\n{names}\n{body}", request.method), names)
}

/// A path without empty and dot segments.
fn cleaned(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let end = if open && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// The parameters of a query in the order of their bytes, each escaped anew. `+` is a plus sign here, as AWS reads it.
fn sorted(query: &str) -> String {
    let escaped = |text: &str| percent_encode(&percent_decode_str(text).collect::<Vec<_>>(), PLAIN).to_string();
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (escaped(name), escaped(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A header's value without spaces around it, and one where there are several.
fn spaced(value: &HeaderValue) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(value.as_bytes());
    let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    words.join(" ").into()
}
