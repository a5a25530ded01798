//! The audit trail of a host: what is recorded, and when it must be stored.
//!
//! A write is recorded twice: before it is carried out, and if that cannot be stored it is not carried out; and when it has
//! ended. Whoever finds the first without the second knows that nobody knows. A read is recorded when it has ended, and
//! nobody waits until that is stored. What operators change is recorded when it has happened, before they are told so.
//!
//! Everything goes through one task, which numbers the records, binds each to the one before, and stores many at once: what
//! a flush to the disk costs is shared by all who wait for it.

mod call;
mod key;
mod parameters;
pub(crate) mod sinks;
mod trail;
mod writer;

use std::{sync::Arc, time::Duration};

use jackfield_audit::{Chain, Key, Kind, Mask, Outcome, Record};
use jackfield_store::Store;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::{Error, ErrorKind, ErrorSource, Result, clock::now_ms};
pub(crate) use call::{Asks, Of, Recorded, outcome};
pub(crate) use parameters::are_open;
pub use trail::AuditPage;
pub(crate) use trail::{export, page};
pub(crate) use writer::{run, start};

/// Who does what the API is asked for, as long as it asks nobody who he is.
const SUBJECT: &str = "local";
/// Who does what the host does by itself.
const HOST: &str = "host";
/// Records that may wait to be stored before those who make more do.
const CAPACITY: usize = 4096;

/// How much of the trail is kept. What is let go of is its oldest part; what stays is verified as before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditRetention {
    /// Bytes of records; a gibibyte in a data folder and 16 MiB in memory unless told otherwise.
    pub bytes: Option<u64>,
    /// How old a record may become; for ever unless told otherwise.
    pub age: Option<Duration>,
}

/// Where records are handed in.
#[derive(Debug)]
pub(crate) struct Audit {
    queue: mpsc::Sender<Job>,
    /// Told when somebody waits.
    urgent: Arc<Notify>,
    mask: Mask,
}

/// A record to be stored, and who waits for it. Without a record it only waits for those before it.
#[derive(Debug)]
pub(crate) struct Job {
    record: Option<Record>,
    done: Option<oneshot::Sender<bool>>,
}

/// What the writer begins with.
pub(crate) struct Begun {
    store: Arc<dyn Store>,
    key: Key,
    chain: Chain,
    state: trail::State,
    revision: Option<u64>,
    jobs: mpsc::Receiver<Job>,
    /// The number of the last record that is stored, for those that follow the trail.
    head: watch::Sender<u64>,
    urgent: Arc<Notify>,
}

impl Begun {
    /// Another copy of the key that signs.
    pub(crate) fn key(&self) -> Result<Key> {
        Key::from_seed(self.key.seed()).map_err(|error| Error::internal(error.to_string()))
    }
}

impl Audit {
    /// Stores a record; whoever gets `Ok` knows that it is on the disk.
    pub(crate) async fn store(&self, record: Record) -> Result<()> {
        self.until_done(Some(record)).await
    }

    /// Waits until everything is stored that was handed in before.
    pub(crate) async fn settled(&self) -> Result<()> {
        self.until_done(None).await
    }

    async fn until_done(&self, record: Option<Record>) -> Result<()> {
        let (done, stored) = oneshot::channel();
        let job = Job { record, done: Some(done) };
        let sent = self.queue.send(job).await.is_ok();
        self.urgent.notify_one();
        match sent && stored.await.unwrap_or(false) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Unavailable,
                ErrorSource::Host,
                "the audit trail cannot be written, so nothing is; see that the disk is healthy and has space",
            )),
        }
    }

    /// Records that the host has started: whoever is served by it is served by one whose trail can be written.
    pub(crate) async fn started(&self) -> Result<()> {
        self.store(writer::host("host.started")).await
    }

    /// Hands in a record of what the host did by itself, which nobody waits for.
    pub(crate) async fn by_itself(&self, action: &str, target: &str, outcome: Outcome, message: String) {
        let (target, outcome, message) = (Some(target.to_owned()), Some(outcome), Some(message));
        self.queue(Record { target, outcome, message, ..writer::host(action) }).await;
    }

    /// Hands in a record that nobody waits for; waits only while too many others do.
    pub(crate) async fn queue(&self, record: Record) {
        if self.queue.send(Job { record: Some(record), done: None }).await.is_err() {
            tracing::error!("the audit trail is closed, and something is not recorded");
        }
        // Enough for a commit, so nobody need wait for more.
        if self.queue.capacity() + writer::MOST <= CAPACITY {
            self.urgent.notify_one();
        }
    }

    /// The same for who cannot wait. What finds no room is counted as lost.
    pub(crate) fn queue_now(&self, record: Record) {
        if self.queue.try_send(Job { record: Some(record), done: None }).is_err() {
            tracing::error!("the audit trail has no room, and a call that was given up is not recorded");
        }
    }

    /// Records what an operator wants, before it is done.
    pub(crate) async fn intent(&self, action: &str, target: Option<&str>, wanted: &str) -> Result<()> {
        self.store(by_operator(Kind::Intent, action, target, wanted)).await
    }

    /// Records what came of what an operator wanted.
    pub(crate) async fn administration(
        &self,
        action: &str,
        target: Option<&str>,
        outcome: Outcome,
        message: &str,
    ) -> Result<()> {
        let record = by_operator(Kind::Administration, action, target, message);
        self.store(Record { outcome: Some(outcome), ..record }).await
    }
}

/// Longer sentences are cut, in characters: a record that nobody reads as a line is read by nobody.
const MOST_MESSAGE: usize = 8 << 10;

fn by_operator(kind: Kind, action: &str, target: Option<&str>, message: &str) -> Record {
    Record {
        at: now_ms(),
        subject: SUBJECT.into(),
        target: target.map(str::to_owned),
        message: Some(message.chars().take(MOST_MESSAGE).collect()),
        ..Record::new(kind, action)
    }
}
