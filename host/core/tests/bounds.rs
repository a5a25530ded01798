//! What an integration may use, what it gets when it wants more, and who is told. Nobody else notices.

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{builder, call, outside::Outside, plugin, unruly};
use jackfield_core::{CallRequest, ErrorKind, ErrorSource, EventKind, Host, NewIntegration, UpdateIntegration};
use serde_json::json;

/// A limit that the operator sets on `wild`.
async fn set(host: &Host, name: &str, value: u64) {
    let limits = Some(BTreeMap::from([(name.to_owned(), Some(value))]));
    host.update_integration("wild", UpdateIntegration { limits, ..UpdateIntegration::default() }).await.unwrap();
}

fn hits(host: &Host, limit: &str) -> u64 {
    let line = format!("jackfield_limit_hits_total{{integration=\"wild\",limit=\"{limit}\"}} ");
    host.metrics_text().lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn an_operator_sets_limits_that_bite_at_the_next_call() {
    let host = unruly("http://127.0.0.1:9").await;
    assert_eq!(host.integration("wild").unwrap().limits.memory_mib, Some(64), "the default is shown");
    call(&host, "wild", "unruly.grow", json!({"mib": 20})).await.unwrap();
    set(&host, "memory-mib", 8).await;
    assert_eq!(host.integration("wild").unwrap().limits.memory_mib, Some(8));
    let error = call(&host, "wild", "unruly.grow", json!({"mib": 20})).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("memory-limit"), "{error}");
    set(&host, "cpu-ms", 50).await;
    let error = call(&host, "wild", "unruly.spin", json!({})).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("cpu-limit"), "{error}");
    assert_eq!((hits(&host, "memory"), hits(&host, "cpu")), (1, 1));
}

#[tokio::test]
async fn a_limit_that_cannot_be_granted_is_refused_where_it_stands() {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("unruly")).await.unwrap();
    let mut new = NewIntegration::new("wild", "unruly");
    new.limits.concurrency = Some(0);
    let error = host.add_integration(new).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Invalid, Some("/limits/concurrency")), "{error}");
}

/// A way into a limit: which it is, what the operator sets for it, the operation and its parameters, and the code or, where
/// there is none, the kind of what comes of it.
type Way = (&'static str, &'static [(&'static str, u64)], &'static str, serde_json::Value, &'static str);

fn ways() -> Vec<Way> {
    vec![
        ("cpu", &[("cpu-ms", 100)], "spin", json!({}), "cpu-limit"),
        ("memory", &[("memory-mib", 8)], "grow", json!({"mib": 20}), "memory-limit"),
        ("stack", &[], "descend", json!({"depth": 10_000_000}), "stack-limit"),
        ("copies", &[], "crowd", json!({"count": 10_000_000}), "copies-limit"),
        ("resources", &[], "hoard", json!({"path": "/hello"}), "resources-limit"),
        ("result", &[("result-mib", 1)], "long", json!({"bytes": 2_000_000}), "result-limit"),
        ("deadline", &[("call-timeout-ms", 200)], "sleep", json!({"ms": 60_000}), "deadline-exceeded"),
        ("response", &[("response-mib", 1)], "fetch", json!({"path": "/kib/2000"}), "response-limit"),
        ("traffic", &[("response-mib", 1)], "gulp", json!({"path": "/kib/900"}), "traffic-limit"),
        ("requests", &[("requests-per-second", 1)], "gulp", json!({"path": "/hello"}), "requests-limit"),
        ("log", &[("cpu-ms", 100)], "chatter", json!({"length": 100}), "cpu-limit"),
        ("state", &[("state-kib", 64)], "fill", json!({"options": {}}), ""),
    ]
}

/// Of the tables the built server's test has one: no compiler makes a guest that grows them.
#[tokio::test]
async fn every_limit_that_is_run_into_is_a_typed_error_an_event_and_a_metric() {
    let outside = Outside::start().await;
    for (limit, settings, operation, params, told) in ways() {
        let host = unruly(&outside.url).await;
        for (name, value) in settings {
            set(&host, name, *value).await;
        }
        let mut events = host.events();
        match call(&host, "wild", &format!("unruly.{operation}"), params).await {
            Ok(answer) => assert_eq!(told, "", "{limit}: {answer:.100}"),
            Err(error) => assert_eq!(error.code.as_deref().unwrap_or(error.kind.as_str()), told, "{limit}: {error}"),
        }
        assert!(hits(&host, limit) > 0, "{limit} is not counted");
        let messages = std::iter::from_fn(|| events.try_recv().ok())
            .filter(|event| event.kind == EventKind::LimitExceeded && event.integration.as_deref() == Some("wild"))
            .map(|event| event.message);
        let messages: Vec<_> = messages.collect();
        assert!(
            messages.iter().any(|message| message.starts_with(&format!("{limit} limit: "))),
            "{limit}: {messages:?}"
        );
        call(&host, "wild", "unruly.count", json!({})).await.unwrap_or_else(|error| panic!("after {limit}: {error}"));
    }
}

#[tokio::test]
async fn requests_are_sent_in_a_burst_of_two_seconds_worth_and_what_comes_in_the_time_since() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    set(&host, "cpu-ms", 300).await;
    set(&host, "requests-per-second", 5).await;
    let begun = Instant::now();
    call(&host, "wild", "unruly.hammer", json!({"path": "/hello"})).await.unwrap_err();
    let most = 5.0 * (2.0 + begun.elapsed().as_secs_f64());
    assert!(f64::from(outside.requests()) <= most + 1.0, "{} of {most}", outside.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_which_there_is_no_place_in_its_time_is_told_so_and_counted() {
    let host = unruly("http://127.0.0.1:9").await;
    set(&host, "concurrency", 1).await;
    set(&host, "call-timeout-ms", 500).await;
    // The second gives up while the first has its place: else it would have it, and no time to use it.
    let sleep = |ms| {
        let mut request = CallRequest::new("wild", "unruly", "sleep", r#"{"ms": 60000}"#);
        request.timeout = Some(Duration::from_millis(ms));
        host.call(request)
    };
    let (first, second) = tokio::join!(sleep(500), sleep(200));
    assert_eq!(first.unwrap_err().kind, ErrorKind::DeadlineExceeded);
    let error = second.unwrap_err();
    assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Unavailable, ErrorSource::Host), "{error}");
    assert_eq!(error.code.as_deref(), Some("concurrency-limit"));
    assert_eq!(hits(&host, "concurrency"), 1);
}

#[tokio::test]
async fn an_operation_that_crashes_again_and_again_is_not_run_for_a_while_and_the_others_are() {
    let host = unruly("http://127.0.0.1:9").await;
    let mut events = host.events();
    for _ in 0..5 {
        let error = call(&host, "wild", "unruly.crash", json!({"message": "boom"})).await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Internal, None));
    }
    let error = call(&host, "wild", "unruly.crash", json!({"message": "boom"})).await.unwrap_err();
    assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Unavailable, ErrorSource::Plugin), "{error}");
    assert_eq!(error.code.as_deref(), Some("breaker-open"));
    let wait = error.retry_after.unwrap();
    assert!(wait <= Duration::from_secs(1));
    assert!(
        host.metrics_text()
            .contains("jackfield_breaker_open{integration=\"wild\",capability=\"unruly\",operation=\"crash\"} 1")
    );
    assert_eq!(call(&host, "wild", "unruly.count", json!({})).await.unwrap(), 1, "other operations run");
    tokio::time::sleep(wait).await;
    let error = call(&host, "wild", "unruly.crash", json!({"message": "boom"})).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal, "the trial: {error}");
    let error = call(&host, "wild", "unruly.crash", json!({"message": "boom"})).await.unwrap_err();
    assert!(error.retry_after.unwrap() > Duration::from_secs(1), "and twice as long");
    let mut opened = 0;
    while let Ok(event) = events.try_recv() {
        opened += usize::from(event.kind == EventKind::BreakerOpened);
    }
    assert_eq!(opened, 1);
}
