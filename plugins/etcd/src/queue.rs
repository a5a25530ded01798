//! Waiting for a lock: everybody watches only the one before, so that a lock that is given back wakes one waiter and not
//! all. While it waits, the lease is kept alive; once it is over, the lock has its whole time again.

use std::time::{Duration, Instant};

use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::locks::Lock;
use crate::stream::{Next, Watch};
use crate::wire::{Int, Kv, Order, Range};

/// How long to wait before looking again after a watch broke off.
const PAUSE: Duration = Duration::from_millis(50);

/// Our place in a lock's queue.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) lease: i64,
    /// The lease's time to live.
    pub(crate) seconds: i64,
    /// The revision at which the key was created, which is the order of the queue.
    pub(crate) revision: i64,
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Ours,
    /// Another's, still.
    Later,
}

impl Etcd {
    /// Waits until there is nobody before us.
    pub(crate) fn wait_turn(&self, lock: &Lock, place: &Place, until: Instant) -> Result<Turn> {
        let mut alive = KeptAlive::new(place);
        loop {
            let before = Range {
                max_create_revision: Some(Int(place.revision - 1)),
                ..Range::first(lock.span.start(), lock.span.end(), Order::LAST_CREATED)
            };
            let found = self.range(&before)?;
            let Some(previous) = found.kvs.first() else { return self.take_turn(place, &alive) };
            if Instant::now() >= until {
                return Ok(Turn::Later);
            }
            // However that ends, looking again tells: also when the time ran out, it may have gone at the last moment.
            self.watch_previous(previous, found.header.revision.0, until, &mut alive)?;
        }
    }

    fn take_turn(&self, place: &Place, alive: &KeptAlive<'_>) -> Result<Turn> {
        let ended = || Error::conflict("the lock's lease ended while it was being taken; take it again");
        if alive.was_used() && self.keep_alive(place.lease)?.is_none() {
            return Err(ended());
        }
        let ours = self.range(&Range { keys_only: true, ..Range::key(&place.key) })?;
        match ours.kvs.first() {
            Some(kv) if kv.create_revision.0 == place.revision => Ok(Turn::Ours),
            _ => Err(ended()),
        }
    }

    /// Returns when the one before us has gone, the time is over, or the watch broke off.
    fn watch_previous(&self, previous: &Kv, revision: i64, until: Instant, alive: &mut KeptAlive<'_>) -> Result<()> {
        let mut watch: Watch = self.open_watch(&previous.key, None, revision + 1)?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = match watch.next(left.min(alive.due_in()).max(Duration::from_millis(1))) {
                Ok(Next::Message(message)) => message,
                Ok(Next::Idle) => {
                    if left.is_zero() {
                        return Ok(());
                    }
                    alive.keep(self)?;
                    continue;
                }
                // The member went, or has no leader any more: another may answer.
                Ok(Next::End) => return pause(),
                Err(error) if error.kind == ErrorKind::Unavailable && !left.is_zero() => return pause(),
                Err(error) => return Err(error),
            };
            // A watch that is cancelled was too slow: looking again tells.
            if message.canceled {
                return pause();
            }
            if message.events.iter().any(crate::wire::WatchEvent::is_deletion) {
                return Ok(());
            }
        }
    }
}

fn pause() -> Result<()> {
    std::thread::sleep(PAUSE);
    Ok(())
}

/// A lease that must not end while we wait.
struct KeptAlive<'a> {
    place: &'a Place,
    since: Instant,
    used: Instant,
}

impl<'a> KeptAlive<'a> {
    fn new(place: &'a Place) -> Self {
        let now = Instant::now();
        Self { place, since: now, used: now }
    }

    fn due_in(&self) -> Duration {
        let third = Duration::from_millis(u64::try_from(self.place.seconds).unwrap_or(1).saturating_mul(333));
        third.saturating_sub(self.used.elapsed())
    }

    fn keep(&mut self, etcd: &Etcd) -> Result<()> {
        if !self.due_in().is_zero() {
            return Ok(());
        }
        self.used = Instant::now();
        match etcd.keep_alive(self.place.lease)? {
            Some(_) => Ok(()),
            None => Err(Error::conflict("the lock's lease ended while it was waited for; take it again")),
        }
    }

    /// Whether so much of the lease's time has gone that it is worth renewing.
    fn was_used(&self) -> bool {
        self.since.elapsed() > Duration::from_millis(100)
    }
}
