//! Guests that no compiler would make: hostile as they start, in everything they export, and where the host allocates and
//! frees in their memory. Each costs its own instance, is told typed, and leaves the engine as it was.

mod support;

use std::{sync::Arc, time::Duration};

use jackfield_crafted::{GUESTS, Guest, Place, wit, with_tables};
use jackfield_engine::{CallContext, CallError, Engine, EngineConfig, Guest as Instance, Limits};
use support::Stand;

fn engine() -> Arc<Engine> {
    Engine::new(EngineConfig { max_instances: 20, ..EngineConfig::default() }).unwrap()
}

fn limits() -> Limits {
    Limits { cpu: Duration::from_millis(50), memory_bytes: 4 << 20, ..Limits::default() }
}

async fn stand(engine: &Arc<Engine>, guest: &Guest) -> Stand {
    Stand::of(engine.clone(), guest.component().into(), &wit(), limits()).await
}

/// What the host's API would call it.
fn told(error: &CallError) -> String {
    match error {
        CallError::Exceeded { limit, .. } => format!("{}-limit", limit.as_str()),
        CallError::Trap { .. } => "internal".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whatever_a_guest_does_wherever_it_does_it_it_is_told_typed_and_costs_its_instance() {
    let engine = engine();
    for guest in GUESTS {
        let stand = stand(&engine, &guest).await;
        for _ in 0..2 {
            let error = stand.call("act", r#"{"text": "now"}"#).await.expect_err(guest.name);
            assert_eq!(told(&error), guest.told, "{}: {error}", guest.name);
            let rest = stand.call("rest", "{}").await;
            match guest.place {
                Place::Act | Place::Allocate => assert_eq!(rest.unwrap(), "0", "{}", guest.name),
                Place::Start | Place::Each => assert_eq!(told(&rest.unwrap_err()), guest.told, "{}", guest.name),
            }
        }
        let stats = stand.pool.stats();
        assert_eq!(stats.busy, 0, "{}", guest.name);
        // What is left, if anything, is the one that answered.
        assert!(stats.idle <= 1, "{}: {stats:?}", guest.name);
        engine.trim();
        engine.trim();
        assert_eq!(stand.pool.stats().memory_bytes, 0, "{}", guest.name);
    }
}

#[tokio::test]
async fn a_lifecycle_that_panics_is_told_typed_too() {
    let stand = stand(&engine(), &Guest::named("each-panics")).await;
    let context = || CallContext::new("lifecycle", Duration::from_secs(5));
    let (pool, crashed) = (&stand.pool, |error: CallError| assert!(error.is_guest_fault(), "{error}"));
    crashed(pool.describe(context()).await.unwrap_err());
    crashed(pool.validate_config(context(), "{}").await.unwrap_err());
    crashed(pool.check_health(context()).await.unwrap_err());
    crashed(pool.migrate_config(context(), "0.0.1", "{}").await.unwrap_err());
}

/// Instances that trap as they start are made and dropped again and again; none may be left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_never_start_use_up_nothing() {
    let engine = engine();
    let broken = Arc::new(stand(&engine, &Guest::named("start-traps")).await);
    for _ in 0..10 {
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let broken = broken.clone();
                tokio::spawn(async move { broken.call("rest", "{}").await })
            })
            .collect();
        for call in calls {
            assert_eq!(told(&call.await.unwrap().unwrap_err()), "internal");
        }
    }
    let healthy = stand(&engine, &Guest::named("each-exits")).await;
    assert!(healthy.call("rest", "{}").await.unwrap_err().is_guest_fault(), "there is room for its instance");
}

/// As many tables as a component may have are four times what most have.
#[tokio::test]
async fn instances_that_are_made_of_as_much_as_they_may_leave_room_for_the_others() {
    let engine = Engine::new(EngineConfig { max_instances: 10, ..EngineConfig::default() }).unwrap();
    let large = Stand::of(engine.clone(), with_tables(8).into(), &wit(), limits()).await;
    let small = Stand::of(engine, with_tables(2).into(), &wit(), limits()).await;
    let hold = || {
        large.pool.typed(CallContext::new("hold", Duration::from_secs(10)), async |_: &mut Instance| {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(())
        })
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(large.pool.stats().busy, 5, "half of all instances");
        small.call("rest", "{}").await
    };
    let (one, two, three, four, five, other) = tokio::join!(hold(), hold(), hold(), hold(), hold(), others);
    for held in [one, two, three, four, five] {
        held.unwrap();
    }
    assert_eq!(other.unwrap(), "0");
}

#[tokio::test]
async fn a_value_as_deep_as_a_type_may_be_is_an_answer() {
    let stand = Stand::of(engine(), with_tables(2).into(), &wit(), limits()).await;
    let answer = stand.call("deep", "{}").await.unwrap();
    assert_eq!(answer.matches(r#"{"some":"#).count(), 59, "{answer}");
}
