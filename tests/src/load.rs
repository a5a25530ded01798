//! Calls that go on while something else happens, and patience for what happens by itself.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{Stand, base64};

const CALLERS: usize = 4;

/// Writes and reads keys that begin so by four callers, until the work is done; how many calls that were.
///
/// # Panics
/// If one of the calls fails.
pub fn no_call_fails_while(stand: &Stand, integration: &str, keys: &str, work: impl FnOnce()) -> usize {
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = thread::scope(|scope| {
        let (over, calls) = (&over, &calls);
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| scope.spawn(move || call(stand, integration, &format!("{keys}{caller}"), over, calls)))
            .collect();
        let worked = catch_unwind(AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        let failed: Vec<Value> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        worked.unwrap_or_else(|panic| resume_unwind(panic));
        failed
    });
    let calls = calls.into_inner();
    assert!(failed.is_empty(), "{} of {calls} calls failed: {}", failed.len(), failed[0]);
    calls
}

/// Writes and reads a key again and again until it is over; returns what failed.
fn call(stand: &Stand, integration: &str, key: &str, over: &AtomicBool, calls: &AtomicUsize) -> Vec<Value> {
    let mut failed = Vec::new();
    let put = json!({"key": key, "value": base64("x")});
    while !over.load(Ordering::Relaxed) {
        for (operation, params) in [("key-value.put", &put), ("key-value.get", &json!({"key": key}))] {
            let (status, answer) = stand.server().call(integration, operation, params).unwrap();
            calls.fetch_add(1, Ordering::Relaxed);
            if status != 200 {
                failed.push(answer);
            }
        }
    }
    failed
}

/// Waits until it is so.
///
/// # Panics
/// If it takes longer than that.
#[track_caller]
pub fn until(patience: Duration, is_so: impl Fn() -> bool) {
    let end = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < end, "it has not happened for {patience:?}");
        thread::sleep(Duration::from_millis(100));
    }
}
