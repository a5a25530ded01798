//! Guests that no compiler would make: hostile as they start, in everything they export, and where the host allocates and
//! frees in their memory. Each costs its own instance, is told typed, and leaves the engine as it was.

mod support;

use std::{sync::Arc, time::Duration};

use jackfield_crafted::{GUESTS, Guest, Place, wit};
use jackfield_engine::{CallContext, CallError, Engine, EngineConfig, Limits};
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
