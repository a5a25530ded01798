//! The bounds an integration runs into: each is counted, and told as an event once a second at most, since a guest that
//! runs into one does so again and again.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jackfield_engine::Limit;

use crate::{EventKind, clock::now_ms, events::Teller};

/// The least time between two events about one bound of one integration, in milliseconds.
const TELL_AGAIN_MS: u64 = 1000;

/// A bound on what an integration's guests may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// One of a call's or an instance's.
    Guest(Limit),
    /// The time of one call.
    Deadline,
    /// Calls at once, or instances.
    Concurrency,
    /// Requests to outside systems, by time or at once.
    Requests,
    /// Bytes that one call sends and receives.
    Traffic,
    /// Bytes of one response.
    Response,
    /// Lines of the log, by call or by time.
    Log,
    /// Bytes and keys of the state.
    State,
    /// What requests may cost.
    Spending,
}

impl Bound {
    const OTHERS: [Self; 8] = [
        Self::Deadline,
        Self::Concurrency,
        Self::Requests,
        Self::Traffic,
        Self::Response,
        Self::Log,
        Self::State,
        Self::Spending,
    ];

    fn all() -> impl Iterator<Item = Self> {
        Limit::ALL.into_iter().map(Self::Guest).chain(Self::OTHERS)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Guest(limit) => limit.as_str(),
            Self::Deadline => "deadline",
            Self::Concurrency => "concurrency",
            Self::Requests => "requests",
            Self::Traffic => "traffic",
            Self::Response => "response",
            Self::Log => "log",
            Self::State => "state",
            Self::Spending => "spend",
        }
    }

    fn index(self) -> usize {
        Self::all().position(|bound| bound == self).unwrap_or_default()
    }
}

/// Which bounds one integration has run into, and how often.
#[derive(Debug)]
pub(crate) struct Bounds {
    teller: Teller,
    hits: [(AtomicU64, Throttle); Limit::ALL.len() + Bound::OTHERS.len()],
}

impl Bounds {
    pub(crate) fn new(teller: Teller) -> Self {
        Self { teller, hits: Default::default() }
    }

    /// The integration ran into a bound; `what` says where, for the event.
    pub(crate) fn hit(&self, bound: Bound, what: impl FnOnce() -> String) {
        let Some((count, told)) = self.hits.get(bound.index()) else { return };
        count.fetch_add(1, Ordering::Relaxed);
        if told.may_tell() {
            self.teller.tell(EventKind::LimitExceeded, &format!("{} limit: {}", bound.as_str(), what()));
        }
    }

    /// How often each bound was run into, where it was.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.hits.iter().map(|(count, _)| count.load(Ordering::Relaxed));
        Bound::all().map(Bound::as_str).zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// Lets one through each second.
#[derive(Debug)]
pub(crate) struct Throttle(AtomicI64);

impl Default for Throttle {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Throttle {
    pub(crate) fn may_tell(&self) -> bool {
        let now = now_ms();
        let last = self.0.load(Ordering::Relaxed);
        // `abs_diff`, so that a clock that was set back does not silence it for long.
        now.abs_diff(last) >= TELL_AGAIN_MS
            && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Events;

    #[test]
    fn every_hit_is_counted_and_told_once_a_second_by_bound() {
        let events = Events::new();
        let mut listener = events.subscribe();
        let bounds = Bounds::new(Teller { integration: "wild".into(), plugin: "unruly".into(), events });
        for _ in 0..10 {
            bounds.hit(Bound::Log, || "too much said".into());
            bounds.hit(Bound::Guest(Limit::Cpu), || "too much thought".into());
        }
        assert_eq!(bounds.counts().collect::<Vec<_>>(), [("cpu", 10), ("log", 10)]);
        assert_eq!(listener.try_recv().unwrap().message, "log limit: too much said");
        assert_eq!(listener.try_recv().unwrap().kind, EventKind::LimitExceeded);
        assert!(listener.try_recv().is_err());
    }

    #[test]
    fn every_bound_has_a_name_and_a_counter_of_its_own() {
        let names: std::collections::BTreeSet<_> = Bound::all().map(Bound::as_str).collect();
        assert_eq!(names.len(), Bound::all().count());
        assert_eq!(Bound::all().map(Bound::index).max(), Some(names.len() - 1));
    }
}
