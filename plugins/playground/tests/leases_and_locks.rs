//! What ends by itself, and what only one may hold.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jackfield_sdk::types::{Page, WriteOptions};
use plugin_playground::Playground;
use plugin_playground::wit::{KeyValue, Leases, Locks};

fn options() -> WriteOptions {
    WriteOptions::default()
}

fn keys() -> Vec<String> {
    let page = <Playground as KeyValue>::list(String::new(), Page::default()).unwrap();
    page.items.into_iter().map(|entry| entry.key).collect()
}

#[test]
fn keys_go_with_their_lease() {
    let lease = Playground::grant_lease(40, options()).unwrap();
    let long = Playground::grant_lease(60_000, options()).unwrap();
    let entry = Playground::put("short".into(), vec![], Some(lease.id.clone()), options()).unwrap();
    assert_eq!(entry.lease.as_deref(), Some(lease.id.as_str()));
    Playground::put("long".into(), vec![], Some(long.id.clone()), options()).unwrap();
    Playground::put("plain".into(), vec![], None, options()).unwrap();
    assert_eq!(keys(), ["long", "plain", "short"]);
    sleep(Duration::from_millis(60));
    assert_eq!(keys(), ["long", "plain"]);
    assert!(Playground::lease_status(lease.id.clone()).unwrap_err().is_not_found());
    assert!(Playground::renew_lease(lease.id, options()).unwrap_err().is_not_found());
    Playground::revoke_lease(long.id, options()).unwrap();
    assert_eq!(keys(), ["plain"]);
}

#[test]
fn a_renewed_lease_starts_anew() {
    let lease = Playground::grant_lease(120, options()).unwrap();
    for _ in 0..4 {
        sleep(Duration::from_millis(50));
        Playground::renew_lease(lease.id.clone(), options()).unwrap();
    }
    let status = Playground::lease_status(lease.id).unwrap();
    assert!(status.ttl_ms == 120 && status.remaining_ms > 0 && status.remaining_ms <= 120, "{status:?}");
}

#[test]
fn a_key_that_was_put_without_the_lease_stays() {
    let lease = Playground::grant_lease(60_000, options()).unwrap();
    Playground::put("a".into(), vec![], Some(lease.id.clone()), options()).unwrap();
    Playground::put("a".into(), vec![], None, options()).unwrap();
    Playground::revoke_lease(lease.id, options()).unwrap();
    assert_eq!(keys(), ["a"]);
}

#[test]
fn a_lease_that_does_not_exist_holds_nothing() {
    let error = Playground::put("a".into(), vec![], Some("77".into()), options()).unwrap_err();
    assert!(error.is_not_found());
    assert!(Playground::grant_lease(0, options()).is_err());
    assert!(Playground::grant_lease(u64::MAX, options()).is_err());
}

#[test]
fn a_lock_has_one_owner_and_a_growing_fencing_number() {
    let first = Playground::lock("l".into(), 60_000, 0, options()).unwrap();
    assert!(Playground::lock("l".into(), 60_000, 0, options()).unwrap_err().is_conflict());
    assert!(Playground::unlock("l".into(), "guessed".into(), options()).unwrap_err().is_conflict());
    Playground::unlock("l".into(), first.token.clone(), options()).unwrap();
    Playground::unlock("l".into(), first.token.clone(), options()).unwrap();
    let second = Playground::lock("l".into(), 60_000, 0, options()).unwrap();
    assert!(second.fencing.parse::<u64>().unwrap() > first.fencing.parse().unwrap());
    assert_ne!(second.token, first.token);
    assert!(Playground::unlock("l".into(), first.token, options()).unwrap_err().is_conflict());
    assert!(Playground::lease_status(first.lease).unwrap_err().is_not_found());
}

#[test]
fn a_lock_is_waited_for_until_its_lost_owner_times_out() {
    Playground::lock("l".into(), 80, 0, options()).unwrap();
    let start = Instant::now();
    assert!(Playground::lock("l".into(), 1000, 30, options()).unwrap_err().is_conflict());
    assert!(start.elapsed() >= Duration::from_millis(30));
    Playground::lock("l".into(), 1000, 5000, options()).unwrap();
    assert!(start.elapsed() < Duration::from_millis(2000));
}

#[test]
fn asking_for_a_lock_again_with_the_same_key_is_no_second_owner() {
    let once = WriteOptions { idempotency_key: Some("l".into()), ..options() };
    let first = Playground::lock("l".into(), 60_000, 0, once.clone()).unwrap();
    assert_eq!(Playground::lock("l".into(), 60_000, 0, once).unwrap(), first);
}

#[test]
fn a_lock_ends_with_its_lease() {
    let held = Playground::lock("l".into(), 60_000, 0, options()).unwrap();
    Playground::revoke_lease(held.lease, options()).unwrap();
    Playground::lock("l".into(), 60_000, 0, options()).unwrap();
}
