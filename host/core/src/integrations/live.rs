//! What of an integration outlives its changes: how it is, what is counted, what runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use jackfield_engine::{CallError, Limit};
use jackfield_gateway::Uses;
use semver::Version;

use super::{
    probation::Retreat,
    shadow::{Remembered, Shadow, ShadowReport},
};
use crate::{
    EventKind,
    bounds::{Bound, Bounds, Throttle},
    cassettes::Tape,
    events::{Events, Teller},
    health::Health,
    leaks::Watch,
    metrics::Calls,
    pauses::Pauses,
    retries::Retries,
    shared::Shared,
    track::Tracks,
};

/// What outlives an integration's changes.
#[derive(Debug)]
pub(crate) struct Live {
    teller: Teller,
    pub(crate) health: Health,
    pub(crate) calls: Calls,
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) bounds: Arc<Bounds>,
    /// Endpoints that have asked to be left alone.
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) retries: Retries,
    /// Crashes, those by an exceeded limit among them.
    pub(crate) traps: AtomicU64,
    crash_told: Throttle,
    pub(crate) leaks: Arc<Watch>,
    /// What it has sent, and what it wanted to.
    pub(crate) uses: Arc<Uses>,
    /// Where its traffic is recorded, or what it is replayed from.
    pub(crate) tape: Option<Arc<Tape>>,
    /// It is of something that only runs to be compared, for nobody who calls.
    pub(crate) aside: bool,
    /// Of going back from a version that does not do well.
    pub(crate) retreat: Retreat,
    /// What is rehearsed of it, or was the latest time.
    shadow: Mutex<Option<Remembered>>,
}

impl Live {
    pub(super) fn new(name: Arc<str>, plugin: &str, shared: &Shared) -> Arc<Self> {
        let tape = shared.cassettes.of(&name);
        let teller = Teller { integration: name, plugin: plugin.into(), events: shared.events.clone() };
        Arc::new(Self {
            health: Health::unknown(),
            calls: Calls::default(),
            tracks: Arc::default(),
            bounds: Arc::new(Bounds::new(teller.clone())),
            pauses: Arc::default(),
            retries: Retries::default(),
            traps: AtomicU64::new(0),
            crash_told: Throttle::default(),
            uses: Arc::default(),
            tape,
            leaks: Arc::new(Watch::new(shared.known.clone(), teller.clone())),
            teller,
            aside: false,
            retreat: Retreat::default(),
            shadow: Mutex::default(),
        })
    }

    /// The same for a version that runs beside the integration. What it asks of outside systems is the integration's, and so is a
    /// secret that is found; its crashes and limits are only its own, and what is told of them nobody hears.
    pub(super) fn aside(&self, version: &Version) -> Arc<Self> {
        let plugin = format!("{}@{version}", self.teller.plugin);
        let teller = Teller { plugin: plugin.into(), events: Events::new(), ..self.teller.clone() };
        Arc::new(Self {
            health: Health::unknown(),
            calls: Calls::default(),
            tracks: Arc::default(),
            bounds: Arc::new(Bounds::new(teller.clone())),
            pauses: Arc::default(),
            retries: Retries::default(),
            traps: AtomicU64::new(0),
            crash_told: Throttle::default(),
            uses: self.uses.clone(),
            tape: None,
            leaks: self.leaks.clone(),
            teller,
            aside: true,
            retreat: Retreat::default(),
            shadow: Mutex::default(),
        })
    }

    /// What is rehearsed of it, or was the latest time since the host was started.
    pub(super) fn shadow(&self) -> Option<Remembered> {
        self.shadow.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn remember_shadow(&self, shadow: Remembered) {
        *self.shadow.lock().unwrap_or_else(PoisonError::into_inner) = Some(shadow);
    }

    /// What is rehearsed of it is over, unless something else is rehearsed by now: that is what it has found.
    pub(super) fn end_shadow(&self, shadow: &Shadow, report: ShadowReport) {
        let mut remembered = self.shadow.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*remembered, Some(Remembered::Goes(goes)) if std::ptr::eq(&**goes, shadow)) {
            *remembered = Some(Remembered::Ended(Box::new(report)));
        }
    }

    /// Whether answers come from a cassette, and nothing is carried out.
    pub(crate) fn replays(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.replays())
    }

    /// Counts what a failed call ran into and tells of it. Returns whether the guest crashed, whatever it was asked.
    pub(crate) fn failed(&self, action: &str, error: &CallError) -> bool {
        let what = || format!("`{action}`: {error}");
        match error {
            CallError::Exceeded { limit, .. } => self.bounds.hit(Bound::Guest(*limit), what),
            CallError::DeadlineExceeded => self.bounds.hit(Bound::Deadline, what),
            CallError::Busy { .. } => self.bounds.hit(Bound::Concurrency, what),
            _ => {}
        }
        if !error.is_guest_fault() {
            return false;
        }
        self.traps.fetch_add(1, Ordering::Relaxed);
        if matches!(error, CallError::Trap { .. }) && self.crash_told.may_tell() {
            self.tell(EventKind::GuestFault, &what());
        }
        // How much was asked for decides whether these are run into.
        !matches!(error, CallError::Exceeded { limit: Limit::Result | Limit::Copies, .. })
    }

    /// Tells of something that happened to the integration.
    pub(crate) fn tell(&self, kind: EventKind, message: &str) {
        self.teller.tell(kind, message);
    }
}
