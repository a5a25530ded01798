//! Reads: a few threads, each with a connection that can do nothing else.
//!
//! The threads are the store's own. Of those that tokio makes for blocking work there are soon as many as ever wanted to run
//! at once, which on a busy machine is more than there are reads under way; they stay as long as there are reads, and each
//! keeps the memory of the largest thing it ever did.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::{Semaphore, oneshot};

use super::open;
use crate::{Bucket, Record, StoreError, Usage, check::after_prefix};

/// Reads at once. Each is short; more connections only cost memory.
const CONNECTIONS: usize = 4;

/// A read; it is given the connection, or why there is none, and answers its caller itself.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

#[derive(Debug)]
pub(super) struct Readers {
    /// As many as there are threads: a read that has a place never waits in the queue for long.
    places: Arc<Semaphore>,
    queue: Mutex<Option<SyncSender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(path: PathBuf) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(CONNECTIONS);
        let jobs = Arc::new(Mutex::new(jobs));
        let thread = |_| {
            let (path, jobs) = (path.clone(), jobs.clone());
            std::thread::Builder::new().name("jackfield-reads".into()).spawn(move || serve(&path, &jobs))
        };
        let threads =
            (0..CONNECTIONS).map(thread).collect::<Result<_, _>>().map_err(|e| StoreError::Io(e.to_string()))?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Ok(Self { places, queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    /// Runs a read on a connection of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let queue = lock(&self.queue).clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job = move |connection: Result<&Connection, StoreError>| {
            let result = connection.and_then(read);
            // Held here, not by the caller: who stops waiting does not stop the read.
            drop(place);
            let _ = answer.send(result);
        };
        // Never waits: there is room for all that have a place.
        queue.send(Box::new(job)).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Io("a read did not end as it should".into()))?
    }

    /// Waits for the reads under way and lets go of the connections.
    pub(super) async fn close(&self) {
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        if let Ok(places) = self.places.acquire_many(all).await {
            self.places.close();
            drop(places);
        }
        let threads = self.hang_up();
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(join));
        let _ = joined.await;
    }

    fn hang_up(&self) -> Vec<JoinHandle<()>> {
        drop(lock(&self.queue).take());
        std::mem::take(&mut *lock(&self.threads))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // Nobody can be waiting for an answer any more: what is left is at most one read for each.
        self.hang_up().into_iter().for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("one of the store's readers did not end as it should");
    }
}

/// Reads until nobody can ask any more. The connection is opened when the first read comes.
fn serve(path: &Path, jobs: &Mutex<Receiver<Job>>) {
    let mut kept: Option<Connection> = None;
    loop {
        let Ok(job) = lock(jobs).recv() else { return };
        if kept.is_none() {
            match open::readable(path) {
                Ok(connection) => kept = Some(connection),
                Err(error) => {
                    job(Err(error.into()));
                    continue;
                }
            }
        }
        let Some(connection) = &kept else { continue };
        if catch_unwind(AssertUnwindSafe(|| job(Ok(connection)))).is_err() {
            kept = None;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn get(connection: &Connection, bucket: Bucket, key: &str) -> Result<Option<Record>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT value, revision FROM entries WHERE bucket = ?1 AND key = ?2")?;
    let found = statement.query_row(params![bucket as i64, key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional()?.map(|(value, revision)| record(value, revision)).transpose()
}

pub(super) fn list(
    connection: &Connection,
    bucket: Bucket,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Record)>, StoreError> {
    // One statement for all: from the later of prefix and after, which itself is left out.
    let mut statement = connection.prepare_cached(
        "SELECT key, value, revision FROM entries
         WHERE bucket = ?1 AND key >= ?2 AND key > ?3 AND key < ?4
         ORDER BY key LIMIT ?5",
    )?;
    let (prefix, after) = (prefix.as_bytes(), after.unwrap_or_default().as_bytes());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![bucket as i64, prefix, after, after_prefix(prefix), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let key = String::from_utf8(row.get(0)?).map_err(|_| StoreError::Io("a key is not text".into()))?;
        found.push((key, record(row.get(1)?, row.get(2)?)?));
    }
    Ok(found)
}

pub(super) fn usage(connection: &Connection, bucket: Bucket, prefix: &str) -> Result<Usage, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(length(key) - ?4 + length(value)), 0) FROM entries
         WHERE bucket = ?1 AND key >= ?2 AND key < ?3",
    )?;
    let prefix = prefix.as_bytes();
    let length = i64::try_from(prefix.len()).unwrap_or(0);
    statement.query_row(params![bucket as i64, prefix, after_prefix(prefix), length], |row| {
        let (keys, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Usage { keys: u64::try_from(keys).unwrap_or(0), bytes: u64::try_from(bytes).unwrap_or(0) })
    })
}

fn record(value: Vec<u8>, revision: i64) -> Result<Record, StoreError> {
    let revision = u64::try_from(revision).map_err(|_| StoreError::Io("a revision is negative".into()))?;
    Ok(Record { value, revision })
}
