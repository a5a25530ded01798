//! What an integration may use, what it gets when it wants more, and who is told. Nobody else notices.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{builder, call, outside::Outside, plugin, unruly};
use jackfield_core::{ErrorKind, ErrorSource, EventKind, Host, NewIntegration, UpdateIntegration};
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

#[tokio::test]
async fn every_limit_that_is_run_into_is_an_event_and_a_metric() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let mut events = host.events();
    set(&host, "state-kib", 64).await;
    set(&host, "cpu-ms", 300).await;
    set(&host, "requests-per-second", 5).await;
    call(&host, "wild", "unruly.fill", json!({"options": {}})).await.unwrap();
    call(&host, "wild", "unruly.chatter", json!({"length": 100})).await.unwrap_err();
    call(&host, "wild", "unruly.hammer", json!({"path": "/hello"})).await.unwrap_err();
    for limit in ["state", "log", "requests", "cpu"] {
        assert!(hits(&host, limit) > 0, "{limit}");
    }
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if event.kind == EventKind::LimitExceeded {
            assert_eq!(event.integration.as_deref(), Some("wild"));
            told.push(event.message);
        }
    }
    for limit in ["state limit: ", "log limit: ", "requests limit: ", "cpu limit: "] {
        assert!(told.iter().any(|message| message.starts_with(limit)), "{limit} is not among {told:?}");
    }
    // Sent in a burst of two seconds' worth, and what little came in the time since.
    assert!(outside.requests() <= 20, "{}", outside.requests());
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
