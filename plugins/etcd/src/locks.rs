//! Locks: etcd's own recipe, so that `etcdctl lock` and the Go client's `concurrency.Mutex` take part. Whoever wants the
//! lock puts a key `<lock-prefix><name>/<lease in hex>` under a lease of its own; the key that was created first holds the
//! lock, everybody else waits for the one before it to go. The fencing number is the revision at which the key was
//! created: it grows with every owner. When the lease ends, the key goes, and with it the lock.
//!
//! A name has no `/`: the lock `a/b` would otherwise stand in the queue of the lock `a`.

use std::time::{Duration, Instant};

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::client::Etcd;
use crate::fingerprint::Fingerprint;
use crate::kv::{NOT_WRITTEN, Nothing};
use crate::once::{Done, Once, not_done};
use crate::queue::{Place, Turn};
use crate::span::Span;
use crate::wire::{Answer, Compare, DeleteRange, Int, Kv, Op, Order, Put, Range, Txn};
use crate::wit::Locks;
use crate::wit::locks::LockHandle;
use crate::{EtcdPlugin, kv, names};

/// What a marker notes of a lock: the lease of the key that was put.
#[derive(Serialize, Deserialize)]
struct Noted {
    lease: i64,
    seconds: i64,
}

/// The keys of a lock.
pub(crate) struct Lock {
    name: String,
    prefix: String,
    pub(crate) span: Span,
}

impl Lock {
    fn of(name: &str, etcd: &Etcd) -> Result<Self> {
        names::key(name, "/name")?;
        if name.contains('/') {
            return Err(Error::invalid("/name", "must not contain `/`, which parts locks from each other"));
        }
        let prefix = format!("{}{name}/", etcd.settings.lock_prefix);
        if etcd.settings.hides(prefix.as_bytes()) {
            return Err(Error::invalid("/name", "is kept for idempotency markers"));
        }
        Ok(Self { name: name.to_owned(), span: Span::of(&prefix), prefix })
    }

    fn key(&self, lease: i64) -> String {
        format!("{}{lease:x}", self.prefix)
    }

    fn first(&self) -> Range {
        Range::first(self.span.start(), self.span.end(), Order::FIRST_CREATED)
    }

    pub(crate) fn held(&self) -> Error {
        Error::conflict(format!("another holds the lock `{}`", self.name))
    }

    fn handle(&self, place: &Place) -> LockHandle {
        LockHandle {
            name: self.name.clone(),
            token: format!("{:x}-{}", place.lease, place.revision),
            lease: place.lease.to_string(),
            fencing: place.revision.to_string(),
        }
    }
}

/// Lease and creation revision from a token.
fn parse_token(token: &str) -> Result<(i64, i64)> {
    let parts = token.split_once('-').and_then(|(lease, revision)| {
        let lease = i64::from_str_radix(lease, 16).ok().filter(|lease| *lease > 0)?;
        Some((lease, revision.parse().ok().filter(|revision| *revision > 0)?))
    });
    parts.ok_or_else(|| Error::invalid("/token", "this is not a token that `lock` returned"))
}

impl Etcd {
    fn holder(&self, lock: &Lock) -> Result<Option<Kv>> {
        Ok(self.range(&lock.first())?.kvs.into_iter().next())
    }

    /// Puts our key into the queue, or without waiting only where there is none.
    fn line_up(&self, lock: &Lock, lease: i64, seconds: i64, wait: bool, once: Option<&Once>) -> Result<(Place, Turn)> {
        let key = lock.key(lease);
        let free = if wait { Compare::absent(&key) } else { Compare::all_absent(lock.span.start(), lock.span.end()) };
        let txn = Txn {
            compare: vec![free],
            success: vec![
                Op::Put(Put { key: (&key).into(), lease: Int(lease), ..Put::default() }),
                Op::Range(lock.first()),
            ],
            failure: vec![Op::Range(lock.first())],
        };
        match self.commit(once, txn, &Noted { lease, seconds }, None)? {
            Done::Now(done) if done.succeeded => {
                let revision = done.header.revision.0;
                let first = match done.responses.get(1) {
                    Some(Answer::Range(range)) => range.kvs.first(),
                    _ => None,
                };
                let ours = first.is_some_and(|kv| kv.create_revision.0 == revision);
                let turn = if ours { Turn::Ours } else { Turn::Later };
                Ok((Place { key, lease, seconds, revision }, turn))
            }
            Done::Now(_) => Err(lock.held()),
            Done::Before(revision, noted) => Ok((self.resume(lock, revision, &noted)?, Turn::Later)),
        }
    }

    /// The place that an earlier sending of the same request has taken.
    fn resume(&self, lock: &Lock, revision: i64, noted: &Noted) -> Result<Place> {
        let key = lock.key(noted.lease);
        match self.range(&Range::key(&key))?.kvs.first() {
            Some(found) if found.create_revision.0 == revision => {
                Ok(Place { key, lease: noted.lease, seconds: noted.seconds, revision })
            }
            // Taking it again would be a second effect; saying that it is held would be false.
            _ => Err(Error::conflict(format!(
                "this idempotency key took the lock `{}` before, and that has ended; use a new key to take it again",
                lock.name
            ))),
        }
    }

    /// Leaves the queue. Nothing has happened, so the marker goes, too.
    fn give_up(&self, place: &Place, once: Option<&Once>) {
        let mut success = vec![Op::Delete(DeleteRange { key: (&place.key).into(), prev_kv: false })];
        success.extend(once.map(Once::forget));
        let compare = vec![Compare::created_at(&place.key, place.revision)];
        let txn = Txn { compare, success, failure: Vec::new() };
        if let Err(error) = self.txn(&txn, jackfield_sdk::http::Effect::Idempotent) {
            jackfield_sdk::warn!("the queue of a lock could not be left at once: {}", error.message);
        }
        self.abandon(place.lease);
    }
}

impl Locks for EtcdPlugin {
    fn lock(name: String, ttl_ms: u64, wait_ms: u32, options: WriteOptions) -> Result<LockHandle> {
        let etcd = Etcd::open()?;
        let lock = Lock::of(&name, &etcd)?;
        let seconds = names::ttl(ttl_ms, "/ttl-ms")?;
        let mut wait = Duration::from_millis(wait_ms.min(names::MAX_WAIT_MS).into());
        match &options.precondition {
            None => {}
            Some(Precondition::Absent) => wait = Duration::ZERO,
            Some(_) => {
                let message = "a lock can only be taken where it is `absent`, which also means not to wait";
                return Err(Error::invalid("/options/precondition", message));
            }
        }
        // How long a caller waits is no part of what it asks for.
        let request = Fingerprint::new("lock").with(&name).with(seconds.to_le_bytes());
        let once = Once::of(&options, request, &etcd.settings)?;
        let until = Instant::now() + wait;
        let before = once.as_ref().map(|once| once.recall::<Noted>(&etcd)).transpose()?.flatten();
        let (place, turn) = match before {
            Some((revision, noted)) => (etcd.resume(&lock, revision, &noted)?, Turn::Later),
            None if options.dry_run => {
                return match etcd.holder(&lock)? {
                    Some(_) => Err(lock.held()),
                    None => Ok(LockHandle {
                        name,
                        token: NOT_WRITTEN.to_owned(),
                        lease: NOT_WRITTEN.to_owned(),
                        fencing: NOT_WRITTEN.to_owned(),
                    }),
                };
            }
            None => {
                // A lease that nobody knows of takes no lock and ends by itself.
                let lease = etcd.grant(0, seconds).map_err(not_done)?.id.0;
                match etcd.line_up(&lock, lease, seconds, !wait.is_zero(), once.as_ref()) {
                    Ok((place, turn)) => {
                        if place.lease != lease {
                            etcd.abandon(lease);
                        }
                        (place, turn)
                    }
                    Err(error) => {
                        // Of a put whose outcome is unknown this removes the key, so that it blocks nobody.
                        etcd.abandon(lease);
                        return Err(error);
                    }
                }
            }
        };
        let waited = if turn == Turn::Ours { Ok(turn) } else { etcd.wait_turn(&lock, &place, until) };
        let error = match waited {
            Ok(Turn::Ours) => return Ok(lock.handle(&place)),
            Ok(Turn::Later) => lock.held(),
            Err(error) => error,
        };
        etcd.give_up(&place, once.as_ref());
        Err(error)
    }

    fn unlock(name: String, token: String, options: WriteOptions) -> Result<()> {
        let etcd = Etcd::open()?;
        let lock = Lock::of(&name, &etcd)?;
        let (lease, revision) = parse_token(&token)?;
        names::no_precondition(&options, "the token is the precondition of giving a lock back")?;
        let request = Fingerprint::new("unlock").with(&name).with(&token);
        let once = Once::of(&options, request, &etcd.settings)?;
        let key = lock.key(lease);
        let judge = |holder: Option<&Kv>| match holder {
            None => Ok(()),
            Some(holder) if holder.key.0 == key.as_bytes() && holder.create_revision.0 == revision => Ok(()),
            Some(_) => Err(Error::conflict(format!("another holds the lock `{name}` now; yours has ended"))),
        };
        if options.dry_run {
            if let Some(once) = &once
                && let Some((_, Nothing {})) = once.recall(&etcd)?
            {
                return Ok(());
            }
            return judge(etcd.holder(&lock)?.as_ref());
        }
        let txn = Txn {
            compare: vec![Compare::created_at(&key, revision)],
            success: vec![Op::Delete(DeleteRange { key: (&key).into(), prev_kv: false })],
            failure: vec![Op::Range(lock.first())],
        };
        match etcd.commit(once.as_ref(), txn, &Nothing {}, None)? {
            Done::Before(_, Nothing {}) => Ok(()),
            Done::Now(done) if done.succeeded => {
                // The lease was granted for the lock alone.
                etcd.abandon(lease);
                Ok(())
            }
            Done::Now(done) => judge(kv::found(done).as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_lease_and_revision() {
        assert_eq!(parse_token("7d7ba2093f635d36-17"), Ok((0x7d7b_a209_3f63_5d36, 17)));
        for token in ["", "0-1", "1-0", "x-1", "1-", "-1-1", "1", "ffffffffffffffff-1"] {
            assert!(parse_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn a_lock_is_where_etcdctl_takes_it() {
        let etcd = Etcd { settings: crate::settings::Settings::default() };
        let lock = Lock::of("deploy", &etcd).unwrap();
        assert_eq!(lock.key(0x7d7b_a209_3f63_5d36), "jackfield/locks/deploy/7d7ba2093f635d36");
        assert!(Lock::of("a/b", &etcd).is_err() && Lock::of("", &etcd).is_err());
        let bare = Etcd {
            settings: crate::settings::Settings {
                lock_prefix: String::new(),
                marker_prefix: "markers/".to_owned(),
                ..crate::settings::Settings::default()
            },
        };
        assert!(Lock::of("markers", &bare).is_err());
        assert_eq!(Lock::of("foo", &bare).unwrap().key(0xff), "foo/ff");
    }
}
