//! Who carries out which write at the moment, so that a write that is sent twice at once is carried out once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::entry::Id;

/// The writes that are carried out now. Whoever waits for one waits until its sender is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken(Arc<Mutex<HashMap<Id, watch::Receiver<()>>>>);

/// The right to carry out a write, or to settle it, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    taken: Taken,
    pub(super) id: Id,
    _done: watch::Sender<()>,
}

impl Taken {
    /// Takes a write, as soon as nobody has it.
    pub(super) async fn claim(&self, id: &Id) -> Claim {
        loop {
            match self.try_claim(id) {
                Ok(claim) => return claim,
                // An error is what is waited for: the sender is gone.
                Err(mut other) => while other.changed().await.is_ok() {},
            }
        }
    }

    /// Takes a write now, or says who has it.
    fn try_claim(&self, id: &Id) -> Result<Claim, watch::Receiver<()>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = taken.get(id) {
            return Err(other.clone());
        }
        let (done, receiver) = watch::channel(());
        taken.insert(id.clone(), receiver);
        Ok(Claim { taken: self.clone(), id: id.clone(), _done: done })
    }

    /// Whether somebody carries it out.
    pub(super) fn has(&self, id: &Id) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.taken.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_write_is_one_callers_at_a_time_and_each_gets_its_turn() {
        let (taken, inside, turns) = (Taken::default(), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let id = Id { incarnation: "i".into(), key: "k".into() };
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let (taken, id, inside, turns) = (taken.clone(), id.clone(), inside.clone(), turns.clone());
            tasks.spawn(async move {
                let claim = taken.claim(&id).await;
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                turns.fetch_add(1, Ordering::SeqCst);
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(claim);
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!(turns.load(Ordering::SeqCst), 32);
        assert!(!taken.has(&id));
    }

    #[tokio::test]
    async fn other_writes_do_not_wait() {
        let taken = Taken::default();
        let id = |key: &str| Id { incarnation: "i".into(), key: key.into() };
        let _first = taken.claim(&id("a")).await;
        let _second = taken.claim(&id("b")).await;
        assert!(taken.has(&id("a")) && taken.has(&id("b")) && !taken.has(&id("c")));
    }
}
