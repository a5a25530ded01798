//! One value that is kept: when it is good, when it is time for another, and what becomes of it when there is one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    Held, PAUSE, lock,
    value::{Lease, Value},
};
use crate::{
    Sources,
    source::{Drawn, Missing, Origin, Refusal, Renewed},
};

/// The longest pause between attempts to have a value anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long before its end a value is used no more, or a twentieth of its life: requests are on their way for a while.
const SPARE: Duration = Duration::from_secs(10);
/// How long a value is kept that no integration is bound to, since it was used or made.
const LINGER: Duration = Duration::from_secs(10);

/// What is kept of an origin for a version.
pub(crate) struct Kept {
    pub(super) origin: Origin,
    pub(super) fields: Vec<String>,
    /// The credential's name, for who is told.
    pub(super) credential: String,
    /// Held by whoever asks.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) state: Mutex<State>,
}

/// How it is.
#[derive(Default)]
pub(super) struct State {
    pub(super) now: Option<Arc<Value>>,
    generation: u64,
    life: Duration,
    /// When it ends.
    ends: Option<Instant>,
    /// When it is renewed or asked for anew.
    due: Option<Instant>,
    /// Renewing it is of use.
    pub(super) renewable: bool,
    /// When it was last used, or made.
    used: Option<Instant>,
    /// The last attempt that failed.
    pub(super) failed: Option<(Instant, Refusal)>,
    /// Nobody will use it, whatever is still being asked for.
    pub(super) abandoned: bool,
}

impl Kept {
    pub(super) fn new(credential: &str, origin: Origin, sources: &Sources) -> Self {
        let of_it = sources.values().filter_map(|source| source.origin()).filter(|(found, _)| *found == origin);
        let fields: BTreeSet<String> = of_it.map(|(_, field)| field.to_owned()).collect();
        let state = State { used: Some(Instant::now()), ..State::default() };
        Self {
            fields: fields.into_iter().collect(),
            origin,
            credential: credential.to_owned(),
            turn: Arc::default(),
            state: Mutex::new(state),
        }
    }

    /// It is used.
    pub(super) fn touch(&self) {
        lock(&self.state).used = Some(Instant::now());
    }

    /// What there is now, if it is good.
    pub(crate) fn held(&self) -> Result<Held, Missing> {
        let state = lock(&self.state);
        match &state.now {
            Some(value) if state.is_good() => Ok(Held::of(value.clone())),
            // It is worth waiting for another.
            _ => Err(Missing::NotAsked(self.origin.clone())),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        let state = lock(&self.state);
        state.now.is_some() && state.is_good()
    }

    /// When it was last used, or made.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).used.is_none_or(|used| used.elapsed() >= LINGER)
    }

    /// Whether it is time to renew it, or to ask anew.
    pub(super) fn is_due(&self) -> bool {
        let state = lock(&self.state);
        state.now.is_some() && !state.is_paused() && state.due.is_some_and(|due| due <= Instant::now())
    }

    /// A value that was drawn. Returns whether it is another, and the one before, if that is to be given back.
    pub(super) fn put(&self, drawn: Drawn, lease: Option<Lease>) -> (bool, Option<Arc<Value>>) {
        let Drawn { fields, life, again, lease: granted } = drawn;
        let mut state = lock(&self.state);
        let now = Instant::now();
        state.failed = None;
        state.life = life.unwrap_or_default();
        state.ends = life.map(|life| now + life);
        state.due = Some(now + life.map_or(again.unwrap_or(LONGEST_PAUSE), |life| life / 3 * 2));
        state.renewable = granted.is_some_and(|granted| granted.renewable);
        let same = state.now.as_ref().is_some_and(|known| lease.is_none() && known.is(&fields));
        if same {
            return (false, None);
        }
        state.generation += 1;
        let value = Arc::new(Value { fields, generation: state.generation, lease });
        (true, state.now.replace(value))
    }

    pub(super) fn renewed(&self, renewed: &Renewed) {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.failed = None;
        state.life = renewed.life;
        state.ends = Some(now + renewed.life);
        state.due = Some(now + renewed.life / 3 * 2);
        state.renewable = renewed.again;
    }

    /// Remembers that it failed. Returns whether it had not before.
    pub(super) fn fail(&self, refusal: Refusal) -> bool {
        lock(&self.state).failed.replace((Instant::now(), refusal)).is_none()
    }
}

impl State {
    pub(super) fn is_good(&self) -> bool {
        let spare = SPARE.min(self.life / 20);
        self.ends.is_none_or(|ends| Instant::now() + spare < ends)
    }

    /// Whether it has failed a moment ago. It is tried again the sooner, the nearer its end.
    pub(super) fn is_paused(&self) -> bool {
        let left = self.ends.map_or(LONGEST_PAUSE, |ends| ends.saturating_duration_since(Instant::now()));
        let pause = (left / 8).clamp(PAUSE, LONGEST_PAUSE);
        self.failed.as_ref().is_some_and(|(at, _)| at.elapsed() < pause)
    }
}
