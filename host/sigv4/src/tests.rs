//! The signatures of AWS's own examples.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde::Deserialize;

use super::*;

/// From AWS's `aws-signing-test-suite` (Apache-2.0), all of `v4` but one with a header of several lines.
const VECTORS: &str = include_str!("../tests/data/sigv4.json");
/// 2015-08-30T12:36:00Z.
const THEN: Duration = Duration::from_secs(1_440_938_160);

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    normalize: bool,
    sign_body: bool,
    canonical: String,
    signature: String,
    token: Option<String>,
    #[serde(default)]
    sign_token: bool,
}

const SIGNER: Signer<'static> = Signer {
    access_key_id: "AKIDEXAMPLE",
    secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token: None,
    region: "us-east-1",
    service: "service",
    payload: Payload::Signed,
};

#[test]
fn requests_are_signed_as_awss_own_vectors_are() {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 37);
    for vector in vectors {
        let mut headers = HeaderMap::new();
        let mut host = String::new();
        for (name, value) in &vector.headers {
            if name.eq_ignore_ascii_case("host") {
                host.clone_from(value);
            } else {
                headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
        }
        let method = vector.method.parse().unwrap();
        let (target, body) = (vector.target.as_str(), vector.body.as_bytes());
        // A token that is added after signing is not signed.
        let session_token = vector.token.as_deref().filter(|_| vector.sign_token);
        let signer = Signer { session_token, ..SIGNER };
        let reading = Reading { clean: vector.normalize, escape_twice: false, body_header: vector.sign_body };
        let now = SystemTime::UNIX_EPOCH + THEN;
        let request = Request { method: &method, host: &host, target, headers: &mut headers, body };
        signer.sign_as(&reading, request, now).unwrap();
        let hash = HEXLOWER.encode(digest(&SHA256, body).as_ref());
        let request = Request { method: &method, host: &host, target, headers: &mut headers, body };
        assert_eq!(canonical(&reading, &request, &hash).0, vector.canonical, "{}", vector.name);
        let value = headers[header::AUTHORIZATION].to_str().unwrap();
        assert!(value.ends_with(&format!("Signature={}", vector.signature)), "{}: {value}", vector.name);
    }
}

#[test]
fn a_path_that_is_escaped_already_is_escaped_once_more_but_not_where_it_is_a_name() {
    let path = |service, target: &str| {
        let s3 = service == "s3";
        let reading = Reading { clean: !s3, escape_twice: !s3, body_header: s3 };
        let headers = &mut HeaderMap::new();
        let request = Request { method: &Method::GET, host: "h", target, headers, body: b"" };
        let canonical = canonical(&reading, &request, "").0;
        canonical.lines().nth(1).unwrap().to_owned()
    };
    // The suite's two cases of this kind.
    assert_eq!(
        path("execute-api", "/test/@connections/JBDvjfGEIAMCERw%3D"),
        "/test/%40connections/JBDvjfGEIAMCERw%253D"
    );
    assert_eq!(
        path("lambda", "/functions/arn%3Aaws%3Alambda/invocations"),
        "/functions/arn%253Aaws%253Alambda/invocations"
    );
    assert_eq!(path("s3", "/bucket/a%20b//c%2Bd%ff"), "/bucket/a%20b//c%2Bd%FF");
}

/// AWS's own example: "a" 66,560 times, put to S3 in a chunk of 64 KiB and one of 1 KiB.
#[test]
fn a_body_in_chunks_is_signed_as_awss_own_example_is() {
    let signer = Signer {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        service: "s3",
        payload: Payload::Streaming,
        ..SIGNER
    };
    let body = vec![b'a'; 66_560];
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-storage-class", HeaderValue::from_static("REDUCED_REDUNDANCY"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("66824"));
    let (host, target) = ("s3.amazonaws.com", "/examplebucket/chunkObject.txt");
    let request = Request { method: &Method::PUT, host, target, headers: &mut headers, body: &body };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
    let framed = signer.sign(request, now).unwrap().unwrap();
    let value = headers[header::AUTHORIZATION].to_str().unwrap();
    assert!(value.ends_with("=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"), "{value}");
    assert_eq!(framed.len(), 66_824);
    let text = String::from_utf8(framed.to_vec()).unwrap();
    let lines: Vec<&str> = text.split("\r\n").filter(|line| line.contains("chunk-signature")).collect();
    assert_eq!(
        lines,
        [
            "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]
    );
}

#[test]
fn a_body_that_is_not_signed_is_said_to_be_none() {
    let signer = Signer { service: "s3", payload: Payload::Unsigned, ..SIGNER };
    let signature = |body: &[u8]| {
        let mut headers = HeaderMap::new();
        let request = Request { method: &Method::PUT, host: "h", target: "/a", headers: &mut headers, body };
        assert_eq!(signer.sign(request, SystemTime::UNIX_EPOCH + THEN).unwrap(), None);
        assert_eq!(headers[BODY], "UNSIGNED-PAYLOAD");
        headers[header::AUTHORIZATION].clone()
    };
    assert_eq!(signature(b"one"), signature(b"two"));
}
