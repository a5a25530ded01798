//! Every bound of a call and an instance, each run into on purpose. After each the next call is fine.

mod support;

use std::time::Duration;

use jackfield_engine::{CallError, Limit, Limits};
use support::Stand;

/// Runs into a bound, and sees that it cost an instance and nothing else.
async fn runs_into(limit: Limit, limits: Limits, operation: &str, params: &str) {
    let stand = Stand::new(limits).await;
    match stand.call(operation, params).await {
        Err(CallError::Exceeded { limit: found, most }) => {
            assert_eq!(found, limit, "{operation} {params}");
            assert!(most > 0);
        }
        other => panic!("{operation} {params}: {other:?}"),
    }
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1", "a fresh instance");
}

#[tokio::test]
async fn processor_time_is_bounded() {
    let limits = Limits { cpu: Duration::from_millis(50), ..Limits::default() };
    runs_into(Limit::Cpu, limits, "spin", "{}").await;
}

#[tokio::test]
async fn memory_is_bounded_whether_it_is_taken_at_once_or_by_and_by() {
    let limits = || Limits { memory_bytes: 16 << 20, ..Limits::default() };
    runs_into(Limit::Memory, limits(), "grow", r#"{"mib": 64}"#).await;
    runs_into(Limit::Memory, limits(), "grow", r#"{"mib": 1500}"#).await;
    runs_into(Limit::Memory, limits(), "creep", "{}").await;
}

#[tokio::test]
async fn the_stack_is_bounded() {
    runs_into(Limit::Stack, Limits::default(), "descend", r#"{"depth": 10000000}"#).await;
}

#[tokio::test]
async fn what_the_host_copies_is_bounded_by_what_it_becomes() {
    // Twenty megabytes in the guest are half a gigabyte of values.
    runs_into(Limit::Copies, Limits::default(), "crowd", r#"{"count": 10000000}"#).await;
    let limits = Limits { copied_bytes: 1 << 20, ..Limits::default() };
    runs_into(Limit::Copies, limits, "long", r#"{"bytes": 2000000}"#).await;
}

#[tokio::test]
async fn bodies_that_are_held_at_once_are_bounded() {
    let limits = Limits { resources: 20, ..Limits::default() };
    runs_into(Limit::Resources, limits, "hoard", r#"{"path": "/"}"#).await;
}

#[tokio::test]
async fn an_answer_is_bounded_as_json() {
    let limits = Limits { result_bytes: 10_000, ..Limits::default() };
    runs_into(Limit::Result, limits, "long", r#"{"bytes": 20000}"#).await;
    let limits = Limits { result_bytes: 1 << 20, ..Limits::default() };
    runs_into(Limit::Result, limits, "long", r#"{"bytes": 2000000}"#).await;
}

#[tokio::test]
async fn a_string_that_is_not_there_and_a_panic_while_freeing_are_crashes() {
    let stand = Stand::new(Limits::default()).await;
    for (operation, params) in [("lie", r#"{"bytes": 1073741824}"#), ("poison", "{}")] {
        let error = stand.call(operation, params).await.unwrap_err();
        assert!(matches!(error, CallError::Trap { .. }), "{operation}: {error}");
        assert_eq!(stand.call("count", "{}").await.unwrap(), "1", "a fresh instance after {operation}");
    }
}
