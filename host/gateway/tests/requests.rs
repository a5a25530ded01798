//! What reaches a real server of what a plugin asks for, and what comes back.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{get, soon};
use http::Response as Http;
use http_body_util::Full;
use jackfield_gateway::{Dialer, EndpointSpec, Gateway, GatewayError, GatewayLimits, Request, Response};
use support::{Names, Server, answer, read_head};
use tokio::io::AsyncWriteExt as _;

fn spec(addresses: &[&str]) -> EndpointSpec {
    EndpointSpec {
        name: "api".into(),
        addresses: addresses.iter().map(|&address| address.into()).collect(),
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/v1/*".into()],
        ..EndpointSpec::default()
    }
}

fn gateway(addresses: &[&str]) -> Gateway {
    Gateway::new(vec![spec(addresses)], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap()
}

fn post(path: &str, body: &'static str) -> Request {
    Request { method: "POST".into(), body: Bytes::from(body), ..get(path) }
}

async fn text(mut response: Response) -> Result<String, GatewayError> {
    let mut all = Vec::new();
    while let Some(piece) = response.body.read(7).await? {
        assert!(!piece.is_empty() && piece.len() <= 7, "a piece is as large as was asked for");
        all.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(all).unwrap())
}

/// An address on which nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_request_arrives_in_its_normal_form_behind_the_base_path_with_its_query() {
    let server = Server::http(|_| async { answer(200, "a somewhat longer answer") }).await;
    let gateway = gateway(&[&format!("{}/base", server.url())]);
    let mut request = get("/v1/./a/../%62?q=%2e%2e/&r=1");
    request.headers.push(("X-Scope-OrgID".into(), "tenant".into()));
    let response = gateway.send(request, soon()).await.unwrap();
    assert_eq!((response.status, text(response).await.unwrap().as_str()), (200, "a somewhat longer answer"));
    let seen = server.seen();
    assert_eq!(seen[0].head.uri.to_string(), "/base/v1/b?q=%2e%2e/&r=1");
    assert_eq!(seen[0].header("host"), Some(server.address.to_string().as_str()));
    assert_eq!(seen[0].header("x-scope-orgid"), Some("tenant"));
    let stats = gateway.stats();
    assert_eq!((stats.requests, stats.refused, stats.received_bytes), (1, 0, 24));
}

#[tokio::test]
async fn what_is_not_granted_is_never_sent() {
    let server = Server::http(|_| async { answer(200, "") }).await;
    let gateway = gateway(&[&server.url()]);
    let with_header = |name: &str| Request { headers: vec![(name.into(), "x".into())], ..get("/v1/a") };
    let refused = [
        Request { endpoint: "other".into(), ..get("/v1/a") },
        Request { method: "DELETE".into(), ..get("/v1/a") },
        Request { method: "CONNECT".into(), ..get("/v1/a") },
        Request { method: "GET /v1/a HTTP/1.1\r\nX:".into(), ..get("/v1/a") },
        get("/admin"),
        get("/v1/../admin"),
        get("/v1/%2e%2e/admin"),
        get("/v1/..;/admin"),
        get("/v1/..%2fadmin"),
        get("//127.0.0.1/v1/a"),
        get("http://127.0.0.1/v1/a"),
        get("/v1/a HTTP/1.1\r\nHost: x"),
        with_header("Host"),
        with_header("Authorization"),
        with_header("Transfer-Encoding"),
        with_header("X-HTTP-Method-Override"),
    ];
    let many = u64::try_from(refused.len()).unwrap();
    for request in refused {
        let shown = format!("{} {} {:?}", request.method, request.path_and_query, request.headers);
        let error = gateway.send(request, soon()).await.unwrap_err();
        assert!(error.is_refusal() && !error.sent(), "{shown}: {error}");
    }
    assert_eq!(server.connections(), 0);
    assert_eq!((gateway.stats().requests, gateway.stats().refused), (0, many));
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_where_it_leads_is_a_new_request() {
    let server = Server::http(|seen| async move {
        match seen.head.uri.path() {
            "/v1/old" => Http::builder().status(302).header("location", "/admin").body(Full::default()).unwrap(),
            _ => answer(200, "secret"),
        }
    })
    .await;
    let gateway = gateway(&[&server.url()]);
    let response = gateway.send(get("/v1/old"), soon()).await.unwrap();
    assert_eq!(response.status, 302);
    let target = response.headers.iter().find(|(name, _)| name == "location").unwrap().1.clone();
    assert!(gateway.send(get(&target), soon()).await.unwrap_err().is_refusal());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_was_not_reached_and_the_one_that_answered_comes_first_then() {
    let server = Server::http(|_| async { answer(200, "") }).await;
    let gateway = gateway(&[&nobody().await, &server.url()]);
    gateway.send(post("/v1/a", "x"), soon()).await.unwrap();
    gateway.send(post("/v1/a", "x"), soon()).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    // Twice at first, since one was not there, and once from then on.
    assert_eq!(gateway.stats().requests, 3);
}

#[tokio::test]
async fn a_write_that_may_have_arrived_is_sent_nowhere_else() {
    let closes = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
    })
    .await;
    let second = Server::http(|_| async { answer(200, "") }).await;
    let gateway = gateway(&[&closes.url(), &second.url()]);
    let error = gateway.send(post("/v1/a", "x"), soon()).await.unwrap_err();
    assert!(error.sent(), "{error}");
    assert_eq!((closes.connections(), second.connections()), (1, 0));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_an_error_whether_it_was_announced_or_not() {
    let announced = Server::http(|_| async { answer(200, "x".repeat(2000)) }).await;
    let endless = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
    })
    .await;
    let limits = GatewayLimits { response_bytes: 1000, request_bytes: 10, ..GatewayLimits::default() };
    let gateway = |address: &str| Gateway::new(vec![spec(&[address])], limits, Arc::new(Dialer::new())).unwrap();
    let error = gateway(&announced.url()).send(get("/v1/a"), soon()).await.unwrap_err();
    assert!(matches!(error, GatewayError::TooLarge { what: "response", .. }), "{error}");
    let response = gateway(&endless.url()).send(get("/v1/a"), soon()).await.unwrap();
    assert!(matches!(text(response).await.unwrap_err(), GatewayError::TooLarge { what: "response", .. }));
    let error = gateway(&announced.url()).send(post("/v1/a", "more than ten"), soon()).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("10 bytes"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_slow_with_its_head_or_its_body_costs_the_time_that_was_allowed() {
    let silent = Server::scripted(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let stalls = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let started = Instant::now();
    let request = Request { timeout: Some(Duration::from_millis(200)), ..get("/v1/a") };
    let error = gateway(&[&silent.url()]).send(request, soon()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let deadline = Instant::now() + Duration::from_millis(300);
    let response = gateway(&[&stalls.url()]).send(get("/v1/a"), deadline).await.unwrap();
    assert!(text(response).await.unwrap_err().is_timeout());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_busy_until_a_body_was_let_go() {
    let server = Server::http(|_| async { answer(200, "unread") }).await;
    let limits = GatewayLimits { in_flight: 1, ..GatewayLimits::default() };
    let gateway = Gateway::new(vec![spec(&[&server.url()])], limits, Arc::new(Dialer::new())).unwrap();
    let held = gateway.send(get("/v1/a"), soon()).await.unwrap();
    let error = gateway.send(get("/v1/a"), soon()).await.unwrap_err();
    assert!(matches!(error, GatewayError::Busy { limit: 1 }) && !error.sent(), "{error}");
    drop(held);
    gateway.send(get("/v1/a"), soon()).await.unwrap();
}

#[tokio::test]
async fn requests_one_after_another_share_a_connection() {
    let server = Server::http(|_| async { answer(200, "ok") }).await;
    let gateway = gateway(&[&server.url()]);
    for _ in 0..3 {
        assert_eq!(text(gateway.send(get("/v1/a"), soon()).await.unwrap()).await.unwrap(), "ok");
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_an_address_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let server = Server::unix(&path, |_| async { answer(200, "ok") });
    let gateway = gateway(&[&format!("unix://{}", path.display())]);
    assert_eq!(text(gateway.send(get("/v1/a"), soon()).await.unwrap()).await.unwrap(), "ok");
    assert_eq!(server.seen()[0].header("host"), Some("localhost"));
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_dialled_only_where_the_operator_allows_it() {
    let server = Server::http(|_| async { answer(200, "") }).await;
    let address = format!("http://internal.example:{}", server.address.port());
    let gateway = |allow: &[&str]| {
        let dialer = Dialer::new().with_resolver(Names::default().with("internal.example", &[&["127.0.0.1"]]));
        let allow_addresses = allow.iter().map(|range| range.parse().unwrap()).collect();
        let spec = EndpointSpec { allow_addresses, ..spec(&[&address]) };
        Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(dialer)).unwrap()
    };
    let error = gateway(&[]).send(get("/v1/a"), soon()).await.unwrap_err();
    assert!(!error.sent() && error.to_string().contains("127.0.0.1"), "{error}");
    assert_eq!(server.connections(), 0);
    gateway(&["127.0.0.0/8"]).send(get("/v1/a"), soon()).await.unwrap();
}

#[tokio::test]
async fn what_is_no_http_is_a_fault_of_the_servers() {
    let server = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await;
    })
    .await;
    let error = gateway(&[&server.url()]).send(get("/v1/a"), soon()).await.unwrap_err();
    assert!(error.sent() && !error.is_refusal() && !error.is_timeout(), "{error}");
}
