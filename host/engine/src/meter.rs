//! Processor time of one call.
//!
//! Epoch ticks alone cannot tell a guest that computes from one that sleeps: both are interrupted at the first check after
//! a tick. So the time inside each `poll` of a call's future is added up, and the epoch callback compares the sum with the
//! budget: a waiting guest costs nothing, a spinning one is stopped within a tick of its limit.
//!
//! Calls are timed by the wall at first, which is cheap to read; nearly all are over before that matters. But a thread that
//! waited for a processor looks the same by the wall as one that computed. So whoever seems to take long is timed by the
//! thread's own processor clock from then on (a system call), and only by that clock is a call long, or over its budget: on
//! a busy machine nobody pays for the others.

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

/// By the coarse clock, a poll that took this long may have been long: two ticks, and what a tick may be late by.
const LATE_MS: u64 = 15;

/// What a call may be charged by the wall, in nanoseconds: two ticks, between which a guest that computes has yielded.
const MOST_BY_WALL_NS: u64 = 10_000_000;

/// The processor time within which a call is short. The clock's tick bounds how much later the guest yields.
pub(crate) const SHORT: Duration = Duration::from_millis(2);

/// How much processor time a call has used. Written by the future that is polled and read by the epoch callback within
/// that poll, so relaxed ordering suffices.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    spent_ns: AtomicU64,
    /// When the poll under way began; 0 between polls.
    polled_at: AtomicU64,
    /// When the first poll begins, where that is known; 0 after it.
    first: AtomicU64,
    /// It is timed by the thread's own clock.
    exact: AtomicBool,
    /// What was spent when that began.
    by_wall_ns: AtomicU64,
    /// The last poll took long by the wall, and nobody knows whether it computed.
    late: AtomicBool,
}

impl Meter {
    /// The meter of a call that is polled for the first time at this moment, more or less: so that the clock need not be
    /// read again.
    pub(crate) fn starting(at: Instant) -> Self {
        Self { first: AtomicU64::new(ns_at(at).max(1)), ..Self::default() }
    }

    /// The meter of a call of which more should be known than of most.
    pub(crate) fn exact() -> Self {
        Self { exact: AtomicBool::new(true), ..Self::default() }
    }

    fn is_exact(&self) -> bool {
        self.exact.load(Ordering::Relaxed)
    }

    /// The clock, which is the same from the beginning of a poll to its end.
    fn now(&self) -> u64 {
        if self.is_exact() { thread_ns() } else { wall_ns() }
    }

    /// From the next poll on, only what it computes is counted.
    pub(crate) fn be_exact(&self) {
        if !self.exact.swap(true, Ordering::Relaxed) {
            let spent = self.spent_ns.load(Ordering::Relaxed).min(MOST_BY_WALL_NS);
            self.spent_ns.store(spent, Ordering::Relaxed);
            self.by_wall_ns.store(spent, Ordering::Relaxed);
        }
    }

    /// Runs one poll on the clock.
    pub(crate) fn time<R>(&self, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        let coarse = COARSE_MS.load(Ordering::Relaxed);
        let start = match self.first.load(Ordering::Relaxed) {
            0 => self.now(),
            first => {
                self.first.store(0, Ordering::Relaxed);
                if self.is_exact() { thread_ns() } else { first }
            }
        };
        self.polled_at.store(start, Ordering::Relaxed);
        let polled = poll();
        self.polled_at.store(0, Ordering::Relaxed);
        if polled.is_pending() || self.is_exact() {
            let spent = self.now().saturating_sub(start);
            let before = self.spent_ns.fetch_add(spent, Ordering::Relaxed);
            if u128::from(before.saturating_add(spent)) >= SHORT.as_nanos() {
                self.be_exact();
            }
        } else {
            // The call is over, and most calls are with their first poll: reading the clock once more would be a tenth of
            // their price.
            let took = COARSE_MS.load(Ordering::Relaxed).saturating_sub(coarse);
            self.late.store(took >= LATE_MS, Ordering::Relaxed);
        }
        polled
    }

    /// Time in finished polls and in the one under way.
    fn used_ns(&self) -> u64 {
        let running = match self.polled_at.load(Ordering::Relaxed) {
            0 => 0,
            start => self.now().saturating_sub(start),
        };
        self.spent_ns.load(Ordering::Relaxed).saturating_add(running)
    }

    /// Whether the call has computed for longer than this. Never, before that is known for sure: the guest yields at the
    /// next tick and is timed exactly from then on.
    pub(crate) fn is_over(&self, budget: Duration) -> bool {
        self.is_exact() && u128::from(self.used_ns()) > budget.as_nanos()
    }

    /// Whether the call has computed for longer than a thread that others wait for should give it.
    pub(crate) fn is_long(&self) -> bool {
        let computed = || self.used_ns().saturating_sub(self.by_wall_ns.load(Ordering::Relaxed));
        self.is_exact() && u128::from(computed()) >= SHORT.as_nanos()
    }

    /// Whether it is worth knowing exactly how long the next call takes.
    pub(crate) fn was_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll_for(meter: &Meter, work: impl FnOnce()) {
        let _ = meter.time(|| {
            work();
            Poll::<()>::Pending
        });
    }

    fn compute(time: Duration) {
        let end = thread_ns() + u64::try_from(time.as_nanos()).unwrap();
        while thread_ns() < end {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn who_computes_for_long_is_long_and_over_its_budget_and_who_waits_is_not() {
        let (computes, waits) = (Meter::default(), Meter::default());
        for _ in 0..4 {
            poll_for(&computes, || compute(Duration::from_millis(5)));
            poll_for(&waits, || std::thread::sleep(Duration::from_millis(20)));
        }
        assert!(computes.is_long() && computes.is_over(Duration::from_millis(15)));
        assert!(!computes.is_over(Duration::from_secs(1)));
        assert!(!waits.is_long() && !waits.is_over(Duration::from_millis(15)), "{waits:?}");
    }

    #[test]
    fn only_polls_are_counted_and_the_one_under_way_is() {
        let meter = Meter::exact();
        poll_for(&meter, || {
            compute(Duration::from_millis(1));
            assert!(meter.used_ns() >= 1_000_000);
        });
        let used = meter.used_ns();
        compute(Duration::from_millis(2));
        assert_eq!(meter.used_ns(), used);
    }
}
