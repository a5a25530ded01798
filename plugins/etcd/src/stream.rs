//! A watch: etcd's stream of messages, and what can be concluded from them. [`Collected`] is the pure part: it puts
//! messages together that etcd has split, keeps the changes of one revision together, and knows from which revision a
//! next watch loses nothing.
//!
//! What may be concluded is less than it seems. etcd says "created" at once and replays what lies in the past later, in
//! rounds that are up to 100 ms apart. So the revision in "created" proves nothing about changes before it; only changes
//! themselves and etcd's (rare) notices of progress do.

use std::time::Duration;

use jackfield_sdk::http::{Line, Lines};
use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::errors;
use crate::span::Span;
use crate::wire::{Blob, CreateWatch, Int, Streamed, WatchEvent, WatchRequest, WatchResponse};

/// When so many changes, or bytes of keys and values, are together, they are handed on.
const MAX_EVENTS: usize = 5_000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A watch that is open.
pub(crate) struct Watch {
    lines: Lines,
}

/// What comes next.
pub(crate) enum Next {
    Message(WatchResponse),
    /// Nothing in the time given.
    Idle,
    /// etcd has ended the stream.
    End,
}

impl Etcd {
    /// Watches a span, or a single key where there is none, from a revision on.
    pub(crate) fn open_watch(&self, key: impl Into<Blob>, span: Option<&Span>, from: i64) -> Result<Watch> {
        let create_request = CreateWatch {
            key: key.into(),
            range_end: span.map(Span::end),
            start_revision: Int(from),
            fragment: true,
            progress_notify: true,
        };
        Ok(Watch { lines: self.watch(&WatchRequest { create_request })? })
    }
}

impl Watch {
    /// The next message.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Next> {
        let text = match self.lines.next_within(wait)? {
            Line::Idle => return Ok(Next::Idle),
            Line::End => return Ok(Next::End),
            Line::Text(text) => text,
        };
        let message: Streamed<WatchResponse> = serde_json::from_str(&text).map_err(|e| {
            Error::internal(format!("a message of etcd's watch is not JSON of the known form: {e}")).downstream()
        })?;
        match (message.result, message.error) {
            (Some(response), None) => Ok(Next::Message(response)),
            (_, error) => Err(errors::broken_off(&error.unwrap_or_default(), "/v3/watch")),
        }
    }
}

/// What a watch has told so far.
#[derive(Debug)]
pub(crate) struct Collected {
    /// The store's revision when the watch was created, once it is.
    pub(crate) created: Option<i64>,
    /// Changes, oldest first.
    pub(crate) events: Vec<WatchEvent>,
    /// A watch from here loses nothing.
    pub(crate) next: i64,
    /// Parts of a message of which more will come.
    pending: Vec<WatchEvent>,
    bytes: usize,
}

impl Collected {
    pub(crate) fn from(start: i64) -> Self {
        Self { created: None, events: Vec::new(), next: start, pending: Vec::new(), bytes: 0 }
    }

    /// Whether it is time to hand on what there is.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES
    }

    /// Takes a message in. Changes that `wanted` does not want only count as progress.
    pub(crate) fn take(&mut self, message: WatchResponse, wanted: impl Fn(&[u8]) -> bool) -> Result<()> {
        if message.canceled {
            return Err(canceled(&message, self.next));
        }
        if message.created {
            self.created = Some(message.header.revision.0);
            return Ok(());
        }
        if message.events.is_empty() && self.pending.is_empty() && !message.fragment {
            // A notice of progress: everything up to this revision has been sent.
            self.next = self.next.max(message.header.revision.0.saturating_add(1));
            return Ok(());
        }
        self.pending.extend(message.events);
        let complete = if message.fragment { self.complete_revisions() } else { self.pending.len() };
        for event in self.pending.drain(..complete) {
            self.next = self.next.max(event.kv.mod_revision.0.saturating_add(1));
            if wanted(&event.kv.key.0) {
                self.bytes += event.kv.key.0.len() + event.kv.value.0.len();
                self.events.push(event);
            }
        }
        Ok(())
    }

    /// How many of the pending changes belong to revisions of which nothing more will come: changes come in order, so
    /// all but those of the last one.
    fn complete_revisions(&self) -> usize {
        let Some(last) = self.pending.last() else { return 0 };
        self.pending.iter().position(|event| event.kv.mod_revision == last.kv.mod_revision).unwrap_or(0)
    }
}

fn canceled(message: &WatchResponse, from: i64) -> Error {
    let reason = message.cancel_reason.as_str();
    if message.compact_revision.0 > 0 {
        return too_old(from);
    }
    if reason.contains("permission denied") {
        return Error::permission_denied(format!("etcd refused the watch: {reason}")).downstream().code(reason);
    }
    let reason = if reason.is_empty() { "it gave no reason" } else { reason };
    Error::unavailable(format!("etcd ended the watch: {reason}")).downstream()
}

/// The error for a cursor whose changes etcd no longer has.
pub(crate) fn too_old(from: i64) -> Error {
    Error::conflict(format!(
        "etcd no longer keeps the changes from revision {from} on: they have been compacted; read the whole list again, \
         then follow it without a cursor"
    ))
    .downstream()
    .code("compacted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(json: &str) -> WatchResponse {
        serde_json::from_str(json).unwrap()
    }

    fn changes(fragment: bool, events: &[(&str, i64)]) -> WatchResponse {
        let event = |(key, revision): &(&str, i64)| {
            let mut event = WatchEvent::default();
            event.kv.key = (*key).into();
            event.kv.mod_revision = Int(*revision);
            event
        };
        WatchResponse { fragment, events: events.iter().map(event).collect(), ..WatchResponse::default() }
    }

    fn told(collected: &Collected) -> Vec<(String, i64)> {
        let told = |event: &WatchEvent| (String::from_utf8(event.kv.key.0.clone()).unwrap(), event.kv.mod_revision.0);
        collected.events.iter().map(told).collect()
    }

    #[test]
    fn a_watch_goes_on_behind_the_last_change_it_told() {
        let mut collected = Collected::from(5);
        collected.take(message(r#"{"header":{"revision":"9"},"created":true}"#), |_| true).unwrap();
        assert_eq!((collected.created, collected.next), (Some(9), 5));
        collected.take(changes(false, &[("a", 6), ("b", 6), ("c", 8)]), |_| true).unwrap();
        assert_eq!(collected.next, 9);
        assert_eq!(told(&collected), [("a".to_owned(), 6), ("b".to_owned(), 6), ("c".to_owned(), 8)]);
    }

    #[test]
    fn that_a_watch_was_created_proves_no_progress_but_a_notice_does() {
        let mut collected = Collected::from(5);
        collected.take(message(r#"{"header":{"revision":"90"},"created":true}"#), |_| true).unwrap();
        assert_eq!(collected.next, 5);
        collected.take(message(r#"{"header":{"revision":"95"}}"#), |_| true).unwrap();
        assert_eq!((collected.next, collected.events.len()), (96, 0));
    }

    #[test]
    fn changes_of_one_revision_stay_together_when_etcd_splits_them() {
        let mut collected = Collected::from(1);
        collected.take(changes(true, &[("a", 6), ("b", 7)]), |_| true).unwrap();
        // More of revision 7 may come.
        assert_eq!((told(&collected), collected.next), (vec![("a".to_owned(), 6)], 7));
        collected.take(changes(true, &[("c", 7)]), |_| true).unwrap();
        assert_eq!(collected.next, 7);
        collected.take(changes(false, &[("d", 8)]), |_| true).unwrap();
        let keys: Vec<String> = told(&collected).into_iter().map(|(key, _)| key).collect();
        assert_eq!((keys.concat(), collected.next), ("abcd".to_owned(), 9));
    }

    #[test]
    fn changes_nobody_wants_are_progress_and_nothing_else() {
        let mut collected = Collected::from(1);
        collected.take(changes(false, &[("m/x", 6)]), |key| !key.starts_with(b"m/")).unwrap();
        assert_eq!((collected.events.len(), collected.next), (0, 7));
    }

    #[test]
    fn a_watch_that_is_too_far_behind_says_what_to_do() {
        let json = r#"{"header":{},"canceled":true,"compact_revision":"30"}"#;
        let error = Collected::from(5).take(message(json), |_| true).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains("revision 5") && error.message.contains("without a cursor"));
        let json = r#"{"canceled":true,"cancel_reason":"rpc error: code = PermissionDenied desc = etcdserver: permission denied"}"#;
        assert_eq!(Collected::from(5).take(message(json), |_| true).unwrap_err().kind, ErrorKind::PermissionDenied);
        let error = Collected::from(5).take(message(r#"{"canceled":true}"#), |_| true).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }
}
