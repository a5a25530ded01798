//! What is recorded of real traffic, and what a replay answers without any.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{get, soon};
use http::Response as Http;
use http_body_util::Full;
use jackfield_gateway::{
    Answer, Authority, Binding, Cassette, CassetteError, Content, Dialer, End, EndpointSpec, Gateway, GatewayError,
    GatewayLimits, Known, Label, Match, Player, RecordLimits, Recorder, ReplayError, Request, Response,
};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{Answer as Says, Seen, Server, answer, read_head, reset};
use tokio::io::AsyncWriteExt as _;

fn label() -> Label {
    Label {
        integration: "prom".into(),
        plugin: "prometheus".into(),
        plugin_version: "0.1.0".into(),
        plugin_digest: "sha256:00".into(),
    }
}

fn spec(url: &str) -> EndpointSpec {
    EndpointSpec {
        name: "api".into(),
        addresses: vec![url.to_owned()],
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/v1/*".into()],
        ..EndpointSpec::default()
    }
}

fn gateway(spec: EndpointSpec) -> Gateway {
    Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap()
}

fn recorder_to(file: &Path, limits: RecordLimits) -> Arc<Recorder> {
    Arc::new(Recorder::open(file, label(), Arc::default(), limits).unwrap())
}

/// A gateway that records, and what it records with.
fn recording(url: &str, file: &Path) -> (Gateway, Arc<Recorder>) {
    let recorder = recorder_to(file, RecordLimits::default());
    (gateway(spec(url)).recorded_by(recorder.clone()), recorder)
}

/// A gateway that replays: its endpoint has no address, so that nothing can be sent.
fn replaying(file: &Path, matching: Match) -> Gateway {
    let spec = EndpointSpec { addresses: Vec::new(), ..spec("") };
    gateway(spec).replayed_by(Arc::new(Player::load(file, matching).unwrap()))
}

fn post(path: &str, body: &'static str) -> Request {
    Request { method: "POST".into(), body: Bytes::from(body), ..get(path) }
}

async fn bytes(mut response: Response) -> Result<Vec<u8>, GatewayError> {
    let mut all = Vec::new();
    while let Some(piece) = response.body.read(7).await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Status, the header `x-way`, and the body; or the error's words.
async fn asked(gateway: &Gateway, request: Request) -> Result<(u16, String, Vec<u8>), String> {
    let response = gateway.send(request, soon()).await.map_err(|error| error.to_string())?;
    let way = response.headers.iter().find(|(name, _)| name == "x-way").map(|(_, value)| value.clone());
    let status = response.status;
    Ok((status, way.unwrap_or_default(), bytes(response).await.map_err(|error| error.to_string())?))
}

/// Says what it was asked, a number at the end.
async fn repeats(seen: Seen) -> Says {
    let text = format!("{} {} {}", seen.head.method, seen.head.uri, String::from_utf8_lossy(&seen.body));
    Http::builder().status(200).header("x-way", "repeats").body(Full::from(text)).unwrap()
}

fn replay_error(error: &GatewayError) -> &ReplayError {
    match error {
        GatewayError::Replay { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_was_recorded_is_answered_again_when_nobody_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(|seen| async move {
        match seen.head.uri.path() {
            "/v1/binary" => answer(200, vec![0xff, 0, 1]),
            "/v1/none" => answer(404, ""),
            _ => repeats(seen).await,
        }
    })
    .await;
    let requests = || {
        let header = Request { headers: vec![("X-Scope".into(), "a".into())], ..get("/v1/./b?q=%20&r") };
        [get("/v1/a"), header, post("/v1/a", "{\"a\":1}"), get("/v1/binary"), get("/v1/none")]
    };
    let (gateway, recorder) = recording(&server.url(), &file);
    let mut first = Vec::new();
    for request in requests() {
        first.push(asked(&gateway, request).await.unwrap());
    }
    recorder.close();
    assert!(recorder.is_complete());
    drop(server);

    let cassette = Cassette::load(&file).unwrap();
    assert!(cassette.complete && cassette.label == label());
    let targets: Vec<_> = cassette.exchanges.iter().map(|exchange| exchange.request.target.as_str()).collect();
    assert_eq!(targets, ["/v1/a", "/v1/b?q=%20&r", "/v1/a", "/v1/binary", "/v1/none"]);
    for matching in [Match::Strict, Match::Best] {
        let gateway = replaying(&file, matching);
        for (request, first) in requests().into_iter().zip(&first) {
            assert_eq!(asked(&gateway, request).await.as_ref(), Ok(first), "{matching:?}");
        }
        let stats = gateway.stats();
        assert_eq!((stats.requests, stats.sent_bytes), (0, 0), "nothing was sent");
    }
    let response = replaying(&file, Match::Strict).send(get("/v1/a"), soon()).await.unwrap();
    assert!(response.sent.replayed && response.sent.credential.is_none());
    assert!(response.sent.host.starts_with("127.0.0.1:"), "{}", response.sent.host);
}

#[tokio::test]
async fn a_replay_is_granted_no_more_than_the_real_thing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    let (gateway, recorder) = recording(&server.url(), &file);
    assert!(gateway.send(get("/admin"), soon()).await.unwrap_err().is_refusal());
    recorder.close();
    let cassette = Cassette::load(&file).unwrap();
    assert!(cassette.complete && cassette.exchanges.is_empty(), "what is refused is no traffic");
    for refused in [get("/admin"), Request { method: "DELETE".into(), ..get("/v1/a") }] {
        assert!(replaying(&file, Match::Best).send(refused, soon()).await.unwrap_err().is_refusal());
    }
}

#[tokio::test]
async fn a_secret_that_a_server_echoes_or_a_guest_knows_is_not_in_the_cassette_in_any_form() {
    const SECRET: &str = "s3cr3t/t0ken+of=theirs";
    let folder = tempfile::tempdir().unwrap();
    let kek = folder.path().join("kek");
    jackfield_vault::make_key_file(&kek).unwrap();
    let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
    vault.init(NewSource::File(kek)).await.unwrap();
    let vault = Arc::new(vault);
    let material = Material::new([("token", SECRET)]);
    vault.set("api", CredentialKind::Bearer, &material, VersionState::Current).await.unwrap();
    let known = Arc::new(Known::of(vault.clone()));

    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let base64 = |text: &str| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(text)
    };
    let server = Server::http(move |seen| async move {
        let given = seen.header("authorization").unwrap_or_default().to_owned();
        let body = [given.clone(), hex(&given), percent(&given), base64(&given)].join("\n");
        // No text: such a body is written in base64.
        let body = match seen.head.uri.path() {
            "/v1/binary" => [&[0xff, 0][..], body.as_bytes()].concat(),
            _ => body.into_bytes(),
        };
        Http::builder().status(200).header("x-way", given).body(Full::from(body)).unwrap()
    })
    .await;
    let file = folder.path().join("c");
    let recorder = Recorder::open(&file, label(), known.clone(), RecordLimits::default()).unwrap();
    let recorder = Arc::new(recorder);
    let binding = Binding { credential: "api".into(), place: None, allow_plain_http: true };
    let spec = EndpointSpec { authority: Some(Authority::new(vault, binding)), ..spec(&server.url()) };
    let gateway = gateway(spec).looking_for(known.clone()).recorded_by(recorder.clone());
    let told =
        Request { headers: vec![("X-Told".into(), SECRET.into())], ..get(&format!("/v1/a?b={}", percent(SECRET))) };
    let bodies =
        [SECRET.to_owned(), base64(SECRET), format!("\u{1}{}", hex(SECRET)), format!("{{\"a\":\"{SECRET}\"}}")];
    let bodies = bodies.map(|body| Request { body: body.into(), ..post("/v1/binary", "") });
    for request in [told].into_iter().chain(bodies) {
        asked(&gateway, request).await.unwrap();
    }
    recorder.close();
    assert!(recorder.is_complete());
    let text = std::fs::read(&file).unwrap();
    assert!(known.redact(&text).is_none());
    let text = String::from_utf8(text).unwrap();
    for form in [SECRET.to_owned(), hex(SECRET), percent(SECRET), base64(SECRET), "s3cr3t".into()] {
        assert!(!text.contains(&form), "{form}");
    }
    // The bodies in base64 were looked through before they became that.
    for exchange in Cassette::load(&file).unwrap().exchanges {
        let Answer::Response(reply) = exchange.answer else { panic!("{:?}", exchange.answer) };
        for body in [reply.body, exchange.request.body] {
            let Content::Bytes(body) = body else { panic!("{body:?}") };
            assert!(known.redact(&body).is_none() && !String::from_utf8_lossy(&body).contains("s3cr3t"));
        }
    }
}

#[tokio::test]
async fn a_body_that_was_not_read_to_its_end_or_broke_off_does_so_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::scripted(|mut stream, _| async move {
        loop {
            let head = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456").await;
            if head.starts_with("GET /v1/breaks") {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return reset(stream);
            }
            if head.is_empty() || stream.write_all(b"789").await.is_err() {
                return;
            }
        }
    })
    .await;
    let (gateway, recorder) = recording(&server.url(), &file);
    // A long poll that nobody waits for any more.
    let mut cut = gateway.send(get("/v1/cut"), soon()).await.unwrap();
    assert_eq!(cut.body.read(3).await.unwrap().unwrap(), "012");
    drop(cut);
    let broke = bytes(gateway.send(get("/v1/breaks"), soon()).await.unwrap()).await.unwrap_err();
    recorder.close();
    assert!(recorder.is_complete(), "what was read is there");
    let ends: Vec<_> = Cassette::load(&file).unwrap().exchanges.into_iter().map(|exchange| exchange.answer).collect();
    assert!(matches!(&ends[0], Answer::Response(reply) if reply.end == End::Cut), "{ends:?}");
    assert!(matches!(&ends[1], Answer::Response(reply) if matches!(reply.end, End::Failed(_))), "{ends:?}");

    let gateway = replaying(&file, Match::Strict);
    let mut cut = gateway.send(get("/v1/cut"), soon()).await.unwrap();
    assert_eq!(cut.body.read(100).await.unwrap().unwrap(), "012");
    let error = cut.body.read(100).await.unwrap_err();
    assert_eq!(replay_error(&error), &ReplayError::Cut { line: 2 });
    let again = bytes(gateway.send(get("/v1/breaks"), soon()).await.unwrap()).await.unwrap_err();
    assert_eq!((again.to_string(), again.sent()), (broke.to_string(), broke.sent()));
}

#[tokio::test]
async fn what_failed_fails_again_in_the_same_way_and_what_was_given_up_has_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let silent = Server::scripted(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let recorder = recorder_to(&file, RecordLimits::default());
    let silent = gateway(spec(&silent.url())).recorded_by(recorder.clone());
    let nobody = gateway(spec(&nobody)).recorded_by(recorder.clone());
    let late = || Request { timeout: Some(Duration::from_millis(50)), ..get("/v1/late") };
    let timeout = silent.send(late(), soon()).await.unwrap_err();
    let refused = nobody.send(get("/v1/refused"), soon()).await.unwrap_err();
    let given_up = silent.send(get("/v1/given-up"), soon());
    assert!(tokio::time::timeout(Duration::from_millis(50), given_up).await.is_err());
    recorder.close();
    assert!(recorder.is_complete());
    for matching in [Match::Strict, Match::Best] {
        let gateway = replaying(&file, matching);
        for (request, before) in [(late(), &timeout), (get("/v1/refused"), &refused)] {
            let again = gateway.send(request, soon()).await.unwrap_err();
            let told = |error: &GatewayError| (error.to_string(), error.sent(), error.is_timeout());
            assert_eq!(told(&again), told(before));
        }
        let error = gateway.send(get("/v1/given-up"), soon()).await.unwrap_err();
        assert_eq!(replay_error(&error), &ReplayError::GivenUp { line: 4 });
    }
}

#[tokio::test]
async fn strictly_each_request_must_be_the_one_that_was_recorded_and_the_error_says_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    let (gateway, recorder) = recording(&server.url(), &file);
    let header =
        |value: &str| Request { headers: vec![("X-Scope".into(), value.into())], ..post("/v1/q?time=1", "query=up") };
    asked(&gateway, header("a")).await.unwrap();
    recorder.close();

    let gateway = replaying(&file, Match::Strict);
    let differs = async |request: Request| {
        let error = gateway.send(request, soon()).await.unwrap_err();
        assert!(!error.sent() && !error.is_refusal());
        error.to_string()
    };
    let said = |what: &str, expected: &str, came: &str| {
        format!(
            "endpoint `api` is replayed: line 2 of the cassette has another {what}: recorded was `{expected}`, asked is \
             `{came}`; record it anew, or replay by the best match"
        )
    };
    let wrong = Request { method: "GET".into(), ..header("a") };
    assert_eq!(differs(wrong).await, said("method", "POST /v1/q?time=1", "GET /v1/q?time=1"));
    let wrong = Request { path_and_query: "/v1/q?time=2".into(), ..header("a") };
    assert_eq!(differs(wrong).await, said("path and query", "/v1/q?time=1", "/v1/q?time=2"));
    assert_eq!(differs(header("b")).await, said("header", "x-scope: a", "x-scope: b"));
    assert_eq!(differs(post("/v1/q?time=1", "query=up")).await, said("header", "x-scope: a", "none"));
    let wrong = Request { body: "query=down".into(), ..header("a") };
    assert_eq!(differs(wrong).await, said("body", "query=up", "query=down"));
    // None of them was the one that was recorded, so that is still to come; and then no more.
    assert_eq!(asked(&gateway, header("a")).await.unwrap().0, 200);
    assert_eq!(
        differs(header("a")).await,
        "endpoint `api` is replayed: everything was replayed that the cassette has of `test.get`, 1 in all, and \
         `POST /v1/q?time=1` is asked besides; record it anew"
    );
}

#[tokio::test]
async fn strictly_the_order_holds_for_each_operation_and_what_the_host_asks_by_schedule_may_come_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    let (gateway, recorder) = recording(&server.url(), &file);
    let of = |operation: &str, path: &str| Request { operation: operation.into(), ..get(path) };
    for (operation, path) in
        [("lifecycle.check-health", "/v1/up"), ("a.get", "/v1/1"), ("b.get", "/v1/2"), ("a.get", "/v1/3")]
    {
        asked(&gateway, of(operation, path)).await.unwrap();
    }
    recorder.close();
    let gateway = replaying(&file, Match::Strict);
    for (operation, path) in [
        ("b.get", "/v1/2"),
        ("lifecycle.check-health", "/v1/up"),
        ("a.get", "/v1/1"),
        ("lifecycle.check-health", "/v1/up"),
        ("a.get", "/v1/3"),
        ("lifecycle.check-health", "/v1/up"),
    ] {
        asked(&gateway, of(operation, path)).await.unwrap();
    }
    assert!(gateway.send(of("c.get", "/v1/1"), soon()).await.is_err());
}

#[tokio::test]
async fn by_the_best_match_times_may_differ_and_another_method_or_path_never_matches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    let (gateway, recorder) = recording(&server.url(), &file);
    for request in [
        get("/v1/q?query=up&time=1"),
        get("/v1/q?query=down&time=2"),
        post("/v1/q", "query=up&time=1"),
        post("/v1/q", "query=down&time=2"),
        post("/v1/json", r#"{"key":"a","at":1}"#),
        post("/v1/json", r#"{"key":"b","at":2}"#),
    ] {
        asked(&gateway, request).await.unwrap();
    }
    recorder.close();
    let gateway = replaying(&file, Match::Best);
    let answered = async |request: Request| String::from_utf8(asked(&gateway, request).await.unwrap().2).unwrap();
    for _ in 0..2 {
        assert_eq!(answered(get("/v1/q?time=2&query=up")).await, "GET /v1/q?query=up&time=1 ");
        assert_eq!(answered(get("/v1/q?query=down&time=9")).await, "GET /v1/q?query=down&time=2 ");
        assert_eq!(answered(post("/v1/q", "query=up&time=2")).await, "POST /v1/q query=up&time=1");
        assert_eq!(answered(post("/v1/json", r#"{"at": 1, "key": "b"}"#)).await, r#"POST /v1/json {"key":"b","at":2}"#);
        assert_eq!(answered(post("/v1/json", r#"{"at": 1, "key": "a"}"#)).await, r#"POST /v1/json {"key":"a","at":1}"#);
    }
    for request in [get("/v1/json"), get("/v1/other?query=up&time=1"), post("/v1/q/", "query=up&time=1")] {
        let error = gateway.send(request, soon()).await.unwrap_err();
        assert!(matches!(replay_error(&error), ReplayError::Nothing { .. }), "{error}");
    }
}

#[tokio::test]
async fn by_the_best_match_what_was_asked_several_times_is_answered_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let server = Server::http(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { answer(200, number.to_string()) }
    })
    .await;
    let (gateway, recorder) = recording(&server.url(), &file);
    for _ in 0..3 {
        asked(&gateway, get("/v1/poll")).await.unwrap();
    }
    recorder.close();
    let gateway = replaying(&file, Match::Best);
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(String::from_utf8(asked(&gateway, get("/v1/poll")).await.unwrap().2).unwrap());
    }
    assert_eq!(answers, ["0", "1", "2", "0", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_are_recorded_each_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(|seen| async move {
        let line = format!("{}\n", seen.head.uri);
        answer(200, line.repeat(2000))
    })
    .await;
    let (gateway, recorder) = recording(&server.url(), &file);
    let gateway = Arc::new(gateway);
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                for turn in 0..4 {
                    asked(&gateway, get(&format!("/v1/{caller}?turn={turn}"))).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    recorder.close();
    let cassette = Cassette::load(&file).unwrap();
    assert!(cassette.complete);
    assert_eq!(cassette.exchanges.len(), 64 * 4);
    for exchange in cassette.exchanges {
        let Answer::Response(reply) = exchange.answer else { panic!("{:?}", exchange.answer) };
        let expected = format!("{}\n", exchange.request.target).repeat(2000);
        assert_eq!((reply.body, reply.end), (Content::Bytes(expected.into()), End::Whole));
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_says_so_and_a_replay_of_it_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(|_| async { answer(200, "x".repeat(101)) }).await;
    let recorder = recorder_to(&file, RecordLimits { body_bytes: 100, ..RecordLimits::default() });
    let gateway = gateway(spec(&server.url())).recorded_by(recorder.clone());
    assert_eq!(asked(&gateway, get("/v1/a")).await.unwrap().2.len(), 101);
    recorder.close();
    assert!(recorder.is_complete(), "nothing is missing that is not told");
    for matching in [Match::Strict, Match::Best] {
        let error = replaying(&file, matching).send(get("/v1/a"), soon()).await.unwrap_err();
        assert_eq!(replay_error(&error), &ReplayError::TooLong { line: 2, what: "response", len: 101 });
    }
}

#[tokio::test]
async fn where_the_file_is_full_calls_go_on_and_the_cassette_says_that_it_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(|_| async { answer(200, "x".repeat(1000)) }).await;
    let recorder = recorder_to(&file, RecordLimits { file_bytes: 4000, ..RecordLimits::default() });
    let gateway = gateway(spec(&server.url())).recorded_by(recorder.clone());
    for _ in 0..5 {
        assert_eq!(asked(&gateway, get("/v1/a")).await.unwrap().2.len(), 1000);
    }
    recorder.close();
    assert!(!recorder.is_complete());
    let cassette = Cassette::load(&file).unwrap();
    assert!(!cassette.complete);
    assert_eq!(cassette.exchanges.len(), 3, "what fits is there, whole");
    // It stays so, however whole what is recorded from now on.
    recorder_to(&file, RecordLimits::default()).close();
    assert!(!Cassette::load(&file).unwrap().complete);
}

#[tokio::test]
async fn what_is_under_way_when_recording_ends_is_missing_and_a_crash_leaves_no_cassette_that_looks_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    let (gateway, recorder) = recording(&server.url(), &file);
    asked(&gateway, get("/v1/a")).await.unwrap();
    let under_way = gateway.send(get("/v1/b"), soon()).await.unwrap();
    // What a crash would leave, now or whenever.
    assert!(std::fs::read_to_string(&file).unwrap().starts_with(r#"{"cassette":1,"complete":false,"#));
    recorder.close();
    assert_eq!(bytes(under_way).await.unwrap(), b"GET /v1/b ", "the call goes on");
    let cassette = Cassette::load(&file).unwrap();
    assert_eq!((cassette.complete, cassette.exchanges.len()), (false, 1));
}

#[tokio::test]
async fn recording_goes_on_in_a_file_of_the_same_plugin_and_in_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    for turn in 0..2 {
        let (gateway, recorder) = recording(&server.url(), &file);
        asked(&gateway, get(&format!("/v1/{turn}"))).await.unwrap();
        let open = |label| Recorder::open(&file, label, Arc::default(), RecordLimits::default());
        let twice = open(label()).unwrap_err().to_string();
        assert!(twice.ends_with("it is being recorded to already; name another file"), "{twice}");
        recorder.close();
        let other = open(Label { plugin_digest: "sha256:01".into(), ..label() }).unwrap_err();
        assert!(matches!(&other, CassetteError::Other { what: "the plugin's file", .. }), "{other}");
    }
    let cassette = Cassette::load(&file).unwrap();
    let numbers: Vec<_> = cassette.exchanges.iter().map(|exchange| exchange.number).collect();
    assert_eq!((cassette.complete, numbers), (true, vec![1, 2]));
    let other = Player::load(&file, Match::Strict).unwrap().judge("etcd").unwrap_err();
    assert!(other.to_string().ends_with("is of the plugin `prometheus`, not of `etcd`; name another file"), "{other}");

    let mut text = std::fs::read_to_string(&file).unwrap();
    text.truncate(text.len() - 5);
    std::fs::write(&file, text).unwrap();
    let cut = Player::load(&file, Match::Strict).unwrap_err().to_string();
    let place = format!("the cassette {}, line 3: ", file.display());
    assert!(cut.starts_with(&place) && cut.contains("cut off"), "{cut}");
    assert!(Recorder::open(&file, label(), Arc::default(), RecordLimits::default()).is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_cassette_is_its_owners_alone_and_a_link_is_not_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    recorder_to(&file, RecordLimits::default()).close();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let link = folder.path().join("l");
    symlink(folder.path().join("elsewhere"), &link).unwrap();
    assert!(Recorder::open(&link, label(), Arc::default(), RecordLimits::default()).is_err());
    assert!(!folder.path().join("elsewhere").exists());
}
