//! A claim on a silence that is being made, so that of several calls that want the same one only one sends the request.
//! Whoever holds it writes the intent down first (see [`once`](super::once)). A call that dies leaves its claim, which
//! ends by itself, later than any request that was sent under it can still be under way; until then the others look
//! whether the silence has appeared, and only then one of them makes it.

use std::time::{Duration, Instant};

use jackfield_sdk::prelude::*;
use jackfield_sdk::state::{Batch, Expect};
use serde::{Deserialize, Serialize};

use super::once::{Fingerprint, Known, Once};
use crate::api::WRITE_TIMEOUT;

/// How long a claim lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How long after its beginning a request may still be sent: it may take `WRITE_TIMEOUT`, and some time on its way.
const SENDABLE: Duration = Duration::from_secs(5);
const LEASE_MS: TimestampMs = LEASE.as_millis() as TimestampMs;
const _: () = assert!(LEASE.as_secs() >= SENDABLE.as_secs() + WRITE_TIMEOUT.as_secs() + 2);
const PREFIX: &str = "making/";

#[derive(Serialize, Deserialize)]
struct Record {
    until: TimestampMs,
}

/// A claim that is held.
pub(crate) struct Claim {
    key: String,
    revision: u64,
    since: Instant,
}

/// What trying to claim finds.
pub(crate) enum Tried {
    /// It is ours, and the request is written down. `again`: so it was before, by an earlier attempt.
    Won { claim: Claim, again: bool },
    /// Somebody makes this silence, or did and died; `again`: under this very key.
    Busy { again: bool },
    /// Meanwhile it was made, under this very key.
    Done(String),
}

/// Claims a silence and writes down that it is about to be made.
pub(crate) fn claim(silence: Fingerprint, once: &Once) -> Result<Tried> {
    let key = format!("{PREFIX}{}", silence.digits());
    state::retry(|| {
        let again = match once.known()? {
            Known::Done(id) => return Ok(Some(Tried::Done(id))),
            known => known == Known::Tried,
        };
        let now = time::now_ms();
        let mut batch = Batch::new();
        let mut expect = Expect::Absent;
        for item in state::list_all(PREFIX)? {
            match (item.key == key, lasts(&item, now)?) {
                (true, true) => return Ok(Some(Tried::Busy { again })),
                (true, false) => expect = Expect::Revision(item.revision),
                // Left behind by others.
                (false, false) => batch = batch.delete(item.key, Expect::Revision(item.revision)),
                (false, true) => {}
            }
        }
        let record = Record { until: now.saturating_add(LEASE_MS) };
        let batch = once.intend(batch.set_json(key.clone(), &record, expect)?)?;
        let since = Instant::now();
        let won = batch.try_commit()?;
        Ok(won.map(|revision| Tried::Won { claim: Claim { key: key.clone(), revision, since }, again }))
    })
}

/// Whether a claim has not ended. One that lasts too long was made before the clock was set back.
fn lasts(item: &state::Item, now: TimestampMs) -> Result<bool> {
    let record: Record = state::from_json(&item.key, &item.value)?;
    Ok((1..=LEASE_MS).contains(&record.until.saturating_sub(now)))
}

impl Claim {
    /// Fails where so much time has passed that a request might outlive the claim.
    pub(crate) fn check(&self) -> Result<()> {
        if self.since.elapsed() > SENDABLE {
            return Err(Error::unavailable(
                "Alertmanager answers too slowly to make a silence safely; nothing was made",
            )
            .downstream());
        }
        Ok(())
    }

    /// Ends the claim: the silence is made or found. That it is remembered matters less than that it is answered, since
    /// the next one to ask would find it.
    pub(crate) fn done(self, once: &Once, id: &str) {
        let ended = once.write(self.ended(), id).and_then(|batch| once.prune(batch)).and_then(Batch::commit);
        if let Err(error) = ended {
            jackfield_sdk::warn!("the silence {id} is there, but that could not be kept: {}", error.message);
        }
    }

    /// Ends the claim: the silence was surely not made, and the key is free for another request.
    pub(crate) fn given_up(self, once: &Once) {
        if let Err(error) = once.forget(self.ended()).commit() {
            jackfield_sdk::warn!("a claim could not be given up; it ends by itself: {}", error.message);
        }
    }

    /// Ends the claim and leaves the key as it is.
    pub(crate) fn let_go(self) {
        if let Err(error) = self.ended().commit() {
            jackfield_sdk::warn!("a claim could not be let go; it ends by itself: {}", error.message);
        }
    }

    fn ended(&self) -> Batch {
        Batch::new().delete(self.key.clone(), Expect::Revision(self.revision))
    }
}
