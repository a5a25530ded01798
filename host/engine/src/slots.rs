//! Who may make another instance while there is room for only so many.
//!
//! Each integration may hold as many instances as are free ("dynamic thresholds", Choudhury and Hahne 1998, made for the
//! shared buffers of switches): one alone may take half of all, a hundred greedy ones get a hundred-and-first each, and as
//! much stays free for whoever comes next. No list is kept and nobody is asked to give back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::share::Share;

/// The room for instances.
#[derive(Debug)]
pub(crate) struct Slots {
    total: usize,
    used: AtomicUsize,
}

/// Room for one instance, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    share: Arc<Share>,
}

impl Slots {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicUsize::new(0) })
    }

    /// Room for one more instance of an integration, if it is its turn to have one.
    pub(crate) fn take(self: &Arc<Self>, share: &Arc<Share>) -> Option<Slot> {
        let own = share.instances.load(Ordering::Relaxed);
        let take = |used: usize| {
            let free = self.total.saturating_sub(used);
            (own < free).then_some(used + 1)
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        share.instances.fetch_add(1, Ordering::Relaxed);
        Some(Slot { slots: self.clone(), share: share.clone() })
    }

    /// Whether so little is free that warm instances should make room.
    pub(crate) fn are_scarce(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.total / 4 * 3
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.share.instances.fetch_sub(1, Ordering::Relaxed);
        self.slots.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(slots: &Arc<Slots>, share: &Arc<Share>) -> Vec<Slot> {
        std::iter::from_fn(|| slots.take(share)).collect()
    }

    #[test]
    fn one_integration_takes_half_and_gives_it_back() {
        let slots = Slots::new(1000);
        let share = Share::new();
        let taken = all(&slots, &share);
        assert_eq!(taken.len(), 500);
        drop(taken);
        assert_eq!(all(&slots, &share).len(), 500);
    }

    #[test]
    fn a_hundred_greedy_integrations_leave_room_for_the_next() {
        let slots = Slots::new(1000);
        let shares: Vec<_> = (0..100).map(|_| Share::new()).collect();
        let mut held = Vec::new();
        // They come in turn, as calls do.
        while shares.iter().map(|share| slots.take(share)).filter(Option::is_some).fold(0, |n, slot| {
            held.push(slot);
            n + 1
        }) > 0
        {}
        let late = Share::new();
        assert!(all(&slots, &late).len() >= 4);
    }
}
