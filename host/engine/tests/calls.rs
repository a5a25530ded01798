//! How the engine runs guests, with a real component that misbehaves on request.

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_engine::{
    CallContext, CallError, Guest, Limit, Limits, LogLevel,
    types::{Error, ErrorKind, ErrorSource},
};
use support::{Stand, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_many_types_comes_back_from_the_guest_as_it_went_in() {
    let stand = Stand::new(Limits::default()).await;
    let value = r#"{"wide":"18446744073709551615","float":"NaN","bytes":"AP8=","nested":{"some":null},"choice":{"many":["left","right"]},"marks":["read","write"],"pair":["ä","ß"]}"#;
    assert_eq!(stand.call("echo", &format!(r#"{{"value": {value}}}"#)).await.unwrap(), value);
}

#[tokio::test]
async fn an_instance_is_used_again_after_a_call_that_answered() {
    let stand = Stand::new(Limits::default()).await;
    for n in 1..=5 {
        assert_eq!(stand.call("count", "{}").await.unwrap(), n.to_string());
    }
    assert_eq!(stand.call("fail", "{}").await.unwrap_err().to_string(), "slow down");
    assert_eq!(stand.call("count", "{}").await.unwrap(), "6", "an error is an answer");
    assert_eq!(stand.pool.stats().created, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_at_once_never_meet_in_one_instance() {
    let stand = Arc::new(Stand::new(Limits::default()).await);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let stand = stand.clone();
            tokio::spawn(async move { stand.call("sleep", r#"{"ms": 200}"#).await })
        })
        .collect();
    let start = Instant::now();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(start.elapsed() < Duration::from_millis(1200), "they ran beside each other");
    assert!(stand.pool.stats().created >= 8);
    assert_eq!(stand.pool.stats().idle, 4, "only so many are kept");
}

#[tokio::test]
async fn a_crash_costs_its_instance_and_tells_the_last_words() {
    let stand = Stand::new(Limits::default()).await;
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
    let error = stand.call("crash", r#"{"message": "the sky fell"}"#).await.unwrap_err();
    assert!(error.is_guest_fault());
    assert!(error.to_string().contains("the sky fell"), "{error}");
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1", "a fresh instance");
    assert_eq!(stand.pool.stats().discarded, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_spins_is_stopped_at_its_processor_time_and_holds_up_nobody() {
    let limits = Limits { cpu: Duration::from_millis(300), ..Limits::default() };
    let stand = Arc::new(Stand::new(limits).await);
    let spinner = tokio::spawn({
        let stand = stand.clone();
        async move { stand.call("spin", "{}").await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
    let error = spinner.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Exceeded { limit: Limit::Cpu, most: 300 }), "{error}");
}

#[tokio::test]
async fn a_guest_that_sleeps_uses_no_processor_time() {
    let limits = Limits { cpu: Duration::from_millis(100), ..Limits::default() };
    let stand = Stand::new(limits).await;
    for _ in 0..5 {
        stand.call("sleep", r#"{"ms": 150}"#).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_whether_the_guest_spins_sleeps_or_waits_for_an_answer() {
    let stand = Stand::new(Limits::default()).await;
    for (operation, params) in [("spin", "{}"), ("sleep", r#"{"ms": 60000}"#), ("fetch", r#"{"path": "/hang"}"#)] {
        let start = Instant::now();
        let error = stand.call_within(operation, params, Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(error, CallError::DeadlineExceeded), "{operation}: {error}");
        assert!(start.elapsed() < Duration::from_secs(2), "{operation}");
    }
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
    eventually(|| stand.pool.stats().discarded == 3).await;
}

#[tokio::test]
async fn a_dropped_call_discards_its_instance() {
    let stand = Stand::new(Limits::default()).await;
    let call = stand.call("sleep", r#"{"ms": 60000}"#);
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    let stats = stand.pool.stats();
    assert_eq!((stats.busy, stats.idle, stats.discarded), (0, 0, 1));
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
}

#[tokio::test]
async fn memory_beyond_the_limit_is_a_typed_error_and_is_given_back() {
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let stand = Stand::new(limits).await;
    assert_eq!(stand.call("grow", r#"{"mib": 8}"#).await.unwrap(), (8 << 20).to_string());
    let held = stand.pool.stats().memory_bytes;
    assert!(held >= 8 << 20);
    let error = stand.call("grow", r#"{"mib": 64}"#).await.unwrap_err();
    assert!(matches!(error, CallError::Exceeded { limit: Limit::Memory, most: 16 }), "{error}");
    assert_eq!(stand.pool.stats().memory_bytes, 0);
}

#[tokio::test]
async fn endless_recursion_is_a_trap_and_not_the_end_of_the_host() {
    let stand = Stand::new(Limits::default()).await;
    let error = stand.call("recurse", "{}").await.unwrap_err();
    // Rust keeps its frames in linear memory, whose end comes before that of wasm's own stack.
    assert!(matches!(&error, CallError::Trap { message } if message.contains("out of bounds")), "{error}");
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_an_error() {
    let limits = Limits { result_bytes: 1 << 20, ..Limits::default() };
    let stand = Stand::new(limits).await;
    assert_eq!(stand.call("long", r#"{"bytes": 1000}"#).await.unwrap().len(), 1002);
    let error = stand.call("long", r#"{"bytes": 2000000}"#).await.unwrap_err();
    assert!(matches!(error, CallError::Exceeded { limit: Limit::Result, .. }), "{error}");
}

#[tokio::test]
async fn standard_output_arrives_in_the_log_line_by_line() {
    let stand = Stand::new(Limits::default()).await;
    stand.call("print", r#"{"lines": 2}"#).await.unwrap();
    let log = stand.world.log.lock().unwrap().clone();
    let expected = [(LogLevel::Info, "line 0"), (LogLevel::Info, "line 1"), (LogLevel::Warn, "printed 2 lines")];
    assert_eq!(log, expected.map(|(level, line)| (level, line.to_owned())));
}

#[tokio::test]
async fn an_error_of_the_guest_keeps_its_kind_its_source_and_its_code() {
    let stand = Stand::new(Limits::default()).await;
    let CallError::Guest(error) = stand.call("fail", "{}").await.unwrap_err() else { panic!("not the guest's") };
    assert!(matches!(error.kind, ErrorKind::RateLimited(after) if after.delay_ms == Some(1500)));
    assert!(matches!(error.source, ErrorSource::Downstream));
    assert_eq!(error.code.as_deref(), Some("E42"));
}

#[tokio::test]
async fn wrong_parameters_are_refused_before_any_instance_is_made() {
    let stand = Stand::new(Limits::default()).await;
    let error = stand.call("sleep", r#"{"ms": -1}"#).await.unwrap_err();
    assert!(matches!(&error, CallError::Params(e) if e.pointer == "/ms"), "{error}");
    assert_eq!(stand.pool.stats().created, 0);
}

#[tokio::test]
async fn a_body_is_read_to_its_end_in_pieces() {
    let stand = Stand::new(Limits::default()).await;
    assert_eq!(stand.call("fetch", r#"{"path": "/a?b=c"}"#).await.unwrap(), "\"L2E/Yj1jIQ==\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_beyond_the_bound_wait_in_order_and_give_up_at_their_deadline() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let stand = Arc::new(Stand::new(limits).await);
    let first = tokio::spawn({
        let stand = stand.clone();
        async move { stand.call("sleep", r#"{"ms": 400}"#).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = stand.call_within("count", "{}", Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, CallError::Busy { .. }), "{error}");
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_embedders_typed_call_and_the_lifecycle_share_the_pool() {
    let stand = Stand::new(Limits::default()).await;
    let context = || CallContext::new("lifecycle", Duration::from_secs(5));
    let described = stand.pool.describe(context()).await.unwrap();
    assert_eq!((described.name.as_str(), described.version.as_str()), ("unruly", "0.1.0"));
    let health = stand.pool.check_health(context()).await.unwrap();
    assert_eq!(health.message, "as unruly as ever");
    stand.pool.validate_config(context(), "{}").await.unwrap();
    let count = stand
        .pool
        .typed(context(), async |guest: &mut Guest| {
            let interface =
                guest.instance.get_export_index(&mut guest.store, None, "test:unruly/unruly@0.1.0").unwrap();
            let count = guest.instance.get_export_index(&mut guest.store, Some(&interface), "count").unwrap();
            let count = guest.instance.get_typed_func::<(), (Result<u32, Error>,)>(&mut guest.store, count)?;
            Ok(count.call_async(&mut guest.store, ()).await?.0)
        })
        .await
        .unwrap();
    assert!(matches!(count, Ok(1)));
    assert_eq!(stand.pool.stats().created, 1);
}

#[tokio::test]
async fn idle_instances_go_when_two_trims_found_them_idle() {
    let stand = Stand::new(Limits::default()).await;
    stand.call("count", "{}").await.unwrap();
    assert_eq!(stand.pool.stats().idle, 1);
    stand.engine.trim();
    stand.engine.trim();
    assert_eq!(stand.pool.stats().idle, 0);
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
}
