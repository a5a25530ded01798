//! Processor time of one call.
//!
//! Epoch ticks alone cannot tell a guest that computes from one that sleeps: both are interrupted at the first check after
//! a tick. So the call's future is wrapped, the time inside each `poll` is added up, and the epoch callback compares the
//! sum with the budget: a waiting guest costs nothing, a spinning one is stopped within a tick of its limit.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How much a call has used. Shared by the wrapper, which writes, and the epoch callback, which reads; both run on the
/// thread that polls the call, so relaxed ordering suffices.
#[derive(Default)]
pub(crate) struct Meter {
    spent_ns: AtomicU64,
    polled_at: std::sync::Mutex<Option<Instant>>,
}

impl Meter {
    pub(crate) fn reset(&self) {
        self.spent_ns.store(0, Ordering::Relaxed);
    }

    /// Time in finished polls and in the one under way.
    pub(crate) fn used(&self) -> Duration {
        let running = self.polled_at.lock().ok().and_then(|at| at.map(|at| at.elapsed())).unwrap_or_default();
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed)) + running
    }

    fn set(&self, at: Option<Instant>) {
        if let Ok(mut polled_at) = self.polled_at.lock() {
            *polled_at = at;
        }
    }
}

/// A future whose polls are timed.
pub(crate) struct Metered<F> {
    pub(crate) inner: F,
    pub(crate) meter: Arc<Meter>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `inner` is pinned with `self` and never moved out of it; `meter` is not pinned.
        let (inner, meter) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.inner), &this.meter)
        };
        let start = Instant::now();
        meter.set(Some(start));
        let polled = inner.poll(cx);
        meter.set(None);
        let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        meter.spent_ns.fetch_add(spent, Ordering::Relaxed);
        polled
    }
}
