//! Where connections go: names are resolved once, judged, and dialled exactly.

mod support;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use jackfield_net::{
    Address, Body, ConnectError, DialTimeouts, Dialer, OutgoingRequest, SendError, Sender, SenderOptions,
};
use support::{Names, Server, answer};

fn get(path: &'static str) -> OutgoingRequest {
    OutgoingRequest {
        method: Method::GET,
        target: path.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn text(response: http::Response<Body>) -> String {
    let (mut body, mut all) = (response.into_body(), Vec::new());
    while let Some(piece) = body.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    String::from_utf8(all).unwrap()
}

fn sender(names: &Names, url: &str, allowed: &[&str]) -> Sender {
    let options = SenderOptions {
        allow_addresses: allowed.iter().map(|net| net.parse().unwrap()).collect(),
        ..SenderOptions::default()
    };
    Dialer::new().with_resolver(names.clone()).sender(Address::parse(url).unwrap(), &options).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_into_the_machine_is_refused_unless_its_range_is_allowed() {
    let server = Server::http(async |_| answer(200, "hello")).await;
    let names = Names::default().with("inside.example", &[&["127.0.0.1"]]);
    let url = format!("http://inside.example:{}", server.address.port());

    let error = sender(&names, &url, &[]).send(get("/"), soon()).await.unwrap_err();
    let SendError::Connect(ConnectError::Refused { refusals, .. }) = &error else { panic!("{error}") };
    assert_eq!(refusals[0].narrowest_range().to_string(), "127.0.0.1/32");
    assert_eq!(server.connections(), 0);

    let response = sender(&names, &url, &["127.0.0.0/8"]).send(get("/"), soon()).await.unwrap();
    assert_eq!(text(response).await, "hello");
    assert_eq!(server.seen()[0].header("host"), Some(url.trim_start_matches("http://")));
}

#[tokio::test]
async fn each_new_connection_resolves_once_and_judges_what_it_then_dials() {
    let server = Server::http(async |_| {
        let mut answer = answer(200, "once");
        answer.headers_mut().insert("connection", "close".parse().unwrap());
        answer
    })
    .await;
    // The attack: the first answer is harmless, the next one is the machine itself.
    let names = Names::default().with("rebind.example", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let url = format!("http://rebind.example:{}", server.address.port());
    let sender = sender(&names, &url, &["127.0.0.2/32"]);

    let first = sender.send(get("/"), soon()).await.unwrap_err();
    assert!(matches!(first, SendError::Connect(ConnectError::Unreachable { .. })), "nobody listens there: {first}");
    assert_eq!(names.lookups("rebind.example"), 1);
    let second = sender.send(get("/"), soon()).await.unwrap_err();
    assert!(matches!(second, SendError::Connect(ConnectError::Refused { .. })), "{second}");
    assert_eq!(names.lookups("rebind.example"), 2);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_pooled_connection_stays_on_the_address_that_was_judged() {
    let server = Server::http(async |_| answer(200, "same")).await;
    let names = Names::default().with("moving.example", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let sender = sender(&names, &format!("http://moving.example:{}", server.address.port()), &["127.0.0.1/32"]);
    for _ in 0..5 {
        assert_eq!(text(sender.send(get("/"), soon()).await.unwrap()).await, "same");
    }
    assert_eq!((server.connections(), names.lookups("moving.example")), (1, 1));
}

#[tokio::test]
async fn of_several_addresses_the_refused_ones_are_dropped_and_the_others_tried_in_order() {
    let server = Server::http(async |_| answer(200, "third")).await;
    let found: &[&str] = &["169.254.169.254", "::ffff:10.0.0.1", "127.0.0.2", "127.0.0.1"];
    let names = Names::default().with("many.example", &[found]);
    let url = format!("http://many.example:{}", server.address.port());
    let response = sender(&names, &url, &["127.0.0.0/8"]).send(get("/"), soon()).await.unwrap();
    assert_eq!(text(response).await, "third");

    let error = sender(&names, &url, &[]).send(get("/"), soon()).await.unwrap_err();
    let SendError::Connect(ConnectError::Refused { refusals, .. }) = error else { panic!("{error}") };
    assert_eq!(refusals.len(), 4);
}

#[tokio::test]
async fn localhost_and_literal_addresses_never_ask_a_resolver() {
    let server = Server::http(async |_| answer(200, "here")).await;
    let names = Names::default();
    for host in ["localhost", "127.0.0.1"] {
        let sender = sender(&names, &format!("http://{host}:{}", server.address.port()), &[]);
        assert_eq!(text(sender.send(get("/"), soon()).await.unwrap()).await, "here");
    }
}

#[tokio::test]
async fn a_literal_address_that_may_never_be_dialled_is_refused_when_the_endpoint_is_made() {
    for url in ["http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://0xa9fea9fe", "http://2130706433"] {
        let made = Dialer::new().sender(Address::parse(url).unwrap(), &SenderOptions::default());
        assert!(matches!(made, Err(ConnectError::Refused { .. })), "{url}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_from_a_server_that_is_down() {
    let names = Names::default().with("down.example", &[&["127.0.0.1"]]).with("empty.example", &[&[]]);
    let error = sender(&names, "http://unknown.example", &[]).send(get("/"), soon()).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(ConnectError::Dns { .. })), "{error}");
    let error = sender(&names, "http://empty.example", &[]).send(get("/"), soon()).await.unwrap_err();
    assert!(error.to_string().contains("no addresses"), "{error}");

    // Bound and closed again, so nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://down.example:{port}");
    let error = sender(&names, &url, &["127.0.0.0/8"]).send(get("/"), soon()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no connection: 127.0.0.1:{port}: connection refused"));
    assert!(!error.sent());
}

struct Slow;

#[async_trait::async_trait]
impl jackfield_net::Resolver for Slow {
    async fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[tokio::test]
async fn a_resolver_that_never_answers_ends_by_its_own_limit_or_the_deadline() {
    let quick = DialTimeouts { resolve: Duration::from_millis(50), ..DialTimeouts::default() };
    let address = || Address::parse("http://slow.example").unwrap();
    let dialer = Dialer::new().with_resolver(Slow).with_timeouts(quick);
    let error = dialer.sender(address(), &SenderOptions::default()).unwrap().send(get("/"), soon()).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(ConnectError::Dns { .. })), "{error}");

    let dialer = Dialer::new().with_resolver(Slow);
    let deadline = Instant::now() + Duration::from_millis(50);
    let error =
        dialer.sender(address(), &SenderOptions::default()).unwrap().send(get("/"), deadline).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { sent: false }), "{error}");
}

#[tokio::test]
async fn a_unix_socket_is_spoken_to_like_any_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let server = Server::unix(&path, async |_| answer(200, "from the socket"));
    let sender = sender(&Names::default(), &format!("unix://{}", path.display()), &[]);
    assert_eq!(text(sender.send(get("/version"), soon()).await.unwrap()).await, "from the socket");
    assert_eq!(server.seen()[0].header("host"), Some("localhost"));
    assert_eq!(server.seen()[0].head.uri.to_string(), "/version");

    std::fs::remove_file(&path).unwrap();
    drop((server, sender));
    let sender = Dialer::new()
        .sender(Address::parse(&format!("unix://{}", path.display())).unwrap(), &SenderOptions::default())
        .unwrap();
    let error = sender.send(get("/"), soon()).await.unwrap_err();
    assert!(error.to_string().ends_with("no such socket"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_a_response_and_nobody_goes_there() {
    let elsewhere = Server::http(async |_| answer(200, "stolen")).await;
    let target = elsewhere.url();
    let server = Server::http(move |_| {
        let mut answer = answer(307, "");
        answer.headers_mut().insert("location", target.parse().unwrap());
        async { answer }
    })
    .await;
    let response = sender(&Names::default(), &server.url(), &[]).send(get("/"), soon()).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(elsewhere.connections(), 0);
}
