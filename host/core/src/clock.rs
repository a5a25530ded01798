//! Time and chance.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{Error, Result, TimestampMs};

/// Now.
pub(crate) fn now_ms() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs::try_from(since.as_millis()).unwrap_or(TimestampMs::MAX)
}

/// Milliseconds since `start`, to the microsecond: what a person is told.
pub(crate) fn ms_since(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// A name that nothing else has: sixteen random hexadecimal digits.
pub(crate) fn random_name() -> Result<String> {
    let random = getrandom::u64().map_err(|e| Error::internal(format!("the system has no random numbers: {e}")))?;
    Ok(format!("{random:016x}"))
}

/// A random duration from zero to `most`, so that what starts together does not stay together.
pub(crate) fn jitter(most: Duration) -> Duration {
    // Without randomness everything still works, only less evenly.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// Waiting times that double from the first to the most, each shortened at random by up to a half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// How long to wait this time.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait / 2 + jitter(wait / 2)
    }

    /// It worked: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        for most in [100, 200, 300, 300] {
            let wait = backoff.next().as_millis();
            assert!((most / 2..=most).contains(&wait), "{wait} for {most}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
