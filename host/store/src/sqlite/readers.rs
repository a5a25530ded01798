//! Reads: a few connections that can do nothing else, used on blocking threads.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Semaphore;

use super::open;
use crate::{Bucket, Record, StoreError, Usage, check::after_prefix};

/// Reads at once. Each is short; more connections only cost memory.
const CONNECTIONS: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, places: Arc::new(Semaphore::new(CONNECTIONS)), idle: Arc::default() }
    }

    /// Runs a read on a connection of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let (idle, path) = (self.idle.clone(), self.path.clone());
        let job = tokio::task::spawn_blocking(move || {
            let waiting = lock(&idle).pop();
            let connection = match waiting {
                Some(connection) => connection,
                None => open::readable(&path)?,
            };
            let answer = read(&connection);
            lock(&idle).push(connection);
            // Held here, not by the caller: who stops waiting does not stop the read.
            drop(place);
            answer
        });
        job.await.map_err(|e| StoreError::Io(e.to_string()))?
    }

    /// Waits for the reads under way and lets go of the connections.
    pub(super) async fn close(&self) {
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        if let Ok(places) = self.places.acquire_many(all).await {
            self.places.close();
            drop(places);
        }
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
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
