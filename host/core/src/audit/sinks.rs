//! What sinks are given of the trail: its blocks as they are stored, and a place for how far each has come.

use std::sync::Arc;

use async_trait::async_trait;
use jackfield_sinks::{Cursor, Follower, News, Progress, Sink, Trail};
use jackfield_store::{Bucket, Mutation, Store};
use tokio::sync::watch;

use super::{
    Begun,
    trail::{self, key},
    writer,
};
use crate::{Error, EventKind, Result, events::Events, guest_log::clean, shared::Shared, tasks::Tasks};

/// What a sink's cursor stands behind, in [`Bucket::Meta`].
const CURSOR: &str = "audit/sink/";
/// The most lines of a block: what is stored in one commit, and a checkpoint.
const LONGEST: u64 = writer::MOST as u64 + 1;
/// Blocks read at once. Reading goes on until there is about this much, so that many small blocks are few reads.
const BLOCKS: usize = 8;
const LINES: usize = 512;
const BYTES: usize = 512 << 10;

/// The stored trail, for those that follow it.
pub(crate) struct Stored {
    store: Arc<dyn Store>,
    chain: String,
    key: String,
    head: watch::Receiver<u64>,
    events: Events,
}

/// Prepares the sinks of a host.
pub(crate) fn prepare(sinks: &[Sink], begun: Option<&Begun>, shared: &Shared) -> Result<Vec<Follower>> {
    let Some(begun) = begun else {
        return match sinks.is_empty() {
            true => Ok(Vec::new()),
            false => Err(Error::invalid("a host that keeps no audit trail has nothing to send to a sink")),
        };
    };
    let trail = Arc::new(Stored {
        store: shared.store.clone(),
        chain: begun.state.chain.clone(),
        key: begun.state.key.clone(),
        head: begun.head.subscribe(),
        events: shared.events.clone(),
    });
    let follow = |(at, sink): (usize, &Sink)| {
        if sinks.iter().take(at).any(|other| other.name() == sink.name()) {
            let message = format!("two audit sinks are called `{}`; give one another name with `,name=`", sink.name());
            return Err(Error::invalid(message));
        }
        let follower = Follower::new(sink, trail.clone(), &shared.dialer, &shared.vault);
        follower.map_err(|reason| Error::invalid(format!("the audit sink {} cannot be used: {reason}", sink.name())))
    };
    sinks.iter().enumerate().map(follow).collect()
}

/// Starts them.
pub(crate) fn start(followers: Vec<Follower>, shared: &Shared, tasks: &Tasks) {
    let progress: Vec<Progress> = followers.iter().map(Follower::progress).collect();
    // Once, before anybody can ask.
    let _ = shared.sinks.set(progress);
    for follower in followers {
        tasks.spawn(follower.run());
    }
}

#[async_trait]
impl Trail for Stored {
    fn chain(&self) -> (&str, &str) {
        (&self.chain, &self.key)
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    async fn gone(&self) -> std::result::Result<u64, String> {
        let state = trail::state(&*self.store).await.map_err(|error| error.message)?;
        Ok(state.map_or(0, |(state, _)| state.before.seq))
    }

    async fn read(&self, after: u64) -> std::result::Result<Vec<String>, String> {
        // As a rule a block has been sent whole, and the next begins behind it.
        let mut from = key(after);
        let next = self.blocks(&from, 1).await?;
        if next.first().is_none_or(|(first, _)| *first != after + 1) {
            from = key(after.saturating_sub(LONGEST));
        }
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < LINES && bytes < BYTES {
            let blocks = self.blocks(&from, BLOCKS).await?;
            let Some((last, _)) = blocks.last() else { break };
            from = key(*last);
            for (first, text) in blocks {
                let unsent = (first..).zip(text.lines()).filter(|(seq, _)| *seq > after);
                lines.extend(unsent.map(|(_, line)| line.to_owned()));
                bytes += text.len();
            }
        }
        Ok(lines)
    }

    async fn cursor(&self, sink: &str) -> std::result::Result<Option<Cursor>, String> {
        let stored =
            self.store.get(Bucket::Meta, &format!("{CURSOR}{sink}")).await.map_err(|error| error.to_string())?;
        let unreadable = |error: serde_json::Error| format!("how far the sink has come cannot be read: {error}");
        stored.map(|stored| serde_json::from_slice(&stored.value).map_err(unreadable)).transpose()
    }

    async fn keep(&self, sink: &str, cursor: &Cursor) -> std::result::Result<(), String> {
        let value = serde_json::to_vec(cursor).map_err(|error| error.to_string())?;
        let kept = self.store.commit(vec![Mutation::set(Bucket::Meta, format!("{CURSOR}{sink}"), value)]).await;
        kept.map(|_| ()).map_err(|error| error.to_string())
    }

    fn tell(&self, news: News) {
        let (kind, message) = match news {
            News::Lagging(message) => (EventKind::AuditSinkLagging, message),
            News::CaughtUp(message) => (EventKind::AuditSinkCaughtUp, message),
            News::Lost(message) => (EventKind::AuditRecordsLost, message),
        };
        // It may hold a receiver's words.
        self.events.emit(kind, None, None, clean(&message));
    }
}

impl Stored {
    /// The blocks behind a key, by the number of their first line.
    async fn blocks(&self, after: &str, limit: usize) -> std::result::Result<Vec<(u64, String)>, String> {
        let blocks = self.store.list(Bucket::Audit, "", Some(after), limit).await.map_err(|error| error.to_string())?;
        let read = |(first, block): (String, jackfield_store::Record)| {
            let first = first.parse().map_err(|_| "a block of the audit trail has no number".to_owned())?;
            let text =
                String::from_utf8(block.value).map_err(|_| "a block of the audit trail is no text".to_owned())?;
            Ok((first, text))
        };
        blocks.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use jackfield_store::MemoryStore;

    use super::*;

    async fn stored(blocks: &[(u64, u64)]) -> Stored {
        let store = MemoryStore::new();
        let block = |&(first, lines): &(u64, u64)| {
            let text: String = (first..first + lines).map(|seq| format!("{seq}\n")).collect();
            Mutation::set(Bucket::Audit, key(first), text)
        };
        store.commit(blocks.iter().map(block).collect()).await.unwrap();
        let head = watch::Sender::new(0).subscribe();
        Stored { store: Arc::new(store), chain: String::new(), key: String::new(), head, events: Events::new() }
    }

    #[tokio::test]
    async fn what_is_read_is_what_comes_next_wherever_in_a_block_that_is() {
        let trail = stored(&[(1, 1), (2, LONGEST), (LONGEST + 2, 1), (LONGEST + 3, 1)]).await;
        for after in [0, 1, 2, 3, LONGEST, LONGEST + 1, LONGEST + 2] {
            let lines = trail.read(after).await.unwrap();
            let numbers: Vec<u64> = lines.iter().map(|line| line.parse().unwrap()).collect();
            assert_eq!(numbers, (after + 1..=LONGEST + 3).collect::<Vec<_>>(), "after {after}");
        }
        assert!(trail.read(LONGEST + 3).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn behind_what_was_let_go_of_comes_the_oldest_that_is_kept() {
        let trail = stored(&[(2000, 3), (2003, 1)]).await;
        for after in [0, 5, 1999] {
            assert_eq!(trail.read(after).await.unwrap().first().unwrap(), "2000");
        }
        assert_eq!(trail.read(2001).await.unwrap(), ["2002", "2003"]);
    }

    #[tokio::test]
    async fn many_small_blocks_are_read_at_once_and_not_all() {
        let blocks: Vec<(u64, u64)> = (1..=3000).map(|first| (first, 1)).collect();
        let read = stored(&blocks).await.read(0).await.unwrap().len();
        assert!((LINES..LINES + BLOCKS).contains(&read), "{read}");
    }
}
