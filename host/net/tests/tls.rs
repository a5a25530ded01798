//! Whom a sender trusts, and what it says when it does not.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use jackfield_net::{Address, Body, ConnectError, Dialer, OutgoingRequest, SendError, SenderOptions, TlsError};
use support::{
    Names, Server, answer,
    certificates::{Ca, VALID},
};

const BOTH: &[&str] = &["h2", "http/1.1"];

async fn ask(dialer: &Dialer, url: &str, ca_pem: Option<String>) -> Result<http::Response<Body>, SendError> {
    let options =
        SenderOptions { ca_pem, allow_addresses: vec!["127.0.0.0/8".parse().unwrap()], ..SenderOptions::default() };
    let sender = dialer.sender(Address::parse(url).unwrap(), &options)?;
    let request = OutgoingRequest {
        method: Method::GET,
        target: "/".parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    sender.send(request, Instant::now() + Duration::from_secs(5)).await
}

fn fault(result: Result<http::Response<Body>, SendError>) -> TlsError {
    match result {
        Err(SendError::Connect(ConnectError::Tls(fault))) => fault,
        other => panic!("{other:?}"),
    }
}

fn names() -> Names {
    Names::default().with("prom.example", &[&["127.0.0.1"]])
}

#[tokio::test]
async fn a_private_ca_is_trusted_for_its_endpoint_only() {
    let ca = Ca::new();
    let server = Server::tls(ca.server("prom.example", VALID, BOTH), async |_| answer(200, "private")).await;
    let url = format!("https://prom.example:{}", server.address.port());
    let dialer = Dialer::new().with_resolver(names()).with_roots(&Ca::new().pem()).unwrap();

    let response = ask(&dialer, &url, Some(ca.pem())).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert!(matches!(fault(ask(&dialer, &url, None).await), TlsError::UnknownIssuer { .. }));
    assert!(matches!(fault(ask(&dialer, &url, Some(Ca::new().pem())).await), TlsError::UnknownIssuer { .. }));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_agrees_and_http_1_elsewhere() {
    let ca = Ca::new();
    let dialer = Dialer::new().with_resolver(names()).with_roots(&ca.pem()).unwrap();
    for (alpn, version) in [
        (BOTH, http::Version::HTTP_2),
        (&["h2"], http::Version::HTTP_2),
        (&["http/1.1"], http::Version::HTTP_11),
        (&[], http::Version::HTTP_11),
    ] {
        let server = Server::tls(ca.server("prom.example", VALID, alpn), async |_| answer(200, "")).await;
        let response = ask(&dialer, &format!("https://prom.example:{}", server.address.port()), None).await.unwrap();
        assert_eq!(response.version(), version, "{alpn:?}");
        let seen = &server.seen()[0];
        let authority = format!("prom.example:{}", server.address.port());
        let host =
            seen.header("host").map(str::to_owned).or_else(|| seen.head.uri.authority().map(ToString::to_string));
        assert_eq!(host, Some(authority), "{alpn:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_an_ip_address_works_by_that_address() {
    let ca = Ca::new();
    let server = Server::tls(ca.server("127.0.0.1", VALID, BOTH), async |_| answer(204, "")).await;
    let url = format!("https://{}", server.address);
    assert_eq!(ask(&Dialer::new(), &url, Some(ca.pem())).await.unwrap().status(), 204);
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_called_by_its_name() {
    let ca = Ca::new();
    let dialer = Dialer::new().with_resolver(names());
    for (name, years, expected) in [
        ("other.example", VALID, "is not for that name but for DnsName(\\\"other.example\\\")"),
        ("*.prom.example", VALID, "is not for that name"),
        ("prom.example", (2001, 2002), "has expired"),
        ("prom.example", (2190, 2191), "is not valid yet"),
    ] {
        let server = Server::tls(ca.server(name, years, BOTH), async |_| answer(200, "")).await;
        let url = format!("https://prom.example:{}", server.address.port());
        let error = ask(&dialer, &url, Some(ca.pem())).await.unwrap_err();
        assert!(!error.sent());
        assert!(error.to_string().contains(expected), "{error}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_a_bad_certificate() {
    let server = Server::scripted(|mut stream, _| async move {
        use tokio::io::AsyncWriteExt;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let fault = fault(ask(&Dialer::new(), &format!("https://{}", server.address), Some(Ca::new().pem())).await);
    assert!(matches!(fault, TlsError::NotTls { .. }), "{fault}");

    let closing = Server::scripted(|stream, _| async move { drop(stream) }).await;
    let error = ask(&Dialer::new(), &format!("https://{}", closing.address), Some(Ca::new().pem())).await.unwrap_err();
    assert!(!error.sent(), "{error}");
}
