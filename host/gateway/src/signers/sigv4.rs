//! AWS Signature Version 4, in the `Authorization` header, with the body signed too unless the binding says otherwise.
//!
//! Source: [Create a signed AWS API request](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
//! What is signed is what is sent: method, path, query, host, every header but those that are changed or added on the way,
//! and the body's hash. The test vectors are those that AWS publishes for its own SDKs.

use std::{borrow::Cow, collections::BTreeMap, time::SystemTime};

use http::{
    HeaderName, HeaderValue,
    header::{self, InvalidHeaderValue},
};
use percent_encoding::{AsciiSet, percent_decode_str, percent_encode};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::payload::{self, Payload};
use crate::authority::{PLAIN, Signed};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const BODY: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// How long a body is that is sent in signed chunks.
const LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// Headers that say nothing of the request, or that proxies change.
const UNSIGNED: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::USER_AGENT,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
];

/// What a path leaves as it is.
const PATH: &AsciiSet = &PLAIN.remove(b'/');

/// Headers that this scheme sets, and a guest may not.
pub(crate) fn is_own(name: &HeaderName) -> bool {
    [DATE, TOKEN, BODY, LENGTH].contains(name)
}

/// What requests are signed with, and for.
pub(crate) struct Signer<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret_access_key: &'a str,
    /// Of temporary credentials.
    pub(crate) session_token: Option<&'a str>,
    /// `eu-central-1`.
    pub(crate) region: &'a str,
    /// `s3`, `ec2`, `monitoring`.
    pub(crate) service: &'a str,
    /// What of the body is signed.
    pub(crate) payload: Payload,
}

/// How a service reads a request before it checks the signature.
struct Reading {
    /// The path is cleaned of `//` and dots.
    clean: bool,
    /// The path is escaped once more than it is in the request.
    escape_twice: bool,
    /// The body's hash is a header of its own.
    body_header: bool,
}

impl Signer<'_> {
    /// Signs a request that is sent at `now`.
    pub(crate) fn sign(&self, request: &mut Signed<'_>, now: SystemTime) -> Result<(), InvalidHeaderValue> {
        let s3 = self.service == "s3";
        // To S3 a path is an object's name.
        self.sign_as(&Reading { clean: !s3, escape_twice: !s3, body_header: s3 }, request, now)
    }

    fn sign_as(&self, reading: &Reading, request: &mut Signed<'_>, now: SystemTime) -> Result<(), InvalidHeaderValue> {
        let (day, time) = stamps(now);
        // Of no body there is nothing to sign by pieces.
        let streams = self.payload == Payload::Streaming && !request.body.is_empty();
        let body = match self.payload {
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Payload::Streaming if streams => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            _ => hex(digest(&SHA256, request.body).as_ref()),
        };
        request.headers.insert(DATE, HeaderValue::from_str(&time)?);
        if reading.body_header || self.payload != Payload::Signed {
            request.headers.insert(BODY, HeaderValue::from_str(&body)?);
        }
        if streams {
            let coded = match request.headers.get(header::CONTENT_ENCODING) {
                Some(before) => [b"aws-chunked,", before.as_bytes()].concat(),
                None => b"aws-chunked".to_vec(),
            };
            request.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_bytes(&coded)?);
            request.headers.insert(LENGTH, request.body.len().into());
        }
        if let Some(token) = self.session_token {
            let mut token = HeaderValue::from_str(token)?;
            token.set_sensitive(true);
            request.headers.insert(TOKEN, token);
        }
        let (canonical, signed) = canonical(reading, request, &body);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
        let key = self.key(&day);
        let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
        if streams {
            request.framed = Some(payload::framed(request.body, &key, &time, &scope, &signature));
        }
        let id = self.access_key_id;
        let value = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}");
        let mut value = HeaderValue::from_str(&value)?;
        value.set_sensitive(true);
        request.headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }

    /// What everything of a day is signed with.
    fn key(&self, day: &str) -> hmac::Key {
        let first = Zeroizing::new(format!("AWS4{}", self.secret_access_key));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        for part in [day, self.region, self.service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }
}

/// The day, and the second, as AWS writes them.
fn stamps(now: SystemTime) -> (String, String) {
    let now = OffsetDateTime::from(now);
    let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let time = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    (day, time)
}

/// The request as it is signed, and the names of the headers that are.
fn canonical(reading: &Reading, request: &Signed<'_>, body: &str) -> (String, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target.as_str(), ""));
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

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, Method};
    use serde::Deserialize;

    use super::*;

    /// From AWS's `aws-signing-test-suite` (Apache-2.0), all of `v4` but one with a header of several lines.
    const VECTORS: &str = include_str!("../../tests/data/sigv4.json");
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
            let target = Zeroizing::new(vector.target.clone());
            let body = vector.body.as_bytes();
            let mut request = Signed { method: &method, host: &host, target, headers, body, framed: None };
            // A token that is added after signing is not signed.
            let session_token = vector.token.as_deref().filter(|_| vector.sign_token);
            let signer = Signer { session_token, ..SIGNER };
            let reading = Reading { clean: vector.normalize, escape_twice: false, body_header: vector.sign_body };
            let now = SystemTime::UNIX_EPOCH + THEN;
            signer.sign_as(&reading, &mut request, now).unwrap();
            let body = hex(digest(&SHA256, body).as_ref());
            assert_eq!(canonical(&reading, &request, &body).0, vector.canonical, "{}", vector.name);
            let value = request.headers[header::AUTHORIZATION].to_str().unwrap();
            assert!(value.ends_with(&format!("Signature={}", vector.signature)), "{}: {value}", vector.name);
        }
    }

    #[test]
    fn a_path_that_is_escaped_already_is_escaped_once_more_but_not_where_it_is_a_name() {
        let path = |service, target: &str| {
            let s3 = service == "s3";
            let reading = Reading { clean: !s3, escape_twice: !s3, body_header: s3 };
            let target = Zeroizing::new(target.to_owned());
            let (method, headers) = (&Method::GET, HeaderMap::new());
            let request = Signed { method, host: "h", target, headers, body: b"", framed: None };
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
        let target = Zeroizing::new("/examplebucket/chunkObject.txt".to_owned());
        let (method, host) = (&Method::PUT, "s3.amazonaws.com");
        let mut request = Signed { method, host, target, headers, body: &body, framed: None };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        signer.sign(&mut request, now).unwrap();
        let value = request.headers[header::AUTHORIZATION].to_str().unwrap();
        assert!(value.ends_with("=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"), "{value}");
        let framed = request.framed.unwrap();
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
            let target = Zeroizing::new("/a".to_owned());
            let headers = HeaderMap::new();
            let mut request = Signed { method: &Method::PUT, host: "h", target, headers, body, framed: None };
            signer.sign(&mut request, SystemTime::UNIX_EPOCH + THEN).unwrap();
            assert_eq!(request.headers[BODY], "UNSIGNED-PAYLOAD");
            assert!(request.framed.is_none());
            request.headers[header::AUTHORIZATION].clone()
        };
        assert_eq!(signature(b"one"), signature(b"two"));
    }
}
