//! The store of one process: a SQLite database in the data folder.
//!
//! SQLite allows one writer, so there is one: a thread that takes everything asked of it since the last time, makes one
//! transaction of it and answers after that is on the disk. What a disk's flush costs is thereby shared by all who wait
//! for it. Reads go to connections of their own, on threads of their own, and never wait for the writer (WAL).

mod commit;
mod open;
mod readers;
mod usages;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{Bucket, DataLock, Mutation, Record, Store, StoreError, StoreStats, Usage, check::check};
pub use open::DATABASE_FILE;
use readers::Readers;
use writer::Writer;

/// A store in a folder.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    /// Given up last, when the database is closed.
    lock: Mutex<Option<DataLock>>,
}

impl SqliteStore {
    /// Opens the store of a data folder, which is made if it is missing, and takes the folder's lock, announcing
    /// `address` there. Blocks; takes some milliseconds.
    pub fn open(data_dir: &Path, address: Option<&str>) -> Result<Self, StoreError> {
        Self::open_with(data_dir, address, || ())
    }

    /// The same; the thread that writes does this first.
    pub fn open_with(data_dir: &Path, address: Option<&str>, on_thread_start: fn()) -> Result<Self, StoreError> {
        let lock = DataLock::acquire(data_dir, address)?;
        let path = data_dir.join(DATABASE_FILE);
        let (connection, revision) = open::writable(&path)?;
        let writer = Writer::start(connection, revision, on_thread_start)?;
        let readers = Readers::start(path.clone())?;
        Ok(Self { path, writer, readers, lock: Mutex::new(Some(lock)) })
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Record>, StoreError> {
        let key = key.to_owned();
        self.readers.run(move |connection| readers::get(connection, bucket, &key)).await
    }

    async fn list(
        &self,
        bucket: Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.readers.run(move |connection| readers::list(connection, bucket, &prefix, after.as_deref(), limit)).await
    }

    async fn commit(&self, mutations: Vec<Mutation>) -> Result<u64, StoreError> {
        check(&mutations)?;
        self.writer.commit(mutations).await
    }

    async fn usage(&self, bucket: Bucket, prefix: &str) -> Result<Usage, StoreError> {
        let prefix = prefix.to_owned();
        self.readers.run(move |connection| Ok(readers::usage(connection, bucket, &prefix)?)).await
    }

    fn stats(&self) -> StoreStats {
        self.writer.stats()
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What SQLite's errors are to us, once the database is open.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Io(error.to_string())
    }
}
