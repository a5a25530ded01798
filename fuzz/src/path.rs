//! Paths of requests, and what a grant allows of them. An input is a pattern, a line break, and a path with its query.
//!
//! However a server reads the path that is sent (decoding once or twice, collapsing `..`, cutting parameters off at `;`,
//! taking `\` for `/`), it never leaves the part that the pattern grants.

use jackfield_gateway::{Grant, normalize};

/// Checks a path against a pattern.
pub fn check(input: &[u8]) {
    let Some((pattern, asked)) = crate::text(input).and_then(|text| text.split_once('\n')) else { return };
    let Ok((path, query)) = normalize(asked) else { return };
    let whole = format!("{path}{query}");
    assert_eq!(normalize(&whole).as_ref(), Ok(&(path.clone(), query)), "the normal form has a normal form of its own");

    let uri: http::Uri = whole.parse().expect("HTTP takes it");
    assert_eq!(uri.path(), path, "HTTP sees another path");
    let url = url::Url::parse(&format!("http://host{whole}")).expect("it is a URL's path");
    assert_eq!(url.path(), path, "the URL standard sees another path");

    let grant = Grant { methods: vec!["GET".to_owned()], paths: vec![pattern.to_owned()], ..Grant::default() };
    if grant.check("fuzzed", "api", "GET", &path).is_err() {
        return;
    }
    assert!(pattern.starts_with('/'), "{pattern:?} grants {path}");
    // A pattern with these is refused with the manifest, and so is a star that is not a whole segment.
    if pattern.contains(['%', ';', '\\']) || pattern.split('/').any(|part| part.contains('*') && part != "*") {
        return;
    }
    // What the pattern says in plain words, up to its first star.
    let granted = pattern.split_once('*').map_or(pattern, |(before, _)| before).trim_end_matches('/');
    for reading in readings(&path) {
        let rest = reading.strip_prefix(granted);
        assert!(
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            "{pattern:?} grants {path:?}, which a server reads as {reading:?}"
        );
    }
}

/// The paths that servers of different habits make of one.
fn readings(path: &str) -> Vec<String> {
    let mut readings = Vec::new();
    for decodings in 0..=2 {
        for cuts_parameters in [false, true] {
            let mut bytes = path.as_bytes().to_vec();
            for _ in 0..decodings {
                bytes = decode(&bytes);
            }
            let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
            readings.push(collapse(&text, cuts_parameters));
        }
    }
    readings
}

/// Percent-decodes what is an escape and leaves the rest.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Follows `.` and `..`.
fn collapse(path: &str, cuts_parameters: bool) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        let name = if cuts_parameters { segment.split(';').next().unwrap_or_default() } else { segment };
        match name {
            "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}
