//! Which headers pass between a plugin and an outside system.
//!
//! A plugin may not set what decides where a request goes, who it is from, how it is framed or how its answer is encoded:
//! those are the host's. It is told so rather than having them dropped, since a plugin that believes it sent a header is
//! a bug that nobody finds.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{GatewayError, Needles};

/// Names a plugin may not set, besides those that begin with one of [`HOSTS_FAMILIES`].
const HOSTS_OWN: [HeaderName; 24] = [
    header::HOST,
    header::AUTHORIZATION,
    header::COOKIE,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    header::RANGE,
    header::USER_AGENT,
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
    // Another method than the one that was granted, for frameworks that believe it.
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-host"),
    // Who the request is from, for servers behind a proxy.
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("true-client-ip"),
    // What gateways to gRPC pass on as who the request is from.
    HeaderName::from_static("grpc-metadata-token"),
    HeaderName::from_static("grpc-metadata-authorization"),
];

/// Beginnings of such names: proxies, browsers, and what frameworks take for another method, path, sender or user.
const HOSTS_FAMILIES: [&str; 9] = [
    "proxy-",
    "sec-",
    "x-http-method",
    "x-original-",
    "x-rewrite-",
    "x-forwarded",
    "x-remote-",
    "impersonate-",
    "cf-connecting-",
];

/// Whether a credential may go in this header: one that frames or routes the request is never the place.
pub(crate) fn may_authenticate(name: &HeaderName) -> bool {
    let family = || HOSTS_FAMILIES.iter().any(|beginning| name.as_str().starts_with(beginning));
    *name == header::AUTHORIZATION || !(HOSTS_OWN.contains(name) || family())
}

/// The most headers, and bytes in them, of one request.
const MAX_HEADERS: usize = 64;
const MAX_BYTES: usize = 16 << 10;

/// The headers of a request as they are sent.
pub(crate) fn outgoing(given: &[(String, String)]) -> Result<HeaderMap, GatewayError> {
    let refuse = |header: &str, reason: &'static str| GatewayError::Header { header: header.to_owned(), reason };
    if given.len() > MAX_HEADERS || given.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() > MAX_BYTES {
        return Err(refuse("…", "there are more than 64 headers or 16 KiB of them"));
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 2);
    for (name, value) in given {
        let printable = || name.chars().filter(char::is_ascii_graphic).take(64).collect::<String>();
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse(&printable(), "this is no header name"))?;
        let family = || HOSTS_FAMILIES.iter().any(|beginning| name.as_str().starts_with(beginning));
        if HOSTS_OWN.contains(&name) || family() {
            return Err(refuse(name.as_str(), "this header is the host's to set; leave it out"));
        }
        let visible = value.bytes().all(|b| matches!(b, b' ' | b'\t' | 0x21..=0x7e));
        let value = HeaderValue::from_str(value).ok().filter(|_| visible);
        let value =
            value.ok_or_else(|| refuse(name.as_str(), "its value holds a character that headers cannot carry"))?;
        headers.append(name, value);
    }
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("jackfield/", env!("CARGO_PKG_VERSION"))));
    // What comes back is read by the host, and later scanned by it: no encoding that it would have to undo first.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    Ok(headers)
}

/// The headers of a response that a plugin may see, and how many secrets were redacted in them. `decoded`: its body is given
/// as another than the one that was sent.
pub(crate) fn incoming(headers: &HeaderMap, needles: &Needles, decoded: bool) -> (Vec<(String, String)>, u64) {
    const HIDDEN: [HeaderName; 7] = [
        header::SET_COOKIE,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TRAILER,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        HeaderName::from_static("keep-alive"),
    ];
    const OF_THE_BODY: [HeaderName; 2] = [header::CONTENT_ENCODING, header::CONTENT_LENGTH];
    let mut redacted = 0;
    let mut clean = |text: &str| match needles.redact_str(text) {
        Some(clean) => {
            redacted += 1;
            clean
        }
        None => text.to_owned(),
    };
    let given = headers
        .iter()
        .filter(|(name, _)| !(HIDDEN.contains(name) || decoded && OF_THE_BODY.contains(name)))
        .map(|(name, value)| (clean(name.as_str()), clean(&String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    (given, redacted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<HeaderMap, GatewayError> {
        outgoing(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn headers_that_are_the_hosts_are_refused_in_any_spelling() {
        for name in [
            "host",
            "Host",
            "AUTHORIZATION",
            "cookie",
            "Proxy-Authorization",
            "proxy-anything",
            "connection",
            "te",
            "upgrade",
            "content-length",
            "transfer-encoding",
            "keep-alive",
            "trailer",
            "accept-encoding",
            "range",
            "user-agent",
            "X-HTTP-Method-Override",
            "X-Original-URL",
            "x-rewrite-url",
            "X-Forwarded-For",
            "Impersonate-User",
            "x-remote-user",
            "via",
        ] {
            assert!(matches!(set(name, "x"), Err(GatewayError::Header { .. })), "{name}");
        }
    }

    #[test]
    fn no_value_can_end_its_line() {
        for value in ["a\r\nhost: b", "a\nb", "a\rb", "a\0b", "\u{e4}", "a\u{7f}"] {
            assert!(set("x-a", value).is_err(), "{value:?}");
        }
        for name in ["", "a b", "a:b", "a\r\nb", "ä"] {
            assert!(set(name, "x").is_err(), "{name:?}");
        }
    }

    #[test]
    fn other_headers_pass_and_the_host_adds_its_own() {
        let headers = set("X-Scope-OrgID", "tenant 1").unwrap();
        assert_eq!(headers["x-scope-orgid"], "tenant 1");
        assert_eq!(headers["accept-encoding"], "identity");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("jackfield/"));
    }

    #[test]
    fn cookies_of_a_response_stay_with_the_host() {
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", HeaderValue::from_static("session=1"));
        headers.insert("etag", HeaderValue::from_static("x"));
        headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        let given = incoming(&headers, &Needles::default(), true);
        assert_eq!(given, (vec![("etag".to_owned(), "x".to_owned())], 0));
    }
}
