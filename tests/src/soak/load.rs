//! Who works, and how fast: a fixed number of workers, each with a trade, a source of choices and a pause after each
//! action. An action that failed is told and the worker goes on.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope},
};

use super::{
    random::Random,
    site::Site,
    trades::{TRADES, Trade},
};

/// More faults than this are not collected: the soak ends.
const MOST_FAULTS: usize = 20;

/// The load.
#[derive(Debug)]
pub(super) struct Load {
    seed: u64,
    /// Held for reading by every action, for writing by a rest.
    turn: RwLock<()>,
    stop: AtomicBool,
    done: Mutex<BTreeMap<&'static str, u64>>,
    faults: Mutex<Vec<String>>,
}

impl Load {
    pub(super) fn new(seed: u64) -> Load {
        Load {
            seed,
            turn: RwLock::default(),
            stop: AtomicBool::new(false),
            done: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    /// Sets all workers to work.
    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, site: &'scope Site) {
        let workers = TRADES.iter().flat_map(|trade| std::iter::repeat_n(trade, trade.workers));
        for (number, trade) in (0..).zip(workers) {
            let random = Random::of(self.seed, number);
            scope.spawn(move || self.work(trade, site, random));
        }
    }

    fn work(&self, trade: &Trade, site: &Site, mut random: Random) {
        while !self.stop.load(Ordering::Relaxed) {
            let (name, action) = *random.one_of(trade.actions);
            {
                let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
                if let Err(fault) = action(site, &mut random) {
                    lock(&self.faults).push(format!("{name}: {fault}"));
                }
                *lock(&self.done).entry(name).or_default() += 1;
            }
            thread::sleep(random.millis(trade.pause.clone()));
        }
    }

    /// Does something while nobody works.
    pub(super) fn rest<R>(&self, look: impl FnOnce() -> R) -> R {
        let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        look()
    }

    /// Has all workers end after what they are at.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether there is no point in going on.
    pub(super) fn is_hopeless(&self) -> bool {
        lock(&self.faults).len() > MOST_FAULTS
    }

    /// What went wrong.
    pub(super) fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }

    /// What was done, and how often.
    pub(super) fn done(&self) -> Vec<(&'static str, u64)> {
        lock(&self.done).iter().map(|(name, count)| (*name, *count)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
