//! What a sink needs of the host: the trail as it is stored, a place for its cursor, and somebody to tell.

use async_trait::async_trait;
use jackfield_audit::Head;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The trail that sinks follow.
#[async_trait]
pub trait Trail: Send + Sync + 'static {
    /// The chain's name, and the key that it is signed with in hexadecimal.
    fn chain(&self) -> (&str, &str);

    /// The number of the last record that is stored. Its sender is dropped when no more will be.
    fn head(&self) -> watch::Receiver<u64>;

    /// The number of the last record that was let go of; 0 where none was.
    async fn gone(&self) -> Result<u64, String>;

    /// The next records behind a number, in their order, as lines without their ends: as many as can be had at little cost,
    /// at least one where there is one. The first is the next that is kept, whatever its number.
    async fn read(&self, after: u64) -> Result<Vec<String>, String>;

    /// The cursor of the sink of this name.
    async fn cursor(&self, sink: &str) -> Result<Option<Cursor>, String>;

    /// Stores a sink's cursor.
    async fn keep(&self, sink: &str, cursor: &Cursor) -> Result<(), String>;

    /// Something happened to a sink that operators should know.
    fn tell(&self, news: News);
}

/// How far a sink has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cursor {
    /// The chain that the numbers are of.
    pub chain: String,
    /// The last record that was sent, or what the sink began behind.
    pub sent: u64,
    /// Records before that one that never were: let go of by the host, or refused for good.
    pub lost: u64,
}

/// What happened to a sink, in one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It has fallen behind.
    Lagging(String),
    /// It has caught up.
    CaughtUp(String),
    /// Records will never be sent to it.
    Lost(String),
}

/// Some records, one after another, none between them missing.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// The chain's name, and its key.
    pub(crate) chain: (&'a str, &'a str),
    /// What the first of them follows.
    pub(crate) before: Head,
    /// How many are missing between the last batch and this one.
    pub(crate) lost: u64,
    pub(crate) entries: &'a [crate::entry::Entry],
}

impl Batch<'_> {
    pub(crate) fn first(&self) -> u64 {
        self.before.seq + 1
    }

    pub(crate) fn last(&self) -> u64 {
        self.entries.last().map_or(self.before.seq, |entry| entry.seq)
    }

    /// One sentence about what is missing before it, where anything is.
    pub(crate) fn loss(&self) -> Option<String> {
        (self.lost > 0).then(|| {
            let (lost, first) = (self.lost, self.first());
            format!(
                "{lost} records before record {first} are missing here: the host let go of them before they were sent"
            )
        })
    }
}
