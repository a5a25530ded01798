//! Processor time of one call.
//!
//! Epoch ticks alone cannot tell a guest that computes from one that sleeps: both are interrupted at the first check after
//! a tick. So the time inside each `poll` of a call's future is added up, and the epoch callback compares the sum with the
//! budget: a waiting guest costs nothing, a spinning one is stopped within a tick of its limit.
//!
//! Short calls are timed with the wall clock, which is cheap to read. Long ones run on threads that give way to others, so
//! there the thread's own processor clock is read (a system call): a guest does not pay for the time it had to wait.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use crate::clock::{now_ms, now_ns, ns_at};

/// Nanoseconds by the wall; never 0, which stands for "no poll is under way".
fn wall_ns() -> u64 {
    now_ns().max(1)
}

/// Nanoseconds of processor time of this thread; never 0.
#[cfg(unix)]
fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    (seconds * 1_000_000_000 + nanos).max(1)
}

#[cfg(not(unix))]
fn thread_ns() -> u64 {
    wall_ns()
}

/// The same in milliseconds, as the clocks of the engines keep it: it is late by a tick at most, and costs nothing to read.
static COARSE_MS: AtomicU64 = AtomicU64::new(0);

/// Sets the coarse clock. Each engine's clock does so at every tick.
pub(crate) fn tick() {
    COARSE_MS.fetch_max(now_ms(), Ordering::Relaxed);
}

/// By the coarse clock, a poll that took this long was long: two ticks, and what a tick may be late by.
const LONG_POLL_MS: u64 = 15;

/// How much processor time a call has used. Written by the future that is polled and read by the epoch callback within
/// that poll, so relaxed ordering suffices.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    spent_ns: AtomicU64,
    /// When the poll under way began; 0 between polls.
    polled_at: AtomicU64,
    /// When the first poll begins, where that is known; 0 after it.
    first: AtomicU64,
    /// The call knows that what comes next takes long.
    long: AtomicBool,
    /// It runs where it may be made to wait for a processor.
    background: AtomicBool,
}

impl Meter {
    /// The meter of a call that is polled for the first time at this moment, more or less: so that the clock need not be
    /// read again.
    pub(crate) fn starting(at: Instant) -> Self {
        Self { first: AtomicU64::new(ns_at(at).max(1)), ..Self::default() }
    }

    /// The clock, which is the same from the beginning of a poll to its end.
    fn now(&self) -> u64 {
        if self.background.load(Ordering::Relaxed) { thread_ns() } else { wall_ns() }
    }

    /// From the next poll on it may be made to wait for a processor.
    pub(crate) fn move_to_background(&self) {
        self.background.store(true, Ordering::Relaxed);
    }

    /// Runs one poll on the clock.
    pub(crate) fn time<R>(&self, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        let coarse = COARSE_MS.load(Ordering::Relaxed);
        let start = match self.first.load(Ordering::Relaxed) {
            0 => self.now(),
            first => {
                self.first.store(0, Ordering::Relaxed);
                if self.background.load(Ordering::Relaxed) { thread_ns() } else { first }
            }
        };
        self.polled_at.store(start, Ordering::Relaxed);
        let polled = poll();
        self.polled_at.store(0, Ordering::Relaxed);
        if polled.is_pending() {
            self.spent_ns.fetch_add(self.now().saturating_sub(start), Ordering::Relaxed);
        } else if COARSE_MS.load(Ordering::Relaxed).saturating_sub(coarse) >= LONG_POLL_MS {
            // The call is over, and most calls are with their first poll: reading the clock once more would be a tenth
            // of their price.
            self.long.store(true, Ordering::Relaxed);
        }
        polled
    }

    /// Time in finished polls and in the one under way.
    pub(crate) fn used(&self) -> Duration {
        let running = match self.polled_at.load(Ordering::Relaxed) {
            0 => 0,
            start => self.now().saturating_sub(start),
        };
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed).saturating_add(running))
    }

    /// Says that what comes next takes long, and lets the future that is polled act on it.
    pub(crate) async fn expect_long(&self) {
        self.long.store(true, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }

    /// Whether the call has computed, or will compute, for longer than a thread that others wait for should give it.
    pub(crate) fn is_long(&self, bound: Duration) -> bool {
        self.long.load(Ordering::Relaxed) || self.used() >= bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_polls_are_counted_and_the_one_under_way_is() {
        let meter = Meter::default();
        let _ = meter.time(|| {
            std::thread::sleep(Duration::from_millis(2));
            assert!(meter.used() >= Duration::from_millis(2));
            Poll::<()>::Pending
        });
        let used = meter.used();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(meter.used(), used);
        assert!(meter.is_long(Duration::from_millis(1)) && !meter.is_long(Duration::from_secs(60)));
    }
}
