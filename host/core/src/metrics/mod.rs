//! What is counted: calls by integration, capability, operation and outcome. All of these come from closed sets (what is
//! installed and configured, the kinds of error), so there are only ever as many series as there are things; what a
//! caller makes up is counted nowhere. Counting takes no lock that a scrape holds for long.

mod latency;
mod scrape;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use self::latency::Latency;
use crate::{Error, ErrorKind};
pub(crate) use scrape::text;

/// What became of calls, in the order they are counted in.
const OUTCOMES: [&str; 14] = [
    "ok",
    "cancelled",
    "invalid",
    "unauthenticated",
    "permission-denied",
    "not-found",
    "already-exists",
    "conflict",
    "rate-limited",
    "unavailable",
    "deadline-exceeded",
    "unsupported",
    "outcome-unknown",
    "internal",
];

/// Those that are the plugin's or its outside system's fault, not the caller's.
const FAILURES: [&str; 5] = ["unavailable", "deadline-exceeded", "unsupported", "outcome-unknown", "internal"];

/// Calls that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) ended: u64,
    pub(crate) failed: u64,
}

/// What the name of an embedder's own calls is where operations are named.
pub(crate) const TYPED: (&str, &str) = ("typed", "typed");

/// The counters of one integration's calls, by capability and operation.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeMap<(String, String), Arc<OperationMetrics>>>);

impl Calls {
    /// The counters of an operation; they outlive the integration's changes.
    pub(crate) fn of(&self, capability: &str, operation: &str) -> Arc<OperationMetrics> {
        let key = (capability.to_owned(), operation.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }

    /// How many calls have ended, and how many of them without an answer that anybody wanted.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, metrics) in self.all() {
            for (outcome, count) in metrics.counts() {
                tally.ended += count;
                tally.failed += if FAILURES.contains(&outcome) { count } else { 0 };
            }
        }
        tally
    }

    fn all(&self) -> Vec<((String, String), Arc<OperationMetrics>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(key, metrics)| (key.clone(), metrics.clone())).collect()
    }
}

/// The counters of one operation.
#[derive(Debug, Default)]
pub(crate) struct OperationMetrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    latency: Latency,
}

impl OperationMetrics {
    /// Begins to measure a call. Dropped without an outcome, it counts as cancelled.
    pub(crate) fn begin(self: &Arc<Self>) -> Measured {
        Measured { metrics: self.clone(), started: Instant::now(), outcome: 1 }
    }

    fn record(&self, outcome: usize, took: Duration) {
        if let Some(counter) = self.outcomes.get(outcome) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.latency.observe(took);
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.outcomes.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}

/// A call that is measured.
pub(crate) struct Measured {
    metrics: Arc<OperationMetrics>,
    started: Instant,
    outcome: usize,
}

impl Measured {
    /// The call has ended.
    pub(crate) fn ended<T>(mut self, result: &Result<T, Error>) {
        self.outcome = match result {
            Ok(_) => 0,
            Err(error) => outcome(error.kind),
        };
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.metrics.record(self.outcome, self.started.elapsed());
    }
}

fn outcome(kind: ErrorKind) -> usize {
    OUTCOMES.iter().position(|name| *name == kind.as_str()).unwrap_or(OUTCOMES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_an_outcome_of_its_own() {
        let kinds = [
            ErrorKind::Invalid,
            ErrorKind::Unauthenticated,
            ErrorKind::PermissionDenied,
            ErrorKind::NotFound,
            ErrorKind::AlreadyExists,
            ErrorKind::Conflict,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
            ErrorKind::DeadlineExceeded,
            ErrorKind::Unsupported,
            ErrorKind::OutcomeUnknown,
            ErrorKind::Internal,
        ];
        for kind in kinds {
            assert_eq!(OUTCOMES[outcome(kind)], kind.as_str());
        }
    }

    #[test]
    fn a_call_counts_once_by_how_it_ended_and_one_that_was_dropped_as_cancelled() {
        let metrics = Arc::new(OperationMetrics::default());
        metrics.begin().ended(&Ok(()));
        metrics.begin().ended::<()>(&Err(Error::invalid("x")));
        drop(metrics.begin());
        let counted: Vec<_> = metrics.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("ok", 1), ("cancelled", 1), ("invalid", 1)]);
    }
}
