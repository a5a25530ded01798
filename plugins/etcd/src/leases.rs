//! Leases. Ids are decimal numbers, as the gateway writes them (`etcdctl` writes them in hexadecimal). etcd counts whole
//! seconds and has a least time to live of its own, so what is granted is at least what was asked for.
//!
//! A lease is no key, so a marker cannot be put in the same transaction. What makes a grant happen once is instead that
//! the lease's id follows from the idempotency key: granting it twice meets the first one. The marker, put afterwards,
//! keeps a late repetition from granting it again when it has ended.

use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::fingerprint::Fingerprint;
use crate::kv::{NOT_WRITTEN, Nothing};
use crate::once::Once;
use crate::wire::Txn;
use crate::wit::Leases;
use crate::wit::leases::Lease;
use crate::{EtcdPlugin, errors, names};

fn missing(id: i64) -> Error {
    Error::not_found(format!("there is no lease `{id}`; it may have ended")).downstream()
}

fn lease(id: i64, ttl: i64, remaining: i64) -> Lease {
    let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
    Lease { id: id.to_string(), ttl_ms: ms(ttl), remaining_ms: ms(remaining) }
}

impl Etcd {
    fn lease(&self, id: i64) -> Result<Lease> {
        let left = self.time_to_live(id)?.ok_or_else(|| missing(id))?;
        Ok(lease(id, left.granted.0, left.ttl.0))
    }

    /// Puts the marker of something that was done outside a transaction and may be done twice without harm.
    fn note(&self, once: &Once) -> Result<()> {
        // Empty but for the marker.
        self.commit(Some(once), Txn::default(), &Nothing {}, None).map(|_| ())
    }

    fn was_done(&self, once: Option<&Once>) -> Result<bool> {
        match once {
            Some(once) => Ok(once.recall::<Nothing>(self)?.is_some()),
            None => Ok(false),
        }
    }
}

impl Leases for EtcdPlugin {
    fn lease_status(id: String) -> Result<Lease> {
        let id = names::lease(&id, "/id")?;
        Etcd::open()?.lease(id)
    }

    fn grant_lease(ttl_ms: u64, options: WriteOptions) -> Result<Lease> {
        let etcd = Etcd::open()?;
        let seconds = names::ttl(ttl_ms, "/ttl-ms")?;
        options.check("the new lease", None)?;
        let request = Fingerprint::new("grant-lease").with(seconds.to_le_bytes());
        let Some(once) = Once::of(&options, request, &etcd.settings)? else {
            if options.dry_run {
                return Ok(Lease { id: NOT_WRITTEN.to_owned(), ..lease(0, seconds, seconds) });
            }
            let granted = etcd.grant(0, seconds)?;
            return Ok(lease(granted.id.0, granted.ttl.0, granted.ttl.0));
        };
        let id = once.id();
        if etcd.was_done(Some(&once))? {
            return etcd.lease(id).map_err(|error| {
                if !error.is_not_found() {
                    return error;
                }
                Error::conflict(format!(
                    "this idempotency key granted the lease `{id}`, which has ended; use a new key"
                ))
            });
        }
        if options.dry_run {
            return Ok(Lease { id: NOT_WRITTEN.to_owned(), ..lease(0, seconds, seconds) });
        }
        let granted = match etcd.grant(id, seconds) {
            Err(error) if errors::is_lease_taken(&error) || error.kind == ErrorKind::OutcomeUnknown => etcd.lease(id),
            granted => granted.map(|granted| lease(id, granted.ttl.0, granted.ttl.0)),
        }?;
        match etcd.note(&once) {
            Ok(()) => Ok(granted),
            Err(error) => {
                // The key was used for another request at the same time: that one's lease has another id.
                if error.is_conflict() {
                    etcd.abandon(id);
                }
                Err(error)
            }
        }
    }

    fn renew_lease(id: String, options: WriteOptions) -> Result<Lease> {
        let etcd = Etcd::open()?;
        let id = names::lease(&id, "/id")?;
        names::no_precondition(&options, "a lease has no revision, and only one that is there can be renewed")?;
        let request = Fingerprint::new("renew-lease").with(id.to_le_bytes());
        let once = Once::of(&options, request, &etcd.settings)?;
        if etcd.was_done(once.as_ref())? {
            return etcd.lease(id);
        }
        if options.dry_run {
            let found = etcd.lease(id)?;
            return Ok(Lease { remaining_ms: found.ttl_ms, ..found });
        }
        let ttl = etcd.keep_alive(id)?.ok_or_else(|| missing(id))?;
        if let Some(once) = &once {
            etcd.note(once)?;
        }
        Ok(lease(id, ttl, ttl))
    }

    fn revoke_lease(id: String, options: WriteOptions) -> Result<()> {
        let etcd = Etcd::open()?;
        let id = names::lease(&id, "/id")?;
        names::no_precondition(&options, "a lease has no revision, and only one that is there can be revoked")?;
        let request = Fingerprint::new("revoke-lease").with(id.to_le_bytes());
        let once = Once::of(&options, request, &etcd.settings)?;
        if etcd.was_done(once.as_ref())? {
            return Ok(());
        }
        if options.dry_run {
            return etcd.lease(id).map(|_| ());
        }
        match etcd.revoke(id) {
            // With a marker to be put it is enough that the lease is gone: an earlier attempt may have ended it before
            // its answer was lost.
            Err(error) if error.is_not_found() && once.is_none() => return Err(missing(id)),
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
        once.as_ref().map_or(Ok(()), |once| etcd.note(once))
    }
}
