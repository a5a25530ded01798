//! What a replay answers without any traffic, and what it refuses to.

mod cassettes;
mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use cassettes::{asked, bytes, gateway, label, post, recorder_to, recording, repeats, replay_error, replaying, spec};
use common::{get, soon};
use jackfield_gateway::{Answer, Cassette, End, GatewayError, Match, RecordLimits, ReplayError, Request};
use support::{Server, answer, read_head, reset};
use tokio::io::AsyncWriteExt as _;

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
