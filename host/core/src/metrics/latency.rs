//! How long calls took, as a histogram. One atomic addition for its bucket and one for the sum, and no lock: calls on
//! several threads count at once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the buckets, in microseconds: from a call that stays in memory to the longest one allowed.
const BOUNDS: [u64; 14] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000];

/// Durations, by bucket.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    /// The last is for those beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl Latency {
    pub(crate) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The sum in seconds, the count, and the count of each bucket with its bound in seconds.
    #[expect(clippy::cast_precision_loss, reason = "a metric of seconds")]
    pub(crate) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = BOUNDS.iter().map(|us| *us as f64 / 1e6).chain([f64::MAX]);
        let buckets: Vec<_> = bounds.zip(self.buckets.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (self.sum_us.load(Ordering::Relaxed) as f64 / 1e6, count, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let latency = Latency::default();
        for us in [1, 100, 101, 30_000_001] {
            latency.observe(Duration::from_micros(us));
        }
        let (sum, count, buckets) = latency.read();
        assert_eq!((count, buckets[0], buckets[1], buckets[14].1), (4, (0.0001, 2), (0.00025, 1), 1));
        assert!((sum - 30.000_203).abs() < 1e-9, "{sum}");
    }
}
