//! Locks: `lock/NAME` in the state, under a lease of their own. A lock that is taken is tried again until the time the
//! caller gives is over; nothing is queued, so a waiting caller may lose to a luckier one.

use std::time::{Duration, Instant};

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::{self, Request, Txn};
use crate::wit::locks::LockHandle;
use crate::{Locks, Playground, kv, leases, limits};

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock that is held, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    token: String,
    pub(crate) lease: String,
    fencing: u64,
}

fn key(name: &str) -> String {
    format!("lock/{name}")
}

fn take(txn: &mut Txn, name: &str, ttl_ms: i64, options: &WriteOptions) -> Result<Option<Record>> {
    let held = txn.get(&key(name))?;
    options.check(&format!("the lock `{name}`"), kv::revision(held.as_ref()).as_deref())?;
    if held.is_some() {
        return Ok(None);
    }
    let record = Record { token: random::token(), lease: leases::grant(txn, ttl_ms)?, fencing: txn.number() };
    txn.set_json(key(name), &record)?;
    Ok(Some(record))
}

impl Locks for Playground {
    fn lock(name: String, ttl_ms: u64, wait_ms: u32, options: WriteOptions) -> Result<LockHandle> {
        limits::key(&name, "/name")?;
        let ttl_ms = limits::ttl(ttl_ms, "/ttl-ms")?;
        // How long a caller waits is no part of what it asks for.
        let request = Request::new("lock").with(&name).with(ttl_ms.to_le_bytes());
        let give_up = Instant::now() + Duration::from_millis(wait_ms.min(limits::MAX_WAIT_MS).into());
        loop {
            let taken = store::write(&request, &options, |txn| {
                let busy = || Error::conflict(format!("another holds the lock `{name}`"));
                take(txn, &name, ttl_ms, &options)?.ok_or_else(busy)
            });
            match taken {
                Ok((Record { token, lease, fencing }, _)) => {
                    return Ok(LockHandle { name, token, lease, fencing: fencing.to_string() });
                }
                Err(error) if error.is_conflict() && options.precondition.is_none() && Instant::now() < give_up => {
                    std::thread::sleep(PAUSE.min(give_up.saturating_duration_since(Instant::now())));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn unlock(name: String, token: String, options: WriteOptions) -> Result<()> {
        limits::key(&name, "/name")?;
        let request = Request::new("unlock").with(&name).with(&token);
        let ((), _) = store::write(&request, &options, |txn| {
            let Some(held) = txn.get(&key(&name))? else { return options.check(&format!("the lock `{name}`"), None) };
            options.check(&format!("the lock `{name}`"), kv::revision(Some(&held)).as_deref())?;
            let record: Record = held.json(&key(&name))?;
            if record.token != token {
                return Err(Error::conflict(format!("another holds the lock `{name}`; yours has ended")));
            }
            txn.end_lease(&record.lease)
        })?;
        Ok(())
    }
}
