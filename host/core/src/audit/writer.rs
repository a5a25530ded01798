//! The one task that writes the trail: it takes all records that have come, makes lines of them, stores them in one commit
//! and tells those who wait. Where that fails nothing is stored and all are told; the next records follow what is stored.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_audit::{Chain, Head, Key, Kind, Mask, Record};
use jackfield_store::{Bucket, Expect, Mutation, Store, StoreError};
use tokio::sync::{Notify, mpsc, watch};

use super::{Audit, AuditRetention, Begun, CAPACITY, Job, key, trail};
use crate::{
    Error, Result,
    clock::{now_ms, random_name},
    shared::Shared,
    tasks,
};

/// Records stored in one commit at most.
pub(super) const MOST: usize = 512;
/// How long records that nobody waits for may wait for others: what a commit costs, and waking whoever makes it, is then
/// paid a hundred times a second at most.
const GATHER: Duration = Duration::from_millis(10);
/// Blocks let go of in one commit at most.
const MOST_FORGOTTEN: usize = 1024;
/// How far the trail has come is signed after so many records, or so long after something was recorded.
const CHECKPOINT_RECORDS: u64 = 1000;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(60);
/// How often it is looked for records that are too old.
const AGE_CHECK: Duration = Duration::from_secs(60);
/// The trail of a host that keeps nothing, in bytes; one that keeps everything in a folder may be longer.
const MOST_IN_MEMORY: u64 = 16 << 20;
const MOST_IN_FOLDER: u64 = 1 << 30;

/// Begins the trail of a host, or goes on with it.
pub(crate) async fn start(store: &Arc<dyn Store>, folder: Option<&Path>) -> Result<(Audit, Begun)> {
    let found = trail::state(&**store).await?;
    let random = |error: jackfield_audit::KeyError| Error::internal(error.to_string());
    let key = match folder {
        Some(folder) => key::of(folder, found.is_some())?,
        None => Key::generate().map_err(random)?,
    };
    let (state, revision) = match found {
        Some((state, _)) if state.key != key.public() => {
            let message = "the audit trail is signed with another key than the one in `audit.key`; restore that file from a backup";
            return Err(Error::internal(message));
        }
        Some((state, revision)) => (state, Some(revision)),
        None => {
            let name = random_name()?;
            let before = Chain::begin(name.as_str(), &key).head().clone();
            (trail::State { chain: name, key: key.public(), before: before.clone(), head: before, bytes: 0 }, None)
        }
    };
    let (queue, jobs) = mpsc::channel(CAPACITY);
    let urgent = Arc::new(Notify::new());
    let mask = Mask::new(&[key.seed(), &b"mask"[..]].concat());
    let chain = Chain::resume(state.chain.as_str(), &key, state.head.clone());
    let head = watch::Sender::new(state.head.seq);
    let audit = Audit { queue, urgent: urgent.clone(), mask };
    Ok((audit, Begun { store: store.clone(), key, chain, state, revision, jobs, head, urgent }))
}

/// Writes until the host stops, and then what has come until then.
pub(crate) async fn run(shared: Arc<Shared>, begun: Begun, in_folder: bool, retention: AuditRetention) {
    let usual = if in_folder { MOST_IN_FOLDER } else { MOST_IN_MEMORY };
    let most_bytes = retention.bytes.unwrap_or(usual);
    let (signed, unsigned, aged) = (Instant::now(), 0, None);
    let mut writer = Writer { begun, most_bytes, most_age: retention.age, signed, unsigned, aged };
    let mut stop = shared.stop.subscribe();
    let mut jobs = Vec::with_capacity(MOST);
    loop {
        let wait = if writer.unsigned > 0 { CHECKPOINT_AFTER } else { Duration::MAX };
        tokio::select! {
            biased;
            got = writer.begun.jobs.recv_many(&mut jobs, MOST) => {
                if got == 0 {
                    return;
                }
                if jobs.iter().all(|job| job.done.is_none()) {
                    writer.gather(&mut jobs, &mut stop).await;
                }
                writer.write(&mut jobs).await;
            }
            () = tasks::stopped(&mut stop) => break,
            () = tokio::time::sleep(wait) => writer.write(&mut jobs).await,
        }
    }
    writer.begun.jobs.close();
    while writer.begun.jobs.recv_many(&mut jobs, MOST).await > 0 {
        writer.write(&mut jobs).await;
    }
    let stopped = Job { record: Some(host("host.stopped")), done: None };
    writer.write(&mut vec![stopped]).await;
}

/// Something that the host does by itself.
pub(super) fn host(action: &str) -> Record {
    Record { at: now_ms(), subject: super::HOST.into(), ..Record::new(Kind::Host, action) }
}

struct Writer {
    begun: Begun,
    most_bytes: u64,
    most_age: Option<Duration>,
    /// When it was last looked for records that are too old.
    aged: Option<Instant>,
    signed: Instant,
    /// Records since the last that was signed.
    unsigned: u64,
}

impl Writer {
    /// Adds what comes in a little while, or until somebody waits.
    async fn gather(&mut self, jobs: &mut Vec<Job>, stop: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = self.begun.urgent.notified() => {}
            () = tasks::stopped(stop) => {}
            () = tokio::time::sleep(GATHER) => {}
        }
        while jobs.len() < MOST
            && let Ok(job) = self.begun.jobs.try_recv()
        {
            jobs.push(job);
        }
    }

    /// Stores these records, and perhaps a checkpoint, and tells those who wait.
    async fn write(&mut self, jobs: &mut Vec<Job>) {
        let mut chain = self.begun.chain.clone();
        let first = chain.head().seq + 1;
        let mut text = String::with_capacity(jobs.len() * 512);
        for record in jobs.iter().filter_map(|job| job.record.as_ref()) {
            text.push_str(&chain.append(record).text);
        }
        let unsigned = self.unsigned + (chain.head().seq + 1 - first);
        let due = unsigned >= CHECKPOINT_RECORDS || unsigned > 0 && self.signed.elapsed() >= CHECKPOINT_AFTER;
        if due {
            text.push_str(&chain.checkpoint(now_ms(), &self.begun.key).text);
        }
        let stored = if text.is_empty() { Ok(()) } else { self.commit(first, text, chain).await };
        match &stored {
            Ok(()) if due => (self.unsigned, self.signed) = (0, Instant::now()),
            Ok(()) => self.unsigned = unsigned,
            Err(error) => {
                tracing::error!(records = jobs.len(), %error, "the audit trail could not be written");
                self.look_again().await;
            }
        }
        for job in jobs.drain(..) {
            if let Some(done) = job.done {
                // Nobody may wait any more; the record is there all the same.
                let _ = done.send(stored.is_ok());
            }
        }
    }

    async fn commit(&mut self, first: u64, text: String, chain: Chain) -> std::result::Result<(), StoreError> {
        let mut state = trail::State { head: chain.head().clone(), ..self.begun.state.clone() };
        state.bytes += text.len() as u64;
        let mut mutations = vec![Mutation::set(Bucket::Audit, trail::key(first), text)];
        let until = self.too_old();
        if state.bytes > self.most_bytes || until.is_some() {
            self.shorten(&mut state, until, &mut mutations).await?;
        }
        let value = serde_json::to_vec(&state).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let expect = self.begun.revision.map_or(Expect::Absent, Expect::Revision);
        mutations.push(Mutation::set(Bucket::Meta, trail::STATE, value).expect(expect));
        let revision = self.begun.store.commit(mutations).await?;
        (self.begun.chain, self.begun.state, self.begun.revision) = (chain, state, Some(revision));
        self.begun.head.send_replace(self.begun.state.head.seq);
        Ok(())
    }

    /// Until when records are too old, if it is time to look for such.
    fn too_old(&mut self) -> Option<i64> {
        let age = self.most_age?;
        if self.aged.is_some_and(|aged| aged.elapsed() < AGE_CHECK) {
            return None;
        }
        self.aged = Some(Instant::now());
        Some(now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Lets go of the oldest blocks: of those with nothing younger than `until`, and, where there are too many bytes, until a
    /// sixteenth of the room is free. What is kept is whole by itself: it is known what its first line follows.
    async fn shorten(
        &self,
        state: &mut trail::State,
        until: Option<i64>,
        mutations: &mut Vec<Mutation>,
    ) -> std::result::Result<(), StoreError> {
        let aim = match state.bytes > self.most_bytes {
            true => self.most_bytes - self.most_bytes / 16,
            false => u64::MAX,
        };
        let mut after: Option<String> = None;
        loop {
            // A few at a time: a block may be large.
            let oldest = self.begun.store.list(Bucket::Audit, "", after.as_deref(), 8).await?;
            let Some((last, _)) = oldest.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, block) in oldest {
                let text = String::from_utf8_lossy(&block.value);
                let (Ok(first), Some(last)) = (key.parse::<u64>(), text.lines().last()) else { return Ok(()) };
                let is_old = until.is_some_and(|until| at(last).is_some_and(|at| at < until));
                if !(is_old || state.bytes > aim) || mutations.len() == MOST_FORGOTTEN {
                    return Ok(());
                }
                let seq = first + text.lines().count() as u64 - 1;
                state.before = Head { seq, hash: jackfield_audit::hash_of(last) };
                state.bytes = state.bytes.saturating_sub(block.value.len() as u64);
                mutations.push(Mutation::delete(Bucket::Audit, key));
            }
        }
    }

    /// After a failure: what is stored decides what comes next.
    async fn look_again(&mut self) {
        match trail::state(&*self.begun.store).await.map_err(|error: Error| error.message) {
            Ok(Some((state, revision))) => {
                self.begun.chain = Chain::resume(state.chain.as_str(), &self.begun.key, state.head.clone());
                (self.begun.state, self.begun.revision) = (state, Some(revision));
                self.begun.head.send_replace(self.begun.state.head.seq);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(error, "how far the audit trail has come cannot be read"),
        }
    }
}

/// When the record of a line was made.
fn at(line: &str) -> Option<i64> {
    #[derive(serde::Deserialize)]
    struct At {
        at: i64,
    }
    serde_json::from_str::<At>(line).ok().map(|record| record.at)
}
