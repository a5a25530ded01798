//! What ends by itself: leases with the keys and locks under them, and registrations with a time to live. Nothing wakes
//! the plugin when a time is over; instead every transaction begins by putting away what has expired, so that nobody
//! ever sees it. The head knows before when nothing expires, so this costs nothing most of the time.

use jackfield_sdk::prelude::*;

use super::Txn;
use crate::{kv, leases, locks};

impl Txn {
    /// Says that something expires then.
    pub(crate) fn expires_at(&mut self, at: TimestampMs) {
        self.head.due = Some(self.head.due.map_or(at, |due| due.min(at)));
    }

    /// Ends a lease: removes it, its keys and its locks.
    pub(crate) fn end_lease(&mut self, id: &str) -> Result<()> {
        self.remove(leases::key(id));
        for (key, found) in self.list("kv/")? {
            if kv::lease_of(&found.value) == Some(id) {
                self.remove(key);
            }
        }
        for (key, found) in self.list("lock/")? {
            if found.json::<locks::Record>(&key)?.lease == id {
                self.remove(key);
            }
        }
        Ok(())
    }

    pub(super) fn put_away_what_expired(&mut self) -> Result<()> {
        if self.head.due.is_none_or(|due| self.now < due) {
            return Ok(());
        }
        self.head.due = None;
        for (key, found) in self.list("lease/")? {
            let lease: leases::Record = found.json(&key)?;
            match key.strip_prefix("lease/") {
                Some(id) if lease.ends_at <= self.now => self.end_lease(id)?,
                _ => self.expires_at(lease.ends_at),
            }
        }
        for (key, found) in self.list("sd-ttl/")? {
            let ends_at: TimestampMs = found.json(&key)?;
            if ends_at > self.now {
                self.expires_at(ends_at);
                continue;
            }
            if let Some(instance) = key.strip_prefix("sd-ttl/").map(|name| format!("sd/{name}"))
                && self.get(&instance)?.is_some()
            {
                self.remove(instance);
            }
            self.remove(key);
        }
        // The new time must be kept even where nothing had expired after all.
        self.touched = true;
        Ok(())
    }
}
