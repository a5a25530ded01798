//! Change feeds. A cursor is `r:<revision>`: the first revision whose changes have not been told. One poll is one watch
//! from there; it returns as soon as changes have arrived.
//!
//! Two things of etcd shape it. A watch that starts in the past is served up to 100 ms later (see [`stream`]), so such a
//! poll waits at least [`GRACE`], also where the caller would not wait, and never takes silence for "nothing
//! happened". And a feed on which nothing happens must go on nevertheless, or its cursor is compacted away while others
//! write: so after a long silence the store itself is asked whether the keys are still those of the cursor's revision,
//! and only then the cursor moves up to the revision that was reached when the watch began.

use std::time::{Duration, Instant};

use jackfield_sdk::http::Effect;
use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::names::MAX_WAIT_MS;
use crate::span::Span;
use crate::stream::{Collected, Next, Watch, too_old};
use crate::wire::{Answer, Int, Op, Order, Range, Txn, WatchEvent};
use crate::wit::key_value::{Change, ChangeBatch, Tombstone};
use crate::{errors, kv};

/// How long to wait for what etcd replays from the past.
const GRACE: Duration = Duration::from_millis(300);
/// How long a watch has to have been silent before its silence is a hint that nothing happened.
const SILENCE: Duration = Duration::from_millis(500);
/// How many revisions a feed may lie behind before its poll waits for [`SILENCE`] even though the caller would not wait
/// so long. Less than etcd's smallest usual retention.
const LAG: i64 = 256;
/// How long to wait for more, after the first changes of the past: etcd sends them in pieces.
const MORE: Duration = Duration::from_millis(10);

/// The changes of a prefix as the key-value capability tells them.
pub(crate) fn entries(etcd: &Etcd, prefix: &str, cursor: Option<&str>, wait_ms: u32) -> Result<ChangeBatch> {
    let (events, next) = poll(etcd, prefix, cursor, wait_ms)?;
    let count = events.len();
    let changes: Vec<Change> = events.into_iter().filter_map(change).collect();
    if changes.len() < count {
        jackfield_sdk::warn!("{} changes below `{prefix}` are left out: their keys are no text", count - changes.len());
    }
    Ok(ChangeBatch { changes, next })
}

fn change(event: WatchEvent) -> Option<Change> {
    if event.is_deletion() {
        let revision = event.kv.mod_revision.0.to_string();
        return String::from_utf8(event.kv.key.0).ok().map(|key| Change::Deleted(Tombstone { key, revision }));
    }
    kv::entry(event.kv).map(Change::Put)
}

/// The changes of a prefix after a cursor, and the cursor after them.
pub(crate) fn poll(etcd: &Etcd, prefix: &str, cursor: Option<&str>, wait_ms: u32) -> Result<(Vec<WatchEvent>, String)> {
    let wait = Duration::from_millis(wait_ms.min(MAX_WAIT_MS).into());
    let start = match cursor {
        Some(cursor) => revision_of(cursor)?,
        None => etcd.revision(prefix)? + 1,
    };
    if cursor.is_none() && wait.is_zero() {
        return Ok((Vec::new(), cursor_at(start)));
    }
    let mut poll = Poll::begin(etcd, prefix, start)?;
    poll.run(wait)?;
    poll.finish()
}

fn cursor_at(revision: i64) -> String {
    format!("r:{revision}")
}

fn revision_of(cursor: &str) -> Result<i64> {
    let revision = cursor.strip_prefix("r:").and_then(|revision| revision.parse().ok());
    revision.filter(|revision| (1..i64::MAX).contains(revision)).ok_or_else(|| {
        Error::invalid("/cursor", "this is not a cursor that an earlier poll returned; start without one")
    })
}

struct Poll<'a> {
    etcd: &'a Etcd,
    span: Span,
    start: i64,
    watch: Watch,
    collected: Collected,
    begun: Instant,
    /// When something came last.
    heard: Instant,
    ended: bool,
}

impl<'a> Poll<'a> {
    fn begin(etcd: &'a Etcd, prefix: &str, start: i64) -> Result<Self> {
        let span = Span::of(prefix);
        let watch = etcd.open_watch(span.start(), Some(&span), start)?;
        let collected = Collected::from(start);
        let now = Instant::now();
        Ok(Self { etcd, span, start, watch, collected, begun: now, heard: now, ended: false })
    }

    /// Reads until there are changes or the time is over.
    fn run(&mut self, wait: Duration) -> Result<()> {
        loop {
            let elapsed = self.begun.elapsed();
            let left = self.patience(wait).saturating_sub(elapsed);
            let left = match self.collected.events.is_empty() {
                true => left,
                // There is something to tell: only what has arrived already, or is about to, is still read.
                false if self.is_catching_up() => MORE,
                false => Duration::ZERO,
            };
            match self.watch.next(left) {
                Ok(Next::Message(message)) => {
                    self.heard = Instant::now();
                    let news = self.collected.created.is_none();
                    let settings = &self.etcd.settings;
                    self.collected.take(message, |key| !settings.hides(key))?;
                    if news {
                        self.refuse_the_future()?;
                    }
                    if self.collected.is_full() {
                        return Ok(());
                    }
                }
                Ok(Next::Idle) if left.is_zero() || !self.collected.events.is_empty() => return Ok(()),
                Ok(Next::Idle) => {}
                Ok(Next::End) => {
                    self.ended = true;
                    return Ok(());
                }
                // What has been read counts; the next poll meets the error again.
                Err(_) if !self.collected.events.is_empty() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// How long to wait in all.
    fn patience(&self, wait: Duration) -> Duration {
        match self.lag() {
            // Not even created: that takes a round trip at least.
            None => wait.max(self.etcd.settings.request_timeout()),
            Some(lag) if lag <= 0 => wait,
            Some(lag) if lag < LAG => wait.max(GRACE),
            Some(_) => wait.max(2 * SILENCE),
        }
    }

    /// How many revisions there were between the cursor and the beginning of the watch.
    fn lag(&self) -> Option<i64> {
        self.collected.created.map(|created| created - self.start + 1)
    }

    fn is_catching_up(&self) -> bool {
        self.lag().is_some_and(|lag| lag > 0)
    }

    /// A cursor ahead of the store is one of another store, or of this one before it was restored. A member may lag
    /// behind, so the cluster is asked.
    fn refuse_the_future(&self) -> Result<()> {
        if self.lag().is_none_or(|lag| lag >= 0) {
            return Ok(());
        }
        let reached = self.etcd.range(&Range { count_only: true, ..Range::key(self.span.start()) })?.header.revision.0;
        if self.start > reached + 1 {
            return Err(Error::invalid(
                "/cursor",
                "this cursor is ahead of all changes, so it is of another store; read the whole list, then follow it \
                 without a cursor",
            ));
        }
        Ok(())
    }

    fn finish(self) -> Result<(Vec<WatchEvent>, String)> {
        let Collected { events, mut next, created, .. } = self.collected;
        if events.is_empty() {
            if self.ended {
                return Err(Error::unavailable("etcd ended the watch; poll again with the same cursor").downstream());
            }
            let Some(reached) = created else {
                return Err(Error::unavailable("etcd did not begin the watch in time; poll again").downstream());
            };
            let silent = self.heard.elapsed() >= SILENCE;
            if silent && reached >= next && self.etcd.is_unchanged(&self.span, next, reached)? {
                next = reached + 1;
            }
        } else if created.is_some_and(|created| created >= self.start) {
            self.etcd.still_has(&self.span, self.start)?;
        }
        Ok((events, cursor_at(next)))
    }
}

impl Etcd {
    /// The revision the store has reached.
    fn revision(&self, prefix: &str) -> Result<i64> {
        // The key is one that whoever follows the prefix may read.
        let probe = Range { count_only: true, ..Range::key(Span::of(prefix).start()) };
        Ok(self.range(&probe)?.header.revision.0)
    }

    /// Whether all changes from a revision on are still kept. A watch from the very revision that was compacted is served,
    /// though what was deleted at it is gone; the state before it tells.
    fn still_has(&self, span: &Span, from: i64) -> Result<()> {
        if from <= 1 {
            return Ok(());
        }
        let before = Range { revision: Some(Int(from - 1)), count_only: true, ..Range::key(span.start()) };
        match self.range(&before) {
            Err(error) if errors::is_compacted(&error) => Err(too_old(from)),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Whether the keys of a span are the same, and unchanged, before revision `from` and at revision `to`: as many as
    /// before, and none changed since.
    fn is_unchanged(&self, span: &Span, from: i64, to: i64) -> Result<bool> {
        if from <= 1 {
            return Ok(false);
        }
        let at =
            |revision| Range { range_end: Some(span.end()), revision: Some(Int(revision)), ..Range::key(span.start()) };
        let count = |revision| Op::Range(Range { count_only: true, ..at(revision) });
        let newest = Range { revision: Some(Int(to)), ..Range::first(span.start(), span.end(), Order::LAST_CHANGED) };
        let txn = Txn { success: vec![count(from - 1), count(to), Op::Range(newest)], ..Txn::default() };
        let done = match self.txn(&txn, Effect::Read) {
            Err(error) if errors::is_compacted(&error) => return Err(too_old(from)),
            done => done?,
        };
        let [Answer::Range(before), Answer::Range(now), Answer::Range(newest)] = &done.responses[..] else {
            return Ok(false);
        };
        Ok(before.count == now.count && newest.kvs.first().is_none_or(|kv| kv.mod_revision.0 < from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_was_not_handed_out_is_refused() {
        assert_eq!(revision_of(&cursor_at(7)), Ok(7));
        for cursor in ["", "7", "r:", "r:0", "r:-1", "r:x", "r:9223372036854775807", "R:7"] {
            assert!(matches!(revision_of(cursor).unwrap_err().kind, ErrorKind::Invalid(_)), "{cursor}");
        }
    }
}
