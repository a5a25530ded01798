//! What a caller may name: keys, revisions, leases. Everything is read once, here, and an error points at the field.

use jackfield_sdk::prelude::*;

use crate::settings::Settings;
use crate::wire::{Compare, Kv};

/// The longest key, in bytes. etcd has no bound of its own but that of a request.
const MAX_KEY: usize = 4096;
/// The longest time to live: etcd's own bound is 9,000,000,000 s; ten years are enough to find a slip of the pen.
const MAX_TTL_MS: u64 = 10 * 366 * 86_400 * 1000;
/// The longest a call waits, in milliseconds; the manifest's call time-out leaves room for it.
pub(crate) const MAX_WAIT_MS: u32 = 30_000;

/// A key that is read.
pub(crate) fn key(key: &str, field: &str) -> Result<()> {
    match key.len() {
        0 => Err(Error::invalid(field, "must not be empty")),
        1..=MAX_KEY => Ok(()),
        length => Err(Error::invalid(field, format!("has {length} bytes; at most {MAX_KEY} are taken"))),
    }
}

/// A key that is written, or read beside others: not one of our markers.
pub(crate) fn own_key(name: &str, field: &str, settings: &Settings) -> Result<()> {
    key(name, field)?;
    if settings.hides(name.as_bytes()) {
        let prefix = &settings.marker_prefix;
        return Err(Error::invalid(field, format!("keys below `{prefix}` are kept for idempotency markers")));
    }
    Ok(())
}

/// A revision as an earlier answer gave it. 0 is none: etcd would read it as "does not exist".
pub(crate) fn revision(text: &str, field: &str) -> Result<i64> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::invalid(field, format!("`{text}` is not a revision that an earlier answer gave")))
}

/// A lease's id.
pub(crate) fn lease(text: &str, field: &str) -> Result<i64> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::invalid(field, format!("`{text}` is not the id of a lease: it is a decimal number")))
}

/// A time to live in whole seconds, rounded up, since a lease lasts at least as long as was asked.
pub(crate) fn ttl(ttl_ms: u64, field: &str) -> Result<i64> {
    match i64::try_from(ttl_ms.div_ceil(1000)) {
        Ok(seconds) if (1..=MAX_TTL_MS).contains(&ttl_ms) => Ok(seconds),
        _ => Err(Error::invalid(field, format!("must be from 1 to {MAX_TTL_MS} milliseconds"))),
    }
}

/// The comparison that a precondition is.
pub(crate) fn precondition(options: &WriteOptions, key: &str) -> Result<Option<Compare>> {
    Ok(match &options.precondition {
        None => None,
        Some(Precondition::Absent) => Some(Compare::absent(key)),
        Some(Precondition::Present) => Some(Compare::present(key)),
        Some(Precondition::Revision(text)) => {
            Some(Compare::changed_at(key, revision(text, "/options/precondition/revision")?))
        }
    })
}

/// The conflict that a precondition is which did not hold, told from what is stored.
pub(crate) fn broken(options: &WriteOptions, what: &str, found: Option<&Kv>) -> Error {
    let revision = found.map(|kv| kv.mod_revision.0.to_string());
    match options.check(what, revision.as_deref()) {
        Err(error) => error,
        // It holds by now: somebody was at work at the same time.
        Ok(()) => Error::conflict(format!("{what} was changed by another at the same time; read it again")),
    }
}

/// Refuses a precondition where nothing has a revision.
pub(crate) fn no_precondition(options: &WriteOptions, why: &str) -> Result<()> {
    if options.precondition.is_some() {
        return Err(Error::invalid("/options/precondition", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_revision_since_etcd_reads_it_as_absent() {
        for text in ["0", "-1", "", "x", "1.0", "9223372036854775808"] {
            assert!(revision(text, "/r").is_err(), "{text}");
            assert!(lease(text, "/l").is_err(), "{text}");
        }
        assert_eq!(revision("9223372036854775807", "/r"), Ok(i64::MAX));
    }

    #[test]
    fn a_time_to_live_is_rounded_up() {
        assert_eq!([1, 999, 1000, 1001, 5000].map(|ms| ttl(ms, "").unwrap()), [1, 1, 1, 2, 5]);
        assert!(ttl(0, "").is_err() && ttl(u64::MAX, "").is_err() && ttl(MAX_TTL_MS + 1, "").is_err());
    }

    #[test]
    fn markers_cannot_be_written_as_keys() {
        let settings = Settings::default();
        assert!(own_key("jackfield/idempotency/x", "/key", &settings).is_err());
        assert!(own_key("jackfield/idempotenc", "/key", &settings).is_ok());
        assert!(own_key("", "/key", &settings).is_err());
        assert!(own_key(&"k".repeat(MAX_KEY + 1), "/key", &settings).is_err());
    }
}
