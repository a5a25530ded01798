//! What can be wrong with a store.

use std::path::PathBuf;

use crate::Bucket;

/// Why a store could not be opened, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An expectation did not hold. Nothing was changed.
    #[error("`{key}` in {bucket} is not as expected: {}", at(*.found))]
    Conflict {
        /// Where the key is.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The revision it is at; none where it is not there.
        found: Option<u64>,
    },
    /// The commit would go beyond a quota. Nothing was changed.
    #[error("{keys} keys and {bytes} bytes would be kept; at most {max_keys} keys and {max_bytes} bytes may be")]
    Quota {
        /// Keys there would be.
        keys: u64,
        /// Bytes there would be.
        bytes: u64,
        /// Keys there may be.
        max_keys: u64,
        /// Bytes there may be.
        max_bytes: u64,
    },
    /// The commit can never be made: a key that is empty, too long, or occurs twice.
    #[error("{0}")]
    Invalid(String),
    /// The data folder cannot be used.
    #[error("the data folder {} cannot be used: {reason}; {remedy}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process has the data folder.
    #[error("the data folder {} is in use by {}{}; stop that process, talk to it with `--server`, or use another folder with `--data`",
        path.display(), process(*.pid), serving(.address.as_deref()))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process, where it is known.
        pid: Option<u32>,
        /// The address it serves on, where it serves.
        address: Option<String>,
    },
    /// The database was written by a newer Jackfield.
    #[error("{} is of version {found}; this Jackfield knows versions up to {supported}: run the newer Jackfield that wrote it, or restore a backup",
        path.display())]
    NewerVersion {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version this code knows.
        supported: u32,
    },
    /// The database is damaged. It was left as it is.
    #[error("{} is damaged ({reason}) and was left untouched; move it away and restore a backup", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The database is that of another program. It was left as it is.
    #[error("{} is not a database of Jackfield's and was left untouched; use another folder with `--data`", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The disk failed or is full. What was being committed is not there.
    #[error("the store could not be read or written: {0}; see that the disk is healthy and has space")]
    Io(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

fn at(found: Option<u64>) -> String {
    found.map_or("it is not there".to_owned(), |revision| format!("it is at revision {revision}"))
}

fn process(pid: Option<u32>) -> String {
    pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
}

fn serving(address: Option<&str>) -> String {
    address.map(|address| format!(", which serves on {address}")).unwrap_or_default()
}
