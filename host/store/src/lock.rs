//! One writer a data folder, told clearly.
//!
//! The lock is the operating system's (an advisory lock on an open file): it goes with its process however that ends, so
//! a stale lock file never needs deleting. What the file says is only for people and for programs that look for the
//! running server; nobody may conclude from the text alone that a process is alive.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{StoreError, private};

/// The lock file's name in the data folder.
pub const LOCK_FILE: &str = "jackfield.lock";

/// The longest text that is read from a lock file.
const MAX_TEXT: u64 = 4096;
/// How often a taken lock is tried again: whoever only looks ([`DataLock::holder`]) holds it for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Who holds a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockInfo {
    /// The process.
    pub pid: u32,
    /// Where it serves, if it does.
    #[serde(default)]
    pub address: Option<String>,
    /// Since when, in milliseconds since 1970-01-01T00:00:00Z.
    pub since: u64,
}

/// The right to write to a data folder; given up when dropped.
#[derive(Debug)]
pub struct DataLock {
    /// Holds the lock as long as it is open.
    _file: File,
}

impl DataLock {
    /// Takes the lock of a folder, which is made if it is missing, and announces the address there.
    pub fn acquire(dir: &Path, address: Option<&str>) -> Result<Self, StoreError> {
        private::folder(dir).map_err(|e| folder(dir, &e))?;
        let path = dir.join(LOCK_FILE);
        // Not truncated: the text is the holder's until the lock is ours.
        let mut file = private::file(&path).map_err(|e| folder(dir, &e))?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < TRIES => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let info = read(&mut file);
                    let (pid, address) = info.map_or((None, None), |info| (Some(info.pid), info.address));
                    return Err(StoreError::Locked { path: dir.to_owned(), pid, address });
                }
                Err(TryLockError::Error(e)) => return Err(folder(dir, &e)),
            }
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let info = LockInfo {
            pid: std::process::id(),
            address: address.map(str::to_owned),
            since: u64::try_from(since).unwrap_or(u64::MAX),
        };
        write(&mut file, &info).map_err(|e| folder(dir, &e))?;
        Ok(Self { _file: file })
    }

    /// Who holds the lock of a folder now; none where nobody does.
    pub fn holder(dir: &Path) -> Option<LockInfo> {
        let mut file = File::open(dir.join(LOCK_FILE)).ok()?;
        match file.try_lock_shared() {
            // Not held: whatever the file says is of a process that is gone.
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => {
                // Its holder may be just about to write the text.
                (0..TRIES).find_map(|attempt| {
                    if attempt > 0 {
                        thread::sleep(PAUSE);
                    }
                    read(&mut file)
                })
            }
            Err(TryLockError::Error(_)) => None,
        }
    }
}

fn read(file: &mut File) -> Option<LockInfo> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(MAX_TEXT).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, info: &LockInfo) -> io::Result<()> {
    let text = serde_json::to_string(info).map_err(io::Error::other)?;
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.flush()
}

pub(crate) fn folder(path: &Path, error: &io::Error) -> StoreError {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user the right to write there, or use another folder with `--data`"
        }
        io::ErrorKind::ReadOnlyFilesystem => "use a folder on a writable disk with `--data`",
        io::ErrorKind::StorageFull => "free some space on its disk",
        _ => "use another folder with `--data`",
    };
    StoreError::Folder { path: PathBuf::from(path), reason: error.to_string(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_holds_the_folder_and_where_it_serves() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataLock::acquire(dir.path(), Some("127.0.0.1:7575")).unwrap();
        let error = DataLock::acquire(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains("127.0.0.1:7575") && error.contains("--server"), "{error}");
        assert_eq!(DataLock::holder(dir.path()).unwrap().address.as_deref(), Some("127.0.0.1:7575"));
        drop(held);
        assert!(DataLock::acquire(dir.path(), None).is_ok());
    }

    #[test]
    fn a_lock_file_left_behind_is_no_lock_and_no_server() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataLock::acquire(dir.path(), Some("127.0.0.1:7575")).unwrap());
        assert!(dir.path().join(LOCK_FILE).exists());
        assert_eq!(DataLock::holder(dir.path()), None);
        assert_eq!(DataLock::holder(&dir.path().join("missing")), None);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataLock::acquire(&file.join("data"), None).unwrap_err().to_string();
        assert!(error.contains("file/data") && error.contains("--data"), "{error}");
    }
}
