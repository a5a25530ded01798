//! Rehearsals: another version of an integration's plugin stands beside the one that runs, and what callers read is read through
//! both. Callers are answered by the version that runs, as ever, and wait for nothing: the other is asked afterwards, few reads
//! at once, and what finds no place is dropped and counted. Writes and change feeds are not rehearsed, and a version that is can
//! keep nothing.
//!
//! Answers that differ prove little by themselves, since the outside system goes on meanwhile. So the version that runs is asked
//! once more, in instances of its own, and only what differs from that answer too is told.
//!
//! A rehearsal belongs to a revision of its integration: whatever changes what runs ends it, in the same commit.

mod answers;
mod report;
mod run;
mod start;
mod tally;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use jackfield_audit::Outcome;
use jackfield_registry::Digest;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Notify, Semaphore, mpsc};

pub use self::report::{
    NewShadow, ShadowCounts, ShadowDifference, ShadowDifferenceKind, ShadowOperation, ShadowReport, ShadowState,
    ShadowSummary,
};
pub(crate) use self::run::run;
use self::tally::{Look, Tally};
use super::{Integration, IntegrationRecord, aside::aside, build::For, upgrade};
use crate::{EventKind, Result, TimestampMs, clock::now_ms, plugins::Installed, shared::Shared, view::View};

/// Reads of one integration that are compared at once.
const AT_ONCE: usize = 2;
/// Those that may wait for it besides, or run.
const MOST_WAITING: usize = 16;
/// Bytes of questions and answers that are held meanwhile.
const MOST_HELD: usize = 8 << 20;
/// Reads of all integrations that may wait.
const CAPACITY: usize = 1024;

/// What is stored of a rehearsal, with its integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ShadowRecord {
    pub(crate) plugin_version: Version,
    pub(crate) plugin_digest: Digest,
    /// What was said of the configuration when it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) settings: Option<Map<String, Value>>,
    /// What the version runs with.
    config: Map<String, Value>,
    started_at: TimestampMs,
    pub(crate) until: TimestampMs,
}

/// A rehearsal.
pub(crate) struct Shadow {
    /// The version that is rehearsed.
    candidate: Integration,
    /// The version that runs, once more.
    again: Integration,
    operations_lost: Vec<String>,
    started_at: TimestampMs,
    counted_since: TimestampMs,
    until: AtomicI64,
    places: Semaphore,
    kept: Mutex<Kept>,
}

/// What changes of a rehearsal while it goes on.
#[derive(Default)]
struct Kept {
    tally: Tally,
    waiting: usize,
    held: usize,
    ended: Option<(TimestampMs, String)>,
}

/// Where reads are handed over that are to be compared.
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
    /// Told when a rehearsal begins or ends.
    pub(crate) changed: Notify,
}

/// A read that was answered.
pub(crate) struct Job {
    place: Place,
    /// As the caller named it.
    capability: String,
    operation: String,
    action: Arc<str>,
    params: Bytes,
    answer: Result<Bytes>,
}

/// The right of a read to wait for being compared.
struct Place {
    shadow: Arc<Shadow>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut kept = self.shadow.kept();
        kept.waiting -= 1;
        kept.held -= self.bytes;
    }
}

/// A read that was answered by the version that runs.
pub(crate) struct Read<'a> {
    pub(crate) capability: String,
    pub(crate) operation: String,
    pub(crate) action: &'a Arc<str>,
    pub(crate) params: Bytes,
    pub(crate) answer: &'a Result<Bytes>,
}

impl Queue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, taken) = mpsc::channel(CAPACITY);
        (Self { jobs, changed: Notify::new() }, taken)
    }
}

impl Shadow {
    /// Makes what a rehearsal needs of an integration, with the plugins of its two versions.
    fn new(
        shared: &Shared,
        integration: &Integration,
        wanted: &ShadowRecord,
        (before, plugin): (&Arc<Installed>, &Arc<Installed>),
    ) -> Result<Arc<Self>> {
        let record = upgrade::leaving(&integration.record, plugin, wanted.config.clone());
        let operations_lost = upgrade::operations_of_both(before, plugin).1;
        Ok(Arc::new(Self {
            candidate: aside(shared, integration, record, plugin, For::Rehearsal)?,
            again: aside(shared, integration, integration.record.clone(), before, For::Version)?,
            operations_lost,
            started_at: wanted.started_at,
            counted_since: now_ms(),
            until: AtomicI64::new(wanted.until),
            places: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
        }))
    }

    /// Makes what was rehearsed of an integration when the host ended; nothing where that is over.
    pub(super) fn again(shared: &Shared, integration: &Integration, view: &View) -> Option<Arc<Self>> {
        let record = &integration.record;
        let wanted = record.shadow.as_ref().filter(|shadow| shadow.until > now_ms())?;
        integration.runtime.as_ref().ok()?;
        let resumed = start::comparable(integration).and_then(|()| {
            let plugin = view.exactly(&record.plugin, &wanted.plugin_version, wanted.plugin_digest)?;
            Self::new(shared, integration, wanted, (view.plugin_of(record)?, plugin))
        });
        resumed
            .inspect_err(|error| {
                tracing::warn!(integration = &*integration.name, %error, "an upgrade is not rehearsed any more");
            })
            .ok()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self) -> TimestampMs {
        self.until.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.until() <= now_ms() || self.kept().ended.is_some()
    }

    /// Has a read that was answered compared, if there is a place for it. Never waits.
    pub(crate) fn follow(self: &Arc<Self>, queue: &Queue, integration: &Integration, read: Read<'_>) {
        if self.is_over() {
            return;
        }
        let Read { capability, operation, action, params, answer } = read;
        if let Err(error) = answer
            && (answers::says_nothing(error) || answers::may_pass(error))
        {
            let why = format!("the version that runs: {}", error.message);
            self.kept().tally.add(action, Look::Failed(why), now_ms());
            return;
        }
        let bytes = params.len() + answer.as_ref().map_or(0, Bytes::len);
        let place = if self.would_be_missed(integration) { None } else { self.place(bytes) };
        let Some(place) = place else { return self.dropped(action) };
        let (action, answer) = (action.clone(), answer.clone());
        let job = Job { place, capability, operation, action, params, answer };
        if let Err(job) = queue.jobs.try_send(job) {
            self.dropped(&job.into_inner().action);
        }
    }

    fn place(self: &Arc<Self>, bytes: usize) -> Option<Place> {
        let mut kept = self.kept();
        if kept.waiting >= MOST_WAITING || kept.held + bytes > MOST_HELD {
            return None;
        }
        (kept.waiting, kept.held) = (kept.waiting + 1, kept.held + bytes);
        Some(Place { shadow: self.clone(), bytes })
    }

    fn dropped(&self, action: &str) {
        self.kept().tally.add(action, Look::Dropped, now_ms());
    }

    /// Whether what one more read sends would be missing to callers: nothing is sent where they wait until something may be, and
    /// half of what requests may cost a day is left to them.
    fn would_be_missed(&self, integration: &Integration) -> bool {
        let runtimes = [integration, &self.candidate].into_iter().filter_map(|version| version.runtime.as_ref().ok());
        let spent = runtimes.flat_map(|runtime| runtime.budgets.values()).map(|budget| budget.spent());
        integration.live.pauses.any() || spent.into_iter().any(|spent| spent.requests >= spent.most / 2)
    }

    /// Counts what came of a read; the first that differs is told.
    async fn found(&self, shared: &Shared, action: &str, look: Look) {
        let place = match &look {
            Look::Different(found) => found.first().map(|found| (found.kind, found.pointer.clone())),
            _ => None,
        };
        let first = self.kept().tally.add(action, look, now_ms());
        let Some((kind, pointer)) = place.filter(|_| first) else { return };
        // What is there is somebody's data, and not for a trail.
        let kind = serde_json::to_value(kind).unwrap_or_default();
        let place = if pointer.is_empty() { "as a whole".to_owned() } else { format!("at `{pointer}`") };
        let name = &self.candidate.name;
        let message = format!(
            "`{action}` is answered otherwise by {} than by {}: {} {place}; see `jackfield integration shadow {name}`",
            self.candidate.record.plugin_version,
            self.again.record.plugin_version,
            kind.as_str().unwrap_or_default(),
        );
        let told = EventKind::ShadowDiffered;
        if let Some(audit) = &shared.audit {
            audit.by_itself(told.as_str(), name, Outcome::Ok, message.clone()).await;
        }
        shared.events.emit(told, Some(name), Some(&self.candidate.record.plugin), message);
    }

    /// Nothing more is compared.
    fn over(&self, why: &str) {
        self.kept().ended.get_or_insert_with(|| (now_ms(), why.to_owned()));
    }

    /// It is over. What it has found can still be read; what ran for it is let go of.
    pub(super) fn end(&self, integration: &Integration, why: &str) {
        self.over(why);
        integration.live.end_shadow(self, self.report(None));
    }

    fn report(&self, state: Option<ShadowState>) -> ShadowReport {
        let kept = self.kept();
        let (differences, forgotten) = kept.tally.differences();
        let (ended_at, ended_because) = kept.ended.clone().unzip();
        let running = if ended_at.is_some() { ShadowState::Ended } else { ShadowState::Running };
        let IntegrationRecord { plugin_version, config, .. } = &self.candidate.record;
        ShadowReport {
            integration: self.candidate.name.to_string(),
            state: state.unwrap_or(running),
            from: self.again.record.plugin_version.clone(),
            to: plugin_version.clone(),
            config: config.clone(),
            operations_lost: self.operations_lost.clone(),
            started_at: self.started_at,
            counted_since: self.counted_since,
            until: self.until(),
            ended_at,
            ended_because,
            reads: kept.tally.total(),
            waiting: if ended_at.is_some() { 0 } else { kept.waiting },
            operations: kept.tally.operations(),
            differences,
            forgotten,
        }
    }
}

/// What is known of an integration's latest rehearsal.
#[derive(Clone, Debug)]
pub(super) enum Remembered {
    Goes(Arc<Shadow>),
    Ended(Box<ShadowReport>),
}

impl Integration {
    /// What of it is rehearsed.
    pub(crate) fn shadow_summary(&self) -> Option<ShadowSummary> {
        let shadow = self.shadow.as_ref().filter(|shadow| !shadow.is_over())?;
        let ShadowCounts { compared, different, .. } = shadow.kept().tally.total();
        let plugin_version = shadow.candidate.record.plugin_version.clone();
        Some(ShadowSummary { plugin_version, until: shadow.until(), compared, different })
    }
}

/// A rehearsal is over since what runs is another now, if there was one. `by`: what was done.
pub(super) async fn left(shared: &Shared, old: &Integration, by: EventKind) {
    let Some(record) = &old.record.shadow else { return };
    let why = match by {
        // Ended by itself, which that commit has told.
        EventKind::ShadowEnded => return,
        EventKind::IntegrationUpgraded => "the integration was upgraded",
        EventKind::IntegrationRolledBack => "the integration went back to the version before",
        EventKind::IntegrationDisabled => "the integration was disabled",
        EventKind::IntegrationRemoved => "the integration was removed",
        EventKind::IntegrationShared => "the integration is being upgraded",
        _ => "the integration was changed",
    };
    if let Some(shadow) = &old.shadow {
        shadow.end(old, why);
    }
    let message = told_end(&old.name, &record.plugin_version, why);
    let kind = EventKind::ShadowEnded;
    if let Some(audit) = &shared.audit {
        audit.by_itself(kind.as_str(), &old.name, Outcome::Ok, message.clone()).await;
    }
    shared.events.emit(kind, Some(&old.name), Some(&old.record.plugin), message);
}

fn told_end(name: &str, version: &Version, why: &str) -> String {
    format!("`{name}` is no longer rehearsed with {version}: {why}")
}

impl std::fmt::Debug for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = &self.candidate.record.plugin_version;
        f.debug_struct("Shadow").field("version", version).field("until", &self.until).finish_non_exhaustive()
    }
}
