//! Calls with real guests: JSON in, JSON out; whose fault a failure is; what is left running after one.

mod common;

use std::time::{Duration, Instant};

use common::{call, outside::Outside, playing, put, unruly};
use jackfield_core::{CallRequest, ErrorKind, ErrorSource, EventKind, Host};
use serde_json::{Value, json};

#[tokio::test]
async fn what_was_written_is_read_back_by_json() {
    let host = playing().await;
    let written = put(&host, "a/b", "aGVsbG8=").await;
    assert_eq!(written["key"], "a/b");
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "a/b"})).await.unwrap(), written);
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "none"})).await.unwrap(), Value::Null);
    host.shutdown().await;
}

#[tokio::test]
async fn a_slip_in_any_name_is_answered_with_the_name_that_was_meant() {
    let host = playing().await;
    for (integration, operation, meant) in [
        ("plya", "key-value.get", "`play`"),
        ("play", "key-valeu.get", "`key-value`"),
        ("play", "key-value.gte", "`get`"),
    ] {
        let error = call(&host, integration, operation, json!({"key": "a"})).await.unwrap_err();
        assert_eq!((error.kind, error.source_of_fault), (ErrorKind::NotFound, ErrorSource::Caller));
        assert!(error.message.contains(meant), "{error}");
    }
}

#[tokio::test]
async fn wrong_parameters_name_their_place_and_never_reach_the_guest() {
    let host = unruly("http://127.0.0.1:9").await;
    for (operation, params, place) in [
        ("unruly.long", json!({"bytes": -1}), "/bytes"),
        ("unruly.long", json!({}), "/bytes"),
        ("unruly.long", json!({"bytes": 1, "byts": 2}), "/byts"),
        ("unruly.fetch", json!({"path": ["x"]}), "/path"),
    ] {
        let error = call(&host, "wild", operation, params).await.unwrap_err();
        assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Invalid, ErrorSource::Caller), "{error}");
        assert_eq!(error.field.as_deref(), Some(place));
    }
    assert_eq!(call(&host, "wild", "unruly.count", json!({})).await.unwrap(), 1, "the first call that a guest saw");
}

#[tokio::test]
async fn a_guest_that_crashes_or_overruns_is_discarded_told_of_and_the_next_call_is_fine() {
    let host = unruly("http://127.0.0.1:9").await;
    let mut events = host.events();
    for (operation, params, code) in [
        ("unruly.crash", json!({"message": "boom"}), None),
        ("unruly.recurse", json!({}), None),
        ("unruly.grow", json!({"mib": 1000}), Some("memory-limit")),
    ] {
        assert_eq!(call(&host, "wild", "unruly.count", json!({})).await.unwrap(), 1, "a fresh instance");
        let error = call(&host, "wild", operation, params).await.unwrap_err();
        assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Internal, ErrorSource::Plugin), "{error}");
        assert_eq!(error.code.as_deref(), code, "{error}");
    }
    let told = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let event = events.recv().await.unwrap();
            if event.kind == EventKind::GuestFault {
                return event;
            }
        }
    });
    let event = told.await.unwrap();
    assert_eq!(event.integration.as_deref(), Some("wild"));
    assert!(event.message.contains("unruly.crash"), "{}", event.message);
}

#[tokio::test]
async fn a_caller_that_is_in_a_hurry_gets_its_answer_in_time() {
    let host = unruly("http://127.0.0.1:9").await;
    for operation in ["unruly.spin", "unruly.sleep"] {
        let params = if operation == "unruly.sleep" { json!({"ms": 60_000}) } else { json!({}) };
        let (capability, name) = operation.split_once('.').unwrap();
        let mut request = CallRequest::new("wild", capability, name, params.to_string());
        request.timeout = Some(Duration::from_millis(200));
        let started = Instant::now();
        let error = host.call(request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded, "{error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn the_fault_of_the_outside_system_is_told_apart_from_the_plugins() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let hello = call(&host, "wild", "unruly.fetch", json!({"path": "/hello"})).await.unwrap();
    assert_eq!(hello, "aGVsbG8=");
    let failed = async |path: &str| {
        let mut request = CallRequest::new("wild", "unruly", "fetch", json!({"path": path}).to_string());
        request.timeout = Some(Duration::from_millis(500));
        let error = host.call(request).await.unwrap_err();
        (error.kind, error.source_of_fault)
    };
    assert_eq!(failed("/slow").await, (ErrorKind::DeadlineExceeded, ErrorSource::Downstream));
    assert_eq!(failed("/garbage").await, (ErrorKind::Internal, ErrorSource::Downstream));
    assert_eq!(failed("/cut").await, (ErrorKind::Unavailable, ErrorSource::Downstream));
    let down = unruly("http://127.0.0.1:9").await;
    let error = call(&down, "wild", "unruly.fetch", json!({"path": "/x"})).await.unwrap_err();
    assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Unavailable, ErrorSource::Downstream));
    assert!(error.message.contains("127.0.0.1:9") && error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let status = call(&host, "wild", "unruly.submit", json!({"path": "/redirect", "then-crash": false})).await;
    assert_eq!(status.unwrap(), 302);
    assert_eq!(outside.requests(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_has_an_unknown_outcome_and_is_sent_once() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    for (n, (path, crash)) in (1..).zip([("/close", false), ("/slow", false), ("/garbage", false), ("/ok", true)]) {
        let params = json!({"path": path, "then-crash": crash}).to_string();
        let mut request = CallRequest::new("wild", "unruly", "submit", params);
        request.timeout = Some(Duration::from_millis(500));
        let error = host.call(request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{path}: {error}");
        assert_eq!(outside.requests(), n, "{path}");
    }
    let down = unruly("http://127.0.0.1:9").await;
    let error = call(&down, "wild", "unruly.submit", json!({"path": "/x", "then-crash": false})).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "what was surely not sent is no riddle: {error}");
}

#[tokio::test]
async fn a_read_that_met_a_broken_connection_is_tried_again_and_a_write_is_not() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let read = call(&host, "wild", "unruly.fetch", json!({"path": "/flaky"})).await.unwrap();
    assert_eq!((read, outside.requests()), (json!("aGVsbG8="), 2));
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let write = call(&host, "wild", "unruly.submit", json!({"path": "/flaky", "then-crash": false})).await;
    assert_eq!((write.unwrap_err().kind, outside.requests()), (ErrorKind::OutcomeUnknown, 1));
}

#[tokio::test]
async fn an_idempotency_key_of_the_caller_has_a_write_done_once() {
    let host = playing().await;
    let create = async |host: &Host, key: Option<&str>| {
        let params = json!({"key": "once", "expected": null, "value": "MQ=="}).to_string();
        let mut request = CallRequest::new("play", "key-value", "compare-and-set", params);
        request.idempotency_key = key.map(str::to_owned);
        host.call(request).await
    };
    let first = create(&host, Some("k1")).await.unwrap();
    assert_eq!(create(&host, Some("k1")).await.unwrap().json, first.json);
    assert_eq!(create(&host, Some("k2")).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(create(&host, None).await.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered() {
    let host = playing().await;
    let calls = (0..200).map(|n| {
        let host = host.clone();
        tokio::spawn(async move { call(&host, "play", "key-value.get", json!({"key": n.to_string()})).await })
    });
    for answer in calls.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().unwrap(), Value::Null);
    }
    let text = host.metrics_text();
    let counted = text.lines().find(|l| l.contains("operation=\"get\"") && l.contains("\"ok\"")).unwrap();
    assert!(counted.ends_with(" 200"), "{counted}");
    // What the host itself runs, and nothing of two hundred calls.
    let tasks = |runtime| {
        let line = format!("jackfield_tasks_alive{{runtime=\"{runtime}\"}} ");
        text.lines().find_map(|l| l.strip_prefix(&line)?.parse::<u64>().ok()).unwrap()
    };
    assert!((3..20).contains(&tasks("main")) && tasks("long") == 0, "{text}");
}
