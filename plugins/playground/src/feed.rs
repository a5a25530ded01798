//! Change feeds. A cursor is the number of a change in the store's log; a poll returns what came after it, and while
//! nothing has, it looks again every few milliseconds until the caller's time is over. Looking is one read of one key.

use std::time::{Duration, Instant};

use jackfield_sdk::prelude::*;

use crate::store::{self, log};
use crate::wit::{key_value, service_discovery};
use crate::{discovery, kv, limits};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// How many changes are read at once.
const CHUNK: u32 = 100;

/// The changes of keys that start with `prefix`.
pub(crate) fn entries(prefix: &str, cursor: Option<&str>, wait_ms: u32) -> Result<key_value::ChangeBatch> {
    let (changes, next) = poll(&kv::key(prefix), cursor, wait_ms)?;
    let change = |change: log::Change| {
        let key = change.key.strip_prefix("kv/").unwrap_or(&change.key).to_owned();
        let revision = change.revision.to_string();
        match change.value {
            Some(stored) => key_value::Change::Put(kv::entry(key, &stored, revision)),
            None => key_value::Change::Deleted(key_value::Tombstone { key, revision }),
        }
    };
    Ok(key_value::ChangeBatch { changes: changes.into_iter().map(change).collect(), next })
}

/// The changes of a service's instances, or of all.
pub(crate) fn instances(
    service: Option<&str>,
    cursor: Option<&str>,
    wait_ms: u32,
) -> Result<service_discovery::ChangeBatch> {
    let (changes, next) = poll(&discovery::prefix(service), cursor, wait_ms)?;
    let changes = changes.into_iter().map(discovery::change).collect::<Result<_>>()?;
    Ok(service_discovery::ChangeBatch { changes, next })
}

fn poll(prefix: &str, cursor: Option<&str>, wait_ms: u32) -> Result<(Vec<log::Change>, String)> {
    let start = cursor.map(number_of).transpose()?;
    let give_up = Instant::now() + Duration::from_millis(wait_ms.min(limits::MAX_WAIT_MS).into());
    let mut seen = match start {
        Some(number) => number,
        None => store::read(|txn| Ok(txn.log().last))?,
    };
    loop {
        let (changes, upto) = store::read(|txn| since(prefix, seen, txn.log()))?;
        seen = upto;
        let left = give_up.saturating_duration_since(Instant::now());
        if !changes.is_empty() || left.is_zero() {
            return Ok((changes, cursor_at(seen)));
        }
        std::thread::sleep(PAUSE.min(left));
    }
}

/// The changes after a number that match, and the number up to which the log was read.
fn since(prefix: &str, mut seen: u64, log: log::Bounds) -> Result<(Vec<log::Change>, u64)> {
    if seen < log.dropped {
        return Err(Error::conflict(
            "the changes after this cursor are no longer kept; read the whole list again, then follow it without a cursor",
        ));
    }
    if seen > log.last {
        return Err(Error::invalid(
            "/cursor",
            "this cursor is ahead of all changes; it belongs to other data: start without one",
        ));
    }
    let (mut matching, mut bytes) = (Vec::new(), 0);
    while seen < log.last {
        let changes = log::after(seen, CHUNK)?;
        if changes.is_empty() {
            break;
        }
        for change in changes {
            seen = change.number;
            if change.key.starts_with(prefix) {
                bytes += change.value.as_ref().map_or(0, Vec::len);
                matching.push(change);
            }
            if matching.len() >= CHUNK as usize || bytes >= limits::MAX_PAGE_BYTES {
                return Ok((matching, seen));
            }
        }
    }
    Ok((matching, seen))
}

fn cursor_at(number: u64) -> String {
    paging::seal(&format!("change:{number}"))
}

fn number_of(cursor: &str) -> Result<u64> {
    let text = paging::unseal(cursor).ok();
    let number = text.as_deref().and_then(|text| text.strip_prefix("change:")).and_then(|number| number.parse().ok());
    number.ok_or_else(|| {
        Error::invalid("/cursor", "this is not a cursor that an earlier poll returned; start without one")
    })
}
