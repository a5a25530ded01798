//! One commit within the writer's transaction: expectations, changes, quotas. It runs under a savepoint, so a refused
//! commit leaves no trace and the commits beside it do not notice.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::usages::Usages;
use crate::{Bucket, Change, Mutation, StoreError, check::after_prefix};

/// Makes the changes of one commit, at `revision`. Returns whether anything was changed at all.
pub(super) fn apply(
    connection: &Connection,
    usages: &mut Usages,
    mutations: &[Mutation],
    revision: u64,
) -> Result<bool, StoreError> {
    for Mutation { bucket, key, expect, .. } in mutations {
        if *expect == crate::Expect::Any {
            continue;
        }
        let found = revision_of(connection, *bucket, key)?;
        if !expect.holds(found) {
            return Err(StoreError::Conflict { bucket: *bucket, key: key.clone(), found });
        }
    }
    if mutations.iter().all(|mutation| mutation.change == Change::Keep) {
        return Ok(false);
    }
    let mut counting = usages.count(connection, mutations)?;
    let revision = i64::try_from(revision).map_err(|_| StoreError::Io("the revision counter is exhausted".into()))?;
    for mutation in mutations {
        counting.change(connection, mutation)?;
        change(connection, mutation, revision)?;
    }
    counting.end(connection, usages)?;
    Ok(true)
}

fn revision_of(connection: &Connection, bucket: Bucket, key: &str) -> Result<Option<u64>, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT revision FROM entries WHERE bucket = ?1 AND key = ?2")?;
    let found: Option<i64> =
        statement.query_row(params![bucket as i64, key.as_bytes()], |row| row.get(0)).optional()?;
    Ok(found.and_then(|revision| u64::try_from(revision).ok()))
}

fn change(connection: &Connection, mutation: &Mutation, revision: i64) -> Result<(), rusqlite::Error> {
    let (bucket, key) = (mutation.bucket as i64, mutation.key.as_bytes());
    match &mutation.change {
        Change::Set(value) => {
            let sql = "INSERT INTO entries (bucket, key, value, revision) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO UPDATE SET value = excluded.value, revision = excluded.revision";
            connection.prepare_cached(sql)?.execute(params![bucket, key, value, revision])?;
        }
        Change::Delete => {
            let sql = "DELETE FROM entries WHERE bucket = ?1 AND key = ?2";
            connection.prepare_cached(sql)?.execute(params![bucket, key])?;
        }
        Change::DeletePrefix => {
            let sql = "DELETE FROM entries WHERE bucket = ?1 AND key >= ?2 AND key < ?3";
            connection.prepare_cached(sql)?.execute(params![bucket, key, after_prefix(key)])?;
        }
        Change::Keep => {}
    }
    Ok(())
}
