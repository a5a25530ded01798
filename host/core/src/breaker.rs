//! An operation whose guest crashes again and again is not run for a while. Each crash costs an instance, a compilation of
//! nothing and somebody's time; what the callers get instead is the same answer at once, with the time to come again.
//!
//! Only crashes in a row count, so one caller's bad question does not take the operation from the others, and only the
//! operation that crashes is closed, so one broken function does not take the plugin.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Crashes in a row after which an operation is not run.
const CRASHES: u32 = 5;
/// How long it is not run at first; twice as long each time the trial that follows crashes too.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whether an operation is run.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    crashes: AtomicU32,
    open: AtomicBool,
    state: Mutex<Open>,
}

/// While it is not run.
#[derive(Debug, Default)]
struct Open {
    until: Option<Instant>,
    wait: Duration,
    /// One call is let through to see whether it is well again.
    trial: bool,
}

/// What a call did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    Opened,
    Closed,
}

impl Breaker {
    /// Whether a call may run; if not, in which time it may be tried.
    pub(crate) fn enter(&self) -> Result<Pass<'_>, Duration> {
        self.enter_at(Instant::now())
    }

    fn enter_at(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        if !self.open.load(Ordering::Acquire) {
            return Ok(Pass { breaker: self, trial: false });
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if !left.is_zero() {
            return Err(left);
        }
        if state.trial {
            return Err(FIRST_WAIT);
        }
        state.trial = true;
        Ok(Pass { breaker: self, trial: true })
    }

    /// Whether it keeps calls from running now.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

/// A call that was let through.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    trial: bool,
}

impl Pass<'_> {
    /// The call has ended.
    pub(crate) fn ended(self, crashed: bool) -> Option<Turned> {
        self.ended_at(crashed, Instant::now())
    }

    fn ended_at(mut self, crashed: bool, now: Instant) -> Option<Turned> {
        let trial = std::mem::take(&mut self.trial);
        let breaker = self.breaker;
        if !crashed {
            // Nearly always, and then a read is all there is to it.
            if breaker.crashes.load(Ordering::Relaxed) != 0 {
                breaker.crashes.store(0, Ordering::Relaxed);
            }
            if !trial {
                return None;
            }
            *breaker.state.lock().unwrap_or_else(PoisonError::into_inner) = Open::default();
            breaker.open.store(false, Ordering::Release);
            return Some(Turned::Closed);
        }
        let crashes = breaker.crashes.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if !trial && (crashes < CRASHES || breaker.is_open()) {
            return None;
        }
        let mut state = breaker.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = (state.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
        *state = Open { until: Some(now + wait), wait, trial: false };
        let was_open = breaker.open.swap(true, Ordering::Release);
        (!was_open).then_some(Turned::Opened)
    }
}

impl Drop for Pass<'_> {
    /// A trial whose caller went away proved nothing: the next call is the trial.
    fn drop(&mut self) {
        if self.trial {
            self.breaker.state.lock().unwrap_or_else(PoisonError::into_inner).trial = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(breaker: &Breaker, now: Instant) -> Option<Turned> {
        breaker.enter_at(now).unwrap().ended_at(true, now)
    }

    #[test]
    fn it_opens_after_crashes_in_a_row_and_closes_after_a_trial_that_answers() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(crash(&breaker, now), None);
        }
        assert_eq!(breaker.enter_at(now).unwrap().ended_at(false, now), None);
        for _ in 0..4 {
            assert_eq!(crash(&breaker, now), None, "an answer in between counts");
        }
        assert_eq!(crash(&breaker, now), Some(Turned::Opened));
        assert!(breaker.enter_at(now).is_err());
        let later = now + FIRST_WAIT;
        let trial = breaker.enter_at(later).unwrap();
        assert!(breaker.enter_at(later).is_err(), "one trial at a time");
        assert_eq!(trial.ended_at(false, later), Some(Turned::Closed));
        assert!(breaker.enter_at(later).is_ok() && !breaker.is_open());
    }

    #[test]
    fn each_trial_that_crashes_doubles_the_wait_up_to_a_bound() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..CRASHES {
            crash(&breaker, now);
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = breaker.enter_at(now).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(crash(&breaker, now), None);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_trial_whose_caller_went_away_leaves_the_next_one() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..CRASHES {
            crash(&breaker, now);
        }
        let later = now + FIRST_WAIT;
        drop(breaker.enter_at(later).unwrap());
        assert!(breaker.enter_at(later).is_ok());
    }
}
