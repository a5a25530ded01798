//! Leases: `lease/ID` in the state. What hangs on a lease names it; how a lease ends is the store's business.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::{self, Found, Request, Txn};
use crate::wit::leases::Lease;
use crate::{Leases, Playground, kv, limits};

/// A lease as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) ttl_ms: i64,
    pub(crate) ends_at: TimestampMs,
}

/// The state's key.
pub(crate) fn key(id: &str) -> String {
    format!("lease/{id}")
}

/// A lease that has not ended.
pub(crate) fn find(txn: &Txn, id: &str) -> Result<(Record, Found)> {
    match txn.get(&key(id))? {
        Some(found) => Ok((found.json(&key(id))?, found)),
        None => Err(Error::not_found(format!("there is no lease `{id}`; it may have ended"))),
    }
}

/// Makes a lease and returns its id.
pub(crate) fn grant(txn: &mut Txn, ttl_ms: i64) -> Result<String> {
    let id = format!("{:x}", txn.number());
    renew(txn, &id, ttl_ms)?;
    Ok(id)
}

fn renew(txn: &mut Txn, id: &str, ttl_ms: i64) -> Result<()> {
    let ends_at = txn.now + ttl_ms;
    txn.expires_at(ends_at);
    txn.set_json(key(id), &Record { ttl_ms, ends_at })
}

fn lease(id: String, ttl_ms: i64, remaining_ms: i64) -> Lease {
    let positive = |ms: i64| u64::try_from(ms).unwrap_or(0);
    Lease { id, ttl_ms: positive(ttl_ms), remaining_ms: positive(remaining_ms) }
}

impl Leases for Playground {
    fn lease_status(id: String) -> Result<Lease> {
        let (record, now) = store::read(|txn| Ok((find(txn, &id)?.0, txn.now)))?;
        Ok(lease(id, record.ttl_ms, record.ends_at - now))
    }

    fn grant_lease(ttl_ms: u64, options: WriteOptions) -> Result<Lease> {
        let ttl_ms = limits::ttl(ttl_ms, "/ttl-ms")?;
        let request = Request::new("grant-lease").with(ttl_ms.to_le_bytes());
        let (id, _) = store::write(&request, &options, |txn| {
            options.check("the new lease", None)?;
            grant(txn, ttl_ms)
        })?;
        Ok(lease(id, ttl_ms, ttl_ms))
    }

    fn renew_lease(id: String, options: WriteOptions) -> Result<Lease> {
        let request = Request::new("renew-lease").with(&id);
        let (ttl_ms, _) = store::write(&request, &options, |txn| {
            let (record, found) = find(txn, &id)?;
            options.check(&format!("the lease `{id}`"), kv::revision(Some(&found)).as_deref())?;
            renew(txn, &id, record.ttl_ms)?;
            Ok(record.ttl_ms)
        })?;
        Ok(lease(id, ttl_ms, ttl_ms))
    }

    fn revoke_lease(id: String, options: WriteOptions) -> Result<()> {
        let request = Request::new("revoke-lease").with(&id);
        let ((), _) = store::write(&request, &options, |txn| {
            let (_, found) = find(txn, &id)?;
            options.check(&format!("the lease `{id}`"), kv::revision(Some(&found)).as_deref())?;
            txn.end_lease(&id)
        })?;
        Ok(())
    }
}
