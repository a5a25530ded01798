//! Calls that failed and are tried once more: reads, and writes of which nothing was sent, where the outside system could not
//! be reached. Soon, at moments of their own, within the caller's time, and so few that an outside system which is down
//! meets hardly more requests than one that is up.

use std::time::{Duration, Instant};

use crate::{Error, ErrorKind, ErrorSource, clock::Backoff, token_bucket::TokenBucket, track::Track};

/// How often a call is tried at most.
const ATTEMPTS: u32 = 3;
/// The first wait, about; the next is twice as long.
const FIRST: Duration = Duration::from_millis(40);
/// Of one integration, in the long run and at once.
const A_SECOND: f64 = 5.0;
const BURST_SECONDS: f64 = 2.0;

/// What one integration may try once more.
#[derive(Debug)]
pub(crate) struct Retries(TokenBucket);

impl Default for Retries {
    fn default() -> Self {
        Self(TokenBucket::new(A_SECOND, BURST_SECONDS))
    }
}

/// The attempts of one call.
pub(crate) struct Attempts {
    made: u32,
    waits: Backoff,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self { made: 0, waits: Backoff::new(FIRST, FIRST * 4) }
    }

    /// How long to wait until the call is tried again; none where this failure is what its caller is told.
    pub(crate) fn again(
        &mut self,
        retries: &Retries,
        error: &Error,
        writes: bool,
        track: Track,
        deadline: Instant,
    ) -> Option<Duration> {
        self.made += 1;
        let passing = error.kind == ErrorKind::Unavailable
            && error.source_of_fault == ErrorSource::Downstream
            && error.retry_after.is_none();
        if self.made == ATTEMPTS || !passing || writes && track.wrote {
            return None;
        }
        let wait = self.waits.next();
        // With nothing left for an answer it would only take longer to fail.
        let left = deadline.saturating_duration_since(Instant::now());
        (left > wait * 4 && retries.0.take().is_ok()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(error: &Error, writes: bool, wrote: bool) -> bool {
        let track = Track { writes, wrote, ..Track::default() };
        let deadline = Instant::now() + Duration::from_secs(5);
        Attempts::new().again(&Retries::default(), error, writes, track, deadline).is_some()
    }

    #[test]
    fn what_was_not_carried_out_and_may_go_better_is_tried_again_and_nothing_else() {
        let down = Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, "refused");
        assert!(again(&down, false, false) && again(&down, true, false) && again(&down, false, true));
        assert!(!again(&down, true, true), "a write that may have been sent");
        let later = Error { retry_after: Some(Duration::from_secs(1)), ..down.clone() };
        assert!(!again(&later, false, false), "it was told when to come");
        for (kind, source) in [
            (ErrorKind::Unavailable, ErrorSource::Host),
            (ErrorKind::OutcomeUnknown, ErrorSource::Downstream),
            (ErrorKind::DeadlineExceeded, ErrorSource::Downstream),
            (ErrorKind::RateLimited, ErrorSource::Downstream),
            (ErrorKind::NotFound, ErrorSource::Downstream),
        ] {
            assert!(!again(&Error::new(kind, source, "x"), false, false), "{}", kind.as_str());
        }
    }

    #[test]
    fn attempts_and_time_and_the_integrations_share_are_bounded() {
        let down = Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, "refused");
        let soon = |wait: Duration| Instant::now() + wait;
        let retries = Retries::default();
        let mut attempts = Attempts::new();
        let mut once = |left| attempts.again(&retries, &down, false, Track::default(), soon(left));
        let (first, second) = (once(Duration::from_secs(5)).unwrap(), once(Duration::from_secs(5)).unwrap());
        assert!(first <= FIRST && second <= FIRST * 2);
        assert!(once(Duration::from_secs(5)).is_none(), "three attempts are enough");
        let hurried = Attempts::new().again(&retries, &down, false, Track::default(), soon(FIRST));
        assert!(hurried.is_none(), "there is no time");
        let many = (0..100).filter(|_| {
            let deadline = soon(Duration::from_secs(5));
            Attempts::new().again(&retries, &down, false, Track::default(), deadline).is_some()
        });
        assert!(many.count() <= 10, "an outside system that is down is not asked twice as much");
    }
}
