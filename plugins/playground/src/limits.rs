//! What the playground takes. Everything lives in a state with a quota, so that one entry must not fill it.

use jackfield_sdk::prelude::*;

/// The longest key, in bytes; the state allows 512 and a prefix comes before it.
const MAX_KEY: usize = 480;
/// The largest value, in bytes.
const MAX_VALUE: usize = 128 * 1024;
/// The longest time a lease, a lock or a registration can be asked for: 30 days.
const MAX_TTL_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// The longest a call waits, in milliseconds; the manifest's call time-out leaves room for it.
pub(crate) const MAX_WAIT_MS: u32 = 30_000;
/// How much of values one page or one batch of changes holds before it ends early, in bytes.
pub(crate) const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// A key, or a name that becomes one.
pub(crate) fn key(key: &str, field: &str) -> Result<()> {
    match key.len() {
        0 => Err(Error::invalid(field, "must not be empty")),
        1..=MAX_KEY => Ok(()),
        length => Err(Error::invalid(field, format!("has {length} bytes; at most {MAX_KEY} are kept"))),
    }
}

/// A value.
pub(crate) fn value(value: &[u8], field: &str) -> Result<()> {
    if value.len() > MAX_VALUE {
        return Err(Error::invalid(field, format!("has {} bytes; at most {MAX_VALUE} are kept", value.len())));
    }
    Ok(())
}

/// A time to live.
pub(crate) fn ttl(ttl_ms: u64, field: &str) -> Result<i64> {
    match i64::try_from(ttl_ms) {
        Ok(ttl) if (1..=MAX_TTL_MS).contains(&ttl_ms) => Ok(ttl),
        _ => Err(Error::invalid(field, format!("must be from 1 to {MAX_TTL_MS} milliseconds"))),
    }
}
