//! What the prefixes with a quota take, kept by the writer: a commit then costs what it changes and not what is there. Else
//! one integration with many small keys would make every commit wait, its own and everybody's.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::readers::usage;
use crate::{Bucket, Change, Mutation, Quota, StoreError, Usage, check::within};

/// Prefixes that are known at once. Past this all are forgotten; each is counted once more when it is next written to.
const MOST_KNOWN: usize = 1024;

/// What is known, as of the last commit of the transaction under way.
#[derive(Default)]
pub(super) struct Usages {
    known: HashMap<(Bucket, String), Usage>,
}

/// One quota of a commit.
struct Counted<'a> {
    bucket: Bucket,
    quota: &'a Quota,
    before: Usage,
    after: Usage,
    /// A whole range of keys goes, and nobody knows how large it was.
    recount: bool,
}

/// The quotas of one commit, while its changes are made.
pub(super) struct Counting<'a> {
    quotas: Vec<Counted<'a>>,
}

impl Usages {
    /// Forgets all: the transaction was undone.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// Begins a commit.
    pub(super) fn count<'a>(
        &mut self,
        connection: &Connection,
        mutations: &'a [Mutation],
    ) -> Result<Counting<'a>, rusqlite::Error> {
        let mut quotas: Vec<Counted<'_>> = Vec::new();
        for Mutation { bucket, quota, .. } in mutations {
            let Some(quota) = quota else { continue };
            if quotas.iter().any(|counted| counted.bucket == *bucket && counted.quota == quota) {
                continue;
            }
            let before = match self.known.get(&(*bucket, quota.prefix.clone())) {
                Some(usage) => *usage,
                None => usage(connection, *bucket, &quota.prefix)?,
            };
            quotas.push(Counted { bucket: *bucket, quota, before, after: before, recount: false });
        }
        // What this commit changes is known again once it has succeeded.
        let touched = |(bucket, prefix): &(Bucket, String)| {
            mutations.iter().any(|m| m.bucket == *bucket && m.change != Change::Keep && overlaps(m, prefix))
        };
        self.known.retain(|known, _| !touched(known));
        Ok(Counting { quotas })
    }
}

fn overlaps(mutation: &Mutation, prefix: &str) -> bool {
    let whole = mutation.change == Change::DeletePrefix && prefix.starts_with(&mutation.key);
    whole || mutation.key.starts_with(prefix)
}

impl Counting<'_> {
    /// Takes account of a change that is about to be made.
    pub(super) fn change(&mut self, connection: &Connection, mutation: &Mutation) -> Result<(), rusqlite::Error> {
        let counts =
            |counted: &&mut Counted<'_>| counted.bucket == mutation.bucket && overlaps(mutation, &counted.quota.prefix);
        let mut counted = self.quotas.iter_mut().filter(counts).peekable();
        let new = match &mutation.change {
            Change::Set(value) => Some(value.len() as u64),
            Change::Delete => None,
            Change::DeletePrefix => {
                counted.for_each(|counted| counted.recount = true);
                return Ok(());
            }
            Change::Keep => return Ok(()),
        };
        if counted.peek().is_none() {
            return Ok(());
        }
        let old = length(connection, mutation.bucket, &mutation.key)?;
        for Counted { quota, after, .. } in counted {
            let key = (mutation.key.len() - quota.prefix.len()) as u64;
            if let Some(old) = old {
                after.keys = after.keys.saturating_sub(1);
                after.bytes = after.bytes.saturating_sub(key + old);
            }
            if let Some(new) = new {
                after.keys += 1;
                after.bytes += key + new;
            }
        }
        Ok(())
    }

    /// Whether the commit, whose changes are made, is within its quotas; what it left is known from now on.
    pub(super) fn end(self, connection: &Connection, usages: &mut Usages) -> Result<(), StoreError> {
        let mut known = Vec::with_capacity(self.quotas.len());
        let mut refused = None;
        for Counted { bucket, quota, before, after, recount } in &self.quotas {
            let after = if *recount { usage(connection, *bucket, &quota.prefix)? } else { *after };
            refused = refused.or(within(quota, *before, after).err());
            known.push(((*bucket, quota.prefix.clone()), after));
        }
        if let Some(refused) = refused {
            // Its changes are undone, so what was before is what is.
            let before =
                self.quotas.iter().map(|counted| ((counted.bucket, counted.quota.prefix.clone()), counted.before));
            usages.known.extend(before);
            return Err(refused);
        }
        if usages.known.len() + known.len() > MOST_KNOWN {
            usages.clear();
        }
        usages.known.extend(known);
        Ok(())
    }
}

/// The length of a key's value; SQLite knows it without reading the value.
fn length(connection: &Connection, bucket: Bucket, key: &str) -> Result<Option<u64>, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT length(value) FROM entries WHERE bucket = ?1 AND key = ?2")?;
    let found: Option<i64> =
        statement.query_row(params![bucket as i64, key.as_bytes()], |row| row.get(0)).optional()?;
    Ok(found.and_then(|length| u64::try_from(length).ok()))
}
