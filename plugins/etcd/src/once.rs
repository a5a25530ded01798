//! What makes a write with an idempotency key happen once, however often it is sent and whichever answers are lost: a
//! *marker* at `<marker-prefix><key>`, put by the very transaction that makes the change, on the condition that there is
//! none. Who comes second finds the marker instead. It holds a fingerprint of the request, so that a key used for
//! another request is a `conflict`, and of the answer what the request and the marker's own revision do not tell.
//!
//! Markers live under leases that many share, one for each span of time, so that a write costs no lease of its own. The
//! lease's id follows from the span: whoever comes first grants it, everybody else meets it. Several Jackfields on one
//! etcd thereby share them, too.

use std::time::Duration;

use jackfield_sdk::http::Effect;
use jackfield_sdk::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Etcd;
use crate::errors;
use crate::fingerprint::Fingerprint;
use crate::settings::Settings;
use crate::wire::{Answer, Blob, Compare, Int, Kv, Op, Put, Range, Txn, TxnDone};

/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 512;
/// How long to wait before the same transaction is sent again because its answer was lost.
const RETRIES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

/// The marker of one write.
pub(crate) struct Once {
    key: Blob,
    request: String,
}

/// What a marker holds.
#[derive(Serialize, Deserialize)]
struct Marker {
    request: String,
    answer: Value,
}

/// What became of a transaction.
pub(crate) enum Done<A> {
    /// It was carried out now.
    Now(TxnDone),
    /// It was carried out before: its revision, and what was noted of its answer.
    Before(i64, A),
}

impl Once {
    /// The marker for a request, where it has an idempotency key.
    pub(crate) fn of(options: &WriteOptions, request: Fingerprint, settings: &Settings) -> Result<Option<Self>> {
        let Some(key) = &options.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Error::invalid("/options/idempotency-key", format!("must have 1 to {MAX_KEY} bytes")));
        }
        let request = request.options(options).to_string();
        Ok(Some(Self { key: Blob(format!("{}{key}", settings.marker_prefix).into_bytes()), request }))
    }

    /// What an earlier writing of this very request did, where there was one.
    pub(crate) fn recall<A: DeserializeOwned>(&self, etcd: &Etcd) -> Result<Option<(i64, A)>> {
        let found = etcd.range(&Range::key(&self.key))?.kvs;
        found.first().map(|marker| self.read(marker)).transpose()
    }

    /// A lease's id that follows from key and request.
    pub(crate) fn id(&self) -> i64 {
        Fingerprint::new("lease").with(&self.key.0).with(&self.request).id()
    }

    /// Forgets the marker, for a write that was given up.
    pub(crate) fn forget(&self) -> Op {
        Op::Delete(crate::wire::DeleteRange { key: self.key.clone(), prev_kv: false })
    }

    fn read<A: DeserializeOwned>(&self, kv: &Kv) -> Result<(i64, A)> {
        let unreadable = |e: serde_json::Error| {
            Error::internal(format!("the idempotency marker {:?} holds something unreadable: {e}", kv.key)).downstream()
        };
        let marker: Marker = serde_json::from_slice(&kv.value.0).map_err(unreadable)?;
        if marker.request != self.request {
            return Err(Error::conflict(
                "this idempotency key was used for another request; use a new key for each request",
            ));
        }
        let answer = serde_json::from_value(marker.answer).map_err(unreadable)?;
        Ok((kv.mod_revision.0, answer))
    }

    /// The step that puts the marker.
    fn put(&self, lease: i64, answer: &impl Serialize) -> Result<Op> {
        let fault = |e: serde_json::Error| Error::internal(format!("an idempotency marker cannot be written: {e}"));
        let marker = Marker { request: self.request.clone(), answer: serde_json::to_value(answer).map_err(fault)? };
        let value = Blob(serde_json::to_vec(&marker).map_err(fault)?);
        Ok(Op::Put(Put { key: self.key.clone(), value, lease: Int(lease), ignore_lease: false }))
    }
}

impl Etcd {
    /// Carries out a transaction, once where it has a marker. `noted` is what to remember of the answer if the
    /// comparisons hold; `otherwise` the same for the other branch, where that, too, is an effect.
    pub(crate) fn commit<A: Serialize + DeserializeOwned>(
        &self,
        once: Option<&Once>,
        txn: Txn,
        noted: &A,
        otherwise: Option<&A>,
    ) -> Result<Done<A>> {
        let Some(once) = once else { return self.txn(&txn, Effect::Write).map(Done::Now) };
        let lease = Lease::now(&self.settings);
        let (compare, mut success, mut failure) = (txn.compare, txn.success, txn.failure);
        success.push(once.put(lease.id, noted)?);
        if let Some(otherwise) = otherwise {
            failure.push(once.put(lease.id, otherwise)?);
        }
        let guarded = Txn {
            compare: vec![Compare::absent(&once.key)],
            success: vec![Op::Txn(Txn { compare, success, failure })],
            failure: vec![Op::Range(Range::key(&once.key))],
        };
        let done = match self.send_again(&guarded) {
            Err(error) if errors::is_lease_missing(&error) => {
                // It is either the markers' lease, which is due, or one that the caller named. Another may grant the
                // markers' lease at this very moment, so only the second answer tells which.
                match self.grant(lease.id, lease.seconds) {
                    Err(other) if !errors::is_lease_taken(&other) => return Err(not_done(other)),
                    _ => {}
                }
                self.send_again(&guarded)?
            }
            done => done?,
        };
        let revision = done.header;
        match done.responses.into_iter().next() {
            Some(Answer::Txn(inner)) if done.succeeded => Ok(Done::Now(TxnDone { header: revision, ..inner })),
            Some(Answer::Range(found)) if !found.kvs.is_empty() => {
                let (revision, answer) = once.read(&found.kvs[0])?;
                Ok(Done::Before(revision, answer))
            }
            _ => Err(Error::outcome_unknown("etcd's answer to a transaction lacks its results").downstream()),
        }
    }

    /// A guarded transaction does its work once, so it can be sent again when its answer was lost.
    fn send_again(&self, guarded: &Txn) -> Result<TxnDone> {
        let mut lost = false;
        for pause in RETRIES {
            match self.txn(guarded, Effect::Write) {
                Err(error) if error.kind == ErrorKind::OutcomeUnknown => lost = true,
                // That this one was not carried out says nothing of the one before.
                Err(error) if lost && error.kind == ErrorKind::Unavailable => {}
                done => return done,
            }
            std::thread::sleep(pause);
        }
        self.txn(guarded, Effect::Write).map_err(|mut error| {
            if lost && error.kind == ErrorKind::Unavailable {
                error.kind = ErrorKind::OutcomeUnknown;
            }
            error
        })
    }
}

/// A fault on the way to the write: nothing has been written.
pub(crate) fn not_done(mut error: Error) -> Error {
    if error.kind == ErrorKind::OutcomeUnknown {
        error.kind = ErrorKind::Unavailable;
    }
    error
}

/// The lease that markers of the present time are under.
#[derive(Debug, PartialEq, Eq)]
struct Lease {
    id: i64,
    seconds: i64,
}

impl Lease {
    fn now(settings: &Settings) -> Self {
        Self::at(time::now_ms() / 1000, settings)
    }

    fn at(second: i64, settings: &Settings) -> Self {
        let kept = i64::try_from(settings.idempotency_seconds).unwrap_or(86_400).max(1);
        let span = (kept / 24).max(10);
        let number = second.div_euclid(span);
        let name = Fingerprint::new("marker-lease").with(&settings.marker_prefix);
        // What is put at the end of the span is kept for the whole time, too; clocks may differ by a span.
        Self { id: name.with(kept.to_le_bytes()).with(number.to_le_bytes()).id(), seconds: kept + 2 * span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_of_one_span_share_a_lease_that_outlives_them_all() {
        let settings = Settings::default();
        let first = Lease::at(3600 * 480_000, &settings);
        assert_eq!(first, Lease::at(3600 * 480_000 + 3599, &settings));
        let next = Lease::at(3600 * 480_000 + 3600, &settings);
        assert_ne!(first.id, next.id);
        assert!(first.id > 0 && next.id > 0);
        assert!(first.seconds >= 86_400 + 3600);
        let other = Settings { marker_prefix: "other/".to_owned(), ..settings };
        assert_ne!(first.id, Lease::at(3600 * 480_000, &other).id);
    }
}
