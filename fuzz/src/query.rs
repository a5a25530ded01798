//! What a request says beside its body. An input is a query string and, on further lines, headers as `name: value`.
//!
//! A query that is read means one thing: written out again it reads the same. What it means to an operation is JSON that
//! is judged like any other. What is refused is refused as a problem document, whatever the words in it.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use jackfield_reflect::{JsonLimits, Operation, operations, read_wit};
use jackfield_sdk::http::encode;
use jackfield_server::fuzzing;
use serde_json::Value;

/// Checks a query and headers.
pub fn check(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let query = lines.next().unwrap_or_default();
    headers(lines);
    let Some(uri) = crate::text(query).and_then(|query| format!("/v1/x?{query}").parse::<Uri>().ok()) else { return };
    let pairs = match fuzzing::query(&uri) {
        Ok(pairs) => pairs,
        Err(problem) => return is_problem(&problem),
    };
    let written: Vec<String> = pairs.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
    if let Ok(uri) = format!("/?{}", written.join("&")).parse() {
        assert_eq!(fuzzing::query(&uri).as_ref(), Ok(&pairs), "{written:?}");
    }
    match fuzzing::page(&["a", "b", "ü"], &uri) {
        Ok(page) => drop(serde_json::from_str::<Value>(&page).expect("a page is JSON")),
        Err(problem) => is_problem(&problem),
    }
    for operation in OPERATIONS.iter() {
        let Ok(body) = operation.params_from_query(&pairs) else { continue };
        let _ = operation.decode_params(body.to_string().as_bytes(), &JsonLimits::default());
    }
}

fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>) {
    let mut headers = HeaderMap::new();
    for line in lines.take(16) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    for problem in fuzzing::headers(&headers).into_iter().filter_map(Result::err) {
        is_problem(&problem);
    }
}

fn is_problem(problem: &str) {
    let problem: Value = serde_json::from_str(problem).expect("a problem document is JSON");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    assert!(problem["status"].as_u64().is_some_and(|status| (400..500).contains(&status)), "{problem}");
}

/// The operations of Jackfield's own capabilities.
static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let packages = read_wit(&crate::seeds::our_wit()).expect("our own WIT can be read");
    packages.iter().filter_map(|package| operations(package).ok()).flatten().collect()
});
