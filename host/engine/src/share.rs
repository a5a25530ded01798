//! One integration's share of what all integrations use: processors and instances.
//!
//! Short calls are not shared out: they run where they are polled. Long ones take turns: so many of an integration's run
//! at once, a slice (a tick of the engine's clock) each, so however many calls one integration has, it counts as one among
//! the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::Semaphore;

use crate::{background::processors, clock::now_ms, meter::Meter};

/// How long an integration that had a long call is expected to have another, in milliseconds: those begin in the
/// background.
const MEMORY_MS: u64 = 10_000;

/// What one integration uses of the engine.
#[derive(Debug)]
pub(crate) struct Share {
    /// Slices of long calls that may run at once: half of the processors.
    pub(crate) turns: Arc<Semaphore>,
    /// Instances alive.
    pub(crate) instances: AtomicUsize,
    /// Until when calls begin in the background, by the engine's clock, in milliseconds.
    long_until: AtomicU64,
    /// Its last call took long by the wall: the next is timed exactly.
    suspect: AtomicBool,
}

impl Share {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::new(Semaphore::new((processors() / 2).max(1))),
            instances: AtomicUsize::new(0),
            long_until: AtomicU64::new(0),
            suspect: AtomicBool::new(false),
        })
    }

    /// A call took long, or is of a kind that costs the others as much.
    pub(crate) fn was_long(&self) {
        self.long_until.store(now_ms() + MEMORY_MS, Ordering::Relaxed);
    }

    /// A call ended on its caller's thread.
    pub(crate) fn ended(&self, meter: &Meter, long: bool) {
        if long {
            self.was_long();
        }
        let late = meter.was_late();
        // Mostly read, so that calls on several threads do not take turns at writing it.
        if self.suspect.load(Ordering::Relaxed) != late {
            self.suspect.store(late, Ordering::Relaxed);
        }
    }

    /// The meter for a call that begins now.
    pub(crate) fn meter(&self, at: Instant) -> Meter {
        if self.suspect.load(Ordering::Relaxed) { Meter::exact() } else { Meter::starting(at) }
    }

    /// Whether the next call is expected to take long.
    pub(crate) fn expects_long(&self) -> bool {
        let until = self.long_until.load(Ordering::Relaxed);
        until != 0 && now_ms() < until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_call_is_remembered() {
        let share = Share::new();
        assert!(!share.expects_long());
        share.was_long();
        assert!(share.expects_long());
    }
}
