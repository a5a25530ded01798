//! Opening the database: is it ours, is it whole, is it of a version we know. Until all of that is certain nothing is
//! written to it, so that a damaged or foreign file stays as it was found.

use std::{fs::File, io::Read, path::Path};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::{StoreError, lock::folder, private};

/// The database's name in the data folder.
pub const DATABASE_FILE: &str = "jackfield.db";

/// The version of the tables below. A step from each older version is kept in `migrate`.
const SCHEMA_VERSION: u32 = 1;

/// Marks the file as ours (`JKFD`).
const APPLICATION_ID: i32 = 0x4a4b_4644;

/// Larger databases are not read through at every start; damage is then found where it is met.
const MAX_CHECKED_BYTES: u64 = 512 << 20;

/// Keys are blobs, so that their order is that of their bytes whatever they hold.
const SCHEMA: &str = "
    CREATE TABLE entries (
        bucket INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (bucket, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counter (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        revision INTEGER NOT NULL
    ) STRICT;
    INSERT INTO counter VALUES (1, 0);
";

/// Opens the database for writing, makes it if it is missing, and returns the last revision.
pub(super) fn writable(path: &Path) -> Result<(Connection, u64), StoreError> {
    let size = std::fs::metadata(path).map_or(0, |data| data.len());
    if size > 0 {
        header(path)?;
    }
    // SQLite gives its log the permissions of the database.
    drop(private::file(path).map_err(|e| folder(path, &e))?);
    let judged = |error: rusqlite::Error| judge(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(judged)?;
    // Closing would copy the log into the database; a damaged one is to stay as it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(judged)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(judged)?;
    if size > 0 {
        inspect(&connection, path, size)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(judged)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(judged)?;
    settings(&connection).map_err(judged)?;
    migrate(&mut connection).map_err(judged)?;
    let revision: i64 = connection.query_row("SELECT revision FROM counter", [], |row| row.get(0)).map_err(judged)?;
    Ok((connection, u64::try_from(revision).unwrap_or(0)))
}

/// Opens the database for reading.
pub(super) fn readable(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// A file that is not SQLite's at all is told so without SQLite touching it.
fn header(path: &Path) -> Result<(), StoreError> {
    let mut magic = Vec::new();
    let file = File::open(path).and_then(|file| file.take(16).read_to_end(&mut magic));
    file.map_err(|e| folder(path, &e))?;
    if magic == b"SQLite format 3\0" {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: path.to_owned(), reason: "it does not begin like a database".into() })
}

fn inspect(connection: &Connection, path: &Path, size: u64) -> Result<(), StoreError> {
    let judged = |error: rusqlite::Error| judge(path, error);
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(judged);
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application != i64::from(APPLICATION_ID) {
        // A crash between the file's creation and its first commit leaves an empty one.
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(judged)?;
        if tables > 0 || application != 0 || version != 0 {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        return Ok(());
    }
    if version > i64::from(SCHEMA_VERSION) {
        let found = u32::try_from(version).unwrap_or(u32::MAX);
        return Err(StoreError::NewerVersion { path: path.to_owned(), found, supported: SCHEMA_VERSION });
    }
    if size <= MAX_CHECKED_BYTES {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(judged)?;
        if verdict != "ok" {
            return Err(StoreError::Corrupt { path: path.to_owned(), reason: verdict });
        }
    }
    Ok(())
}

fn settings(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit that was answered survives a loss of power, not only of the process.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Installing a plugin of 20 MB leaves a log as large; it need not stay so.
    connection.pragma_update(None, "journal_size_limit", 8 << 20)
}

fn migrate(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// What an error of SQLite's means while the database is opened.
fn judge(path: &Path, error: rusqlite::Error) -> StoreError {
    let reason = error.to_string();
    let remedy = "give this user the right to write there, or use another folder with `--data`";
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt { path: path.to_owned(), reason }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::Folder { path: path.to_owned(), reason, remedy }
        }
        _ => StoreError::Io(reason),
    }
}
