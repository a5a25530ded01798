//! One sink at work: it follows the stored trail by number, hands records over in batches, one after another, and remembers
//! how far it has come. It is woken when something was stored and sleeps otherwise; nothing waits for it, neither a call nor
//! whoever writes the trail. What it holds in memory is what was read at once, however far behind it is.
//!
//! A batch counts as sent when the other side has it, and the cursor is stored after that: so after a crash some records
//! are sent twice, and none is left out. What fails is tried again, for ever, with pauses that grow. Records that the
//! host lets go of meanwhile are counted, told, and named in the sink itself where its form has a place for that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_net::Dialer;
use jackfield_vault::Vault;
use tokio::{sync::watch, time::sleep};

use crate::{
    Cursor, News, Sink, SinkState, SinkStatus, Trail,
    deliver::{self, Deliver, Failed, Taken},
    entry::Entry,
    pauses::Pauses,
    progress::Progress,
    spec::Start,
    status::Keeping,
    trail::Batch,
};

/// Records handed over at once, and bytes of them (one record may be longer): little enough for the limits that
/// receivers of HTTP have, enough that a round trip costs little a record.
const MOST: usize = 500;
const MOST_BYTES: usize = 512 << 10;
/// How long an attempt may take; what is slower is stuck.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How often the cursor is stored while records are sent: what a crash can have sent twice.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked how far behind a sink is that cannot send.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What a host that ends grants a sink to send the last records.
const FAREWELL: Duration = Duration::from_secs(3);

/// A sink at work.
pub struct Follower {
    name: String,
    start: Start,
    deliver: Box<dyn Deliver>,
    trail: Arc<dyn Trail>,
    head: watch::Receiver<u64>,
    progress: Progress,
    cursor: Cursor,
    /// When the cursor was stored last, and what it was.
    kept: Option<(Instant, Cursor)>,
    /// What was read and not sent, without gaps.
    pending: Vec<Entry>,
    /// The number of the last record that was read, or let go of unread.
    passed: u64,
    /// Records that the other side takes at once.
    most: usize,
    keeping: Keeping,
    pauses: Pauses,
}

impl Follower {
    /// Prepares a sink. Fails, in words for its operator, where it could never work: a file of certificates that is none, a
    /// place that cannot be dialled.
    pub fn new(sink: &Sink, trail: Arc<dyn Trail>, dialer: &Arc<Dialer>, vault: &Arc<Vault>) -> Result<Self, String> {
        let deliver = deliver::to(sink, dialer, vault)?;
        let head = trail.head();
        let cursor = Cursor { chain: trail.chain().0.to_owned(), sent: 0, lost: 0 };
        Ok(Self {
            name: sink.name().to_owned(),
            start: sink.start,
            deliver,
            progress: Progress::new(sink, head.clone()),
            trail,
            head,
            cursor,
            kept: None,
            pending: Vec::new(),
            passed: 0,
            most: MOST,
            keeping: Keeping::default(),
            pauses: Pauses::default(),
        })
    }

    /// Where its status is read.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Sends records until no more are stored, then what is left, in a little while.
    pub async fn run(mut self) {
        while let Err(reason) = self.begin().await {
            if self.is_ending() {
                return;
            }
            self.failed(&reason);
            self.pause(None).await;
        }
        let mut until: Option<Instant> = None;
        loop {
            if self.is_ending() {
                until.get_or_insert_with(|| Instant::now() + FAREWELL);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if self.pending.is_empty()
                && let Err(reason) = self.read().await
            {
                if until.is_some() {
                    break;
                }
                self.failed(&reason);
                self.pause(None).await;
                continue;
            }
            if self.pending.is_empty() {
                self.look(false);
                if until.is_some() {
                    break;
                }
                self.wait().await;
                continue;
            }
            let (count, done) = self.attempt().await;
            match done {
                Ok(taken) => self.sent(count, &taken),
                Err(failed) if failed.too_large && count > 1 => self.most = count / 2,
                Err(_) if until.is_some() => break,
                Err(failed) => {
                    self.failed(&failed.reason);
                    self.pause(failed.retry_after).await;
                }
            }
            self.keep_in_time().await;
        }
        self.keep().await;
    }

    /// Whether no more records will be stored.
    fn is_ending(&self) -> bool {
        self.head.has_changed().is_err()
    }

    /// Finds out where to go on.
    async fn begin(&mut self) -> Result<(), String> {
        let (found, gone) = (self.trail.cursor(&self.name).await?, self.trail.gone().await?);
        let head = *self.head.borrow();
        match found {
            Some(found) if found.chain == self.cursor.chain && found.sent <= head => self.cursor = found,
            Some(found) => {
                tracing::warn!(
                    sink = self.name,
                    "the audit trail is another one than this sink followed; it begins anew"
                );
                self.cursor.lost = found.lost;
                self.cursor.sent = gone;
            }
            None => {
                self.cursor.sent = match self.start {
                    Start::Beginning => gone,
                    Start::Head => head,
                };
            }
        }
        self.passed = self.cursor.sent;
        self.pauses.reset();
        self.show();
        self.keep().await;
        Ok(())
    }

    /// Reads what comes next, if there is anything.
    async fn read(&mut self) -> Result<(), String> {
        if *self.head.borrow_and_update() <= self.passed {
            return Ok(());
        }
        for line in self.trail.read(self.passed).await? {
            let entry = Entry::read(&line);
            let entry = entry.ok_or_else(|| format!("what follows record {} cannot be read", self.passed))?;
            match self.pending.is_empty() {
                true if entry.seq > self.passed + 1 => self.lost_until(entry.seq - 1),
                true => {}
                // What is behind a gap is read the next time.
                false if entry.seq != self.passed + 1 => break,
                false => {}
            }
            self.passed = entry.seq;
            self.pending.push(entry);
        }
        Ok(())
    }

    /// Hands over as many as one batch holds.
    async fn attempt(&mut self) -> (usize, Result<Taken, Failed>) {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.line.len();
            bytes <= MOST_BYTES
        };
        let count = self.pending.iter().take(self.most).take_while(fits).count().max(1);
        let Some((entries, first)) = self.pending.get(..count).zip(self.pending.first()) else {
            return (0, Ok(Taken::default()));
        };
        let lost = first.seq.saturating_sub(self.cursor.sent + 1);
        let batch = Batch { chain: self.trail.chain(), before: first.before(), lost, entries };
        let ending = ended(self.head.clone());
        let done = tokio::select! {
            done = self.deliver.deliver(&batch) => done,
            () = async { ending.await; sleep(FAREWELL).await } => Err("the host ended before there was an answer".into()),
            () = sleep(ATTEMPT) => Err("it took too long".into()),
        };
        (count, done)
    }

    /// So many of those that were read have arrived.
    fn sent(&mut self, count: usize, taken: &Taken) {
        let numbers = self.pending.first().zip(self.pending.get(count.wrapping_sub(1))).map(|(a, b)| (a.seq, b.seq));
        let Some((first, last)) = numbers else { return };
        self.cursor.lost += first.saturating_sub(self.cursor.sent + 1) + taken.refused;
        self.cursor.sent = last;
        self.pending.drain(..count);
        if taken.refused > 0 {
            let message = format!(
                "{} refused {} of the records {first} to {last} for good: {}",
                self.name, taken.refused, taken.words
            );
            self.progress.fail(&message);
            self.trail.tell(News::Lost(message));
        }
        self.most = (self.most + 1).min(MOST);
        self.pauses.reset();
        self.look(false);
    }

    /// What comes next was let go of, up to a number.
    fn lost_until(&mut self, last: u64) {
        let (first, count) = (self.passed + 1, last - self.passed);
        self.passed = last;
        let message = format!(
            "{} will not be sent the {count} records {first} to {last}: the host let go of them before; see to the receiver, or have more kept (`--audit-mib`, `--audit-days`)",
            self.name
        );
        self.trail.tell(News::Lost(message));
    }

    fn failed(&mut self, reason: &str) {
        tracing::warn!(sink = self.name, "records could not be sent: {reason}");
        self.progress.fail(reason);
        self.look(true);
    }

    /// Waits before the next attempt, and looks meanwhile how far it falls behind.
    async fn pause(&mut self, wanted: Option<Duration>) {
        let until = Instant::now() + self.pauses.next().max(wanted.unwrap_or_default());
        loop {
            self.look_for_lost().await;
            self.look(true);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left.min(LOOK_EVERY)) => {}
                () = ended(self.head.clone()) => return,
            }
        }
    }

    /// Whether the host has let go of what was not read yet.
    async fn look_for_lost(&mut self) {
        if let Ok(gone) = self.trail.gone().await
            && self.kept.is_some()
            && gone > self.passed
        {
            self.lost_until(gone);
        }
    }

    /// Waits until something is stored; meanwhile the cursor is.
    async fn wait(&mut self) {
        let unkept = self.kept.as_ref().is_none_or(|(_, kept)| *kept != self.cursor);
        tokio::select! {
            // An error means that no more will be; that is seen before the next wait.
            _ = self.head.changed() => {}
            () = sleep(KEEP_EVERY), if unkept => self.keep().await,
        }
    }

    async fn keep_in_time(&mut self) {
        if self.kept.as_ref().is_none_or(|(at, _)| at.elapsed() >= KEEP_EVERY) {
            self.keep().await;
        }
    }

    async fn keep(&mut self) {
        if self.kept.as_ref().is_some_and(|(_, kept)| *kept == self.cursor) {
            return;
        }
        match self.trail.keep(&self.name, &self.cursor).await {
            Ok(()) => self.kept = Some((Instant::now(), self.cursor.clone())),
            Err(error) => tracing::warn!(sink = self.name, error, "how far a sink has come could not be stored"),
        }
    }

    /// Looks whether it keeps up, and tells where that has changed.
    fn look(&mut self, failed: bool) {
        let SinkStatus { state: was, head, .. } = self.progress.status();
        let state = self.keeping.look(was, self.cursor.sent, head, failed, Instant::now());
        self.show();
        if state == was {
            return;
        }
        self.progress.turn(state);
        let behind = head.saturating_sub(self.cursor.sent);
        if state == SinkState::Lagging {
            let status = self.progress.status();
            let why =
                status.last_error.filter(|_| failed).map(|error| format!(": {}", error.message)).unwrap_or_default();
            self.trail.tell(News::Lagging(format!("{} is {behind} records behind{why}", self.name)));
        } else if was == SinkState::Lagging {
            self.trail.tell(News::CaughtUp(format!("{} has caught up", self.name)));
        }
    }

    fn show(&self) {
        // What was let go of unread is lost already, though nothing behind it was sent yet.
        let unsent = self.passed.saturating_sub(self.cursor.sent);
        let lost = self.cursor.lost + unsent.saturating_sub(self.pending.len() as u64);
        self.progress.show(self.cursor.sent, lost);
    }
}

/// Returns when no more records will be stored.
async fn ended(mut head: watch::Receiver<u64>) {
    while head.changed().await.is_ok() {}
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("name", &self.name).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
