//! What one integration does to the others: nothing they would notice.

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_engine::{CallError, EngineConfig, Limits};
use support::{Stand, eventually};

/// Starts so many calls and lets them run.
fn start(stand: &Arc<Stand>, calls: usize, operation: &'static str, params: &'static str) {
    for _ in 0..calls {
        let stand = stand.clone();
        tokio::spawn(async move { stand.call(operation, params).await });
    }
}

async fn two(config: EngineConfig, limits: Limits) -> (Arc<Stand>, Arc<Stand>) {
    let hostile = Stand::with(config, limits.clone()).await;
    let healthy = hostile.neighbour(limits).await;
    (Arc::new(hostile), Arc::new(healthy))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// One thread serves everybody, so whoever holds it is felt by all.
#[tokio::test]
async fn guests_that_compute_do_not_hold_the_thread_that_serves_the_others() {
    let config = EngineConfig { max_instances: 200, ..EngineConfig::default() };
    let (hostile, healthy) = two(config, Limits { cpu: Duration::from_secs(60), ..Limits::default() }).await;
    healthy.call("count", "{}").await.unwrap();
    start(&hostile, 32, "spin", "{}");
    // Each of the first is given a slice before it is known for what it is.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        healthy.call("count", "{}").await.unwrap();
        times.push(begun.elapsed());
    }
    // Held by one of them, it would be a tick at least, held by all of them 32 times that.
    assert!(median(times.clone()) < Duration::from_millis(3), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_calls_an_integration_has_it_gets_one_integrations_share_of_the_processors() {
    let config = EngineConfig { max_instances: 400, ..EngineConfig::default() };
    let limits = Limits { cpu: Duration::from_secs(60), concurrency: 100, ..Limits::default() };
    let (hostile, healthy) = two(config, limits).await;
    start(&hostile, 100, "spin", "{}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    // A hundred milliseconds of the guest's own clock: at a hundred-and-first of the machine it would take ten seconds.
    healthy.call("compute", r#"{"ms": 100}"#).await.unwrap();
    healthy.call("compute", r#"{"ms": 100}"#).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_integration_that_holds_all_the_instances_it_can_leaves_room_for_the_others() {
    let config = EngineConfig { max_instances: 20, ..EngineConfig::default() };
    let (hostile, healthy) = two(config, Limits { concurrency: 100, ..Limits::default() }).await;
    start(&hostile, 100, "sleep", r#"{"ms": 60000}"#);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(hostile.pool.stats().created, 10, "half of all");
    assert_eq!(healthy.call("count", "{}").await.unwrap(), "1");
    let error = hostile.call_within("count", "{}", Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded | CallError::Busy { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_instances_make_room_for_a_call_that_needs_one() {
    let config = EngineConfig { max_instances: 4, ..EngineConfig::default() };
    let (first, second) = two(config, Limits { max_idle: 4, ..Limits::default() }).await;
    let third = first.neighbour(Limits::default()).await;
    for stand in [&first, &second] {
        assert_eq!(stand.call("count", "{}").await.unwrap(), "1");
    }
    start(&second, 2, "sleep", r#"{"ms": 60000}"#);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(third.call("count", "{}").await.unwrap(), "1");
}

#[tokio::test]
async fn a_call_that_moved_to_the_background_ends_with_its_caller() {
    let stand = Stand::new(Limits { cpu: Duration::from_secs(60), ..Limits::default() }).await;
    let call = stand.call("spin", "{}");
    assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
    eventually(|| stand.pool.stats().busy == 0).await;
    assert_eq!(stand.pool.stats().discarded, 1);
}

#[tokio::test]
async fn the_memory_of_a_guest_is_empty_when_the_next_integration_gets_it() {
    // One slot: the second instance is made where the first was.
    let config = EngineConfig { max_instances: 2, ..EngineConfig::default() };
    let (first, second) = two(config, Limits { max_idle: 0, ..Limits::default() }).await;
    for _ in 0..5 {
        assert_eq!(first.call("grow", r#"{"mib": 8}"#).await.unwrap(), (8 << 20).to_string());
        // Counts what it finds in memory that it has just been given and has not written to.
        assert_eq!(second.call("leftovers", r#"{"mib": 8}"#).await.unwrap(), "0");
    }
}
