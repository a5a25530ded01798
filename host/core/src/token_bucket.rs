//! A token bucket: what is taken comes back with time.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So much at once, and so much a second in the long run.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: f64,
    most: f64,
    left: Mutex<(f64, Instant)>,
}

impl TokenBucket {
    /// A full bucket of `seconds` worth of `per_second`.
    pub(crate) fn new(per_second: f64, seconds: f64) -> Self {
        let most = (per_second * seconds).max(1.0);
        Self { per_second, most, left: Mutex::new((most, Instant::now())) }
    }

    /// Takes one; or says how long it is until there is one.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = *left;
        let tokens = (tokens + now.saturating_duration_since(at).as_secs_f64() * self.per_second).min(self.most);
        let enough = tokens >= 1.0;
        *left = (if enough { tokens - 1.0 } else { tokens }, now);
        if enough { Ok(()) } else { Err(Duration::from_secs_f64((1.0 - tokens) / self.per_second)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_with_time_and_no_more_than_that() {
        let bucket = TokenBucket::new(10.0, 2.0);
        let start = Instant::now();
        assert!((0..20).all(|_| bucket.take_at(start).is_ok()));
        let wait = bucket.take_at(start).unwrap_err();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert!(bucket.take_at(start + Duration::from_millis(101)).is_ok());
        assert!(bucket.take_at(start + Duration::from_millis(101)).is_err());
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| bucket.take_at(later).is_ok()).count(), 20);
    }
}
