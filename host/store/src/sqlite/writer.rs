//! The one writer: a thread with a bounded queue that makes one transaction of all commits that wait.
//!
//! An answer is given only after the transaction is on the disk. If that fails, none of its commits happened and all are
//! told so; the next ones are tried anew.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{commit::apply, usages::Usages};
use crate::{Change, Mutation, StoreError, StoreStats};

/// Commits that may wait before callers do.
const QUEUE: usize = 256;
/// What goes into one transaction at most: past this, flushing to the disk is no longer what takes the time.
const MAX_COMMITS: usize = 128;
const MAX_BYTES: usize = 32 << 20;

pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    refused: AtomicU64,
    transactions: AtomicU64,
}

struct Request {
    mutations: Vec<Mutation>,
    answer: oneshot::Sender<Result<u64, StoreError>>,
}

impl Request {
    fn bytes(&self) -> usize {
        let value = |mutation: &Mutation| match &mutation.change {
            Change::Set(value) => value.len(),
            _ => 0,
        };
        self.mutations.iter().map(value).sum()
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, revision: u64, first: fn()) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let thread = Thread { connection, revision, usages: Usages::default(), counters: counters.clone() };
        let thread = std::thread::Builder::new()
            .name("jackfield-store".into())
            .spawn(move || {
                first();
                thread.run(receiver);
            })
            .map_err(|e| StoreError::Io(e.to_string()))?;
        Ok(Self { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), counters })
    }

    pub(super) async fn commit(&self, mutations: Vec<Mutation>) -> Result<u64, StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        queue.send(Request { mutations, answer }).await.map_err(|_| StoreError::Closed)?;
        drop(queue);
        answered.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn stats(&self) -> StoreStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            commits: load(&self.counters.commits),
            refused: load(&self.counters.refused),
            transactions: load(&self.counters.transactions),
        }
    }

    /// Lets the thread finish what waits and end.
    pub(super) async fn close(&self) {
        if let Some(thread) = self.hang_up() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the store's writer did not end as it should");
            }
        }
    }

    fn hang_up(&self) -> Option<JoinHandle<()>> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Nobody can be waiting for an answer any more: what is left is at most one transaction.
        if let Some(thread) = self.hang_up()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer did not end as it should");
        }
    }
}

/// What became of each commit, and the last revision.
type Outcome = (Vec<Result<u64, StoreError>>, u64);

struct Thread {
    connection: Connection,
    revision: u64,
    usages: Usages,
    counters: Arc<Counters>,
}

impl Thread {
    fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes();
            let mut batch = vec![first];
            while batch.len() < MAX_COMMITS && bytes < MAX_BYTES {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.bytes();
                batch.push(next);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Request>) {
        let (answers, batch): (Vec<_>, Vec<_>) = batch.into_iter().map(|r| (r.answer, r.mutations)).unzip();
        let results = match self.transaction(&batch) {
            Ok((results, revision)) => {
                self.revision = revision;
                self.counters.transactions.fetch_add(1, Ordering::Relaxed);
                results
            }
            Err(error) => {
                self.usages.clear();
                let error = match error {
                    StoreError::Io(reason) => reason,
                    error => error.to_string(),
                };
                tracing::error!(%error, commits = batch.len(), "the store could not write");
                batch.iter().map(|_| Err(StoreError::Io(error.clone()))).collect()
            }
        };
        for (answer, result) in answers.into_iter().zip(results) {
            let counter = if result.is_ok() { &self.counters.commits } else { &self.counters.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            // Who no longer waits has been told nothing, and may find the change made: that is the contract.
            let _ = answer.send(result);
        }
    }

    /// All commits that are answered with a revision are on the disk when this returns.
    fn transaction(&mut self, batch: &[Vec<Mutation>]) -> Result<Outcome, StoreError> {
        let before = self.revision;
        let mut revision = before;
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut results = Vec::with_capacity(batch.len());
        for mutations in batch {
            // Dropped without a commit, a savepoint takes its changes back.
            let savepoint = transaction.savepoint()?;
            let result = match apply(&savepoint, &mut self.usages, mutations, revision + 1) {
                Ok(changed) => {
                    savepoint.commit()?;
                    revision += u64::from(changed);
                    Ok(revision)
                }
                // The disk failed: SQLite may have ended the whole transaction by itself.
                Err(error @ StoreError::Io(_)) => return Err(error),
                Err(error) => {
                    savepoint.finish()?;
                    Err(error)
                }
            };
            results.push(result);
        }
        if revision == before {
            transaction.rollback()?;
        } else {
            let value = i64::try_from(revision).unwrap_or(i64::MAX);
            transaction.execute("UPDATE counter SET revision = ?1", [value])?;
            transaction.commit()?;
        }
        Ok((results, revision))
    }
}
