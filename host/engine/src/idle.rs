//! Instances that wait for a call. They wait in parts, and each thread has its own: an instance is fastest where it ran last,
//! since what it touched is in that processor's cache, and threads that call at the same time do not wait for one lock.

use std::{
    cell::Cell,
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{Guest, background::processors};

/// So many parts at most: more threads than this share them.
const MOST_PARTS: usize = 16;

thread_local! {
    /// Which part is this thread's, before it is known how many there are.
    static TURN: Cell<usize> = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Cell::new(NEXT.fetch_add(1, Ordering::Relaxed))
    };
}

/// The warm instances of one pool.
pub(crate) struct Idle {
    /// How many may wait.
    most: usize,
    /// Made when the first comes: most integrations of a host are called by nobody.
    parts: OnceLock<Box<[Part]>>,
}

/// One part, on cache lines of its own (processors fetch them in pairs).
#[repr(align(128))]
struct Part {
    waiting: Mutex<Waiting>,
    /// How many may wait in it.
    most: usize,
}

#[derive(Default)]
struct Waiting {
    guests: Vec<Guest>,
    /// The fewest of them since the last trim: so many were not needed.
    spare: usize,
}

impl Part {
    fn lock(&self) -> Option<MutexGuard<'_, Waiting>> {
        self.waiting.lock().ok()
    }

    fn take(&self) -> Option<Guest> {
        let mut waiting = self.lock()?;
        let guest = waiting.guests.pop();
        waiting.spare = waiting.spare.min(waiting.guests.len());
        guest
    }
}

impl Idle {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, parts: OnceLock::new() }
    }

    fn parts(&self) -> &[Part] {
        self.parts.get().map_or(&[], |parts| parts)
    }

    /// The parts, this thread's first.
    fn starting_here(&self) -> impl Iterator<Item = &Part> {
        let parts = self.parts();
        let own = TURN.get() % parts.len().max(1);
        let (before, from) = parts.split_at(own);
        from.iter().chain(before)
    }

    /// An instance, if there is one.
    pub(crate) fn take(&self) -> Option<Guest> {
        self.starting_here().find_map(Part::take)
    }

    /// Keeps an instance, unless as many wait already as may.
    pub(crate) fn keep(&self, guest: Guest) {
        self.parts.get_or_init(|| {
            let count = processors().min(self.most).min(MOST_PARTS);
            let most = |part: usize| self.most / count + usize::from(part < self.most % count);
            (0..count).map(|part| Part { waiting: Mutex::default(), most: most(part) }).collect()
        });
        // Declared before the locks, so that a surplus instance is unmapped after them. Where this thread's part is full there
        // may be room in another's, which takes from here when it finds none there.
        let mut surplus = Some(guest);
        for part in self.starting_here() {
            if let Some(mut waiting) = part.lock()
                && waiting.guests.len() < part.most
            {
                waiting.guests.extend(surplus.take());
                break;
            }
        }
        drop(surplus);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.parts().iter().filter_map(Part::lock).map(|waiting| waiting.guests.len()).sum()
    }

    /// Drops all of them.
    pub(crate) fn let_go(&self) {
        for part in self.parts() {
            // Unmapping takes a while: not under the lock.
            let guests = part.lock().map(|mut waiting| std::mem::take(&mut waiting.guests));
            drop(guests);
        }
    }

    /// Drops those that waited all the time since the last trim.
    pub(crate) fn trim(&self) {
        for part in self.parts() {
            let dropped = part.lock().map(|mut waiting| {
                let spare = waiting.spare.min(waiting.guests.len());
                let kept = waiting.guests.split_off(spare);
                waiting.spare = kept.len();
                std::mem::replace(&mut waiting.guests, kept)
            });
            drop(dropped);
        }
    }
}
