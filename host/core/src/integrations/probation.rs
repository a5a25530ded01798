//! Integrations that were upgraded a short while ago. A version that passed its check and then does worse than the one before
//! is taken back without anybody being woken: where its health checks find it unhealthy, or where calls fail far more often.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Integration, IntegrationRecord, upgrade};
use crate::{Error, ErrorKind, ErrorSource, HealthState, Result, metrics::Tally, shared::Shared, tasks};

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long it takes until going back is tried again, the first time; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Calls that have to have ended before a share of them says something.
const ENOUGH: u64 = 20;
/// The share of calls that may fail, whatever failed before.
const TOLERATED: f64 = 0.1;
/// How many times the share of before may fail.
const WORSE: f64 = 3.0;
/// Calls that fail one after the other, with none between that does not, where there are few.
const IN_A_ROW: u64 = 5;

/// How much time the calls have that are judged: of this and the time before. What went well long ago says nothing of now.
const WINDOW: Duration = Duration::from_secs(60);

/// What has come of the calls of a version that is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What had come of all calls until it was switched to.
    before: Tally,
    windows: Mutex<Windows>,
    /// Its outside system was well then: where nobody looked, that it is not says nothing of the version.
    judges_outside: bool,
    ended: AtomicU64,
    failed: AtomicU64,
}

impl Watch {
    /// For what a record says, if that is watched.
    pub(super) fn of(record: &IntegrationRecord, before: Tally) -> Option<Arc<Self>> {
        let probation = record.probation()?;
        Some(Arc::new(Self { judges_outside: probation.health, ..Self::since(before) }))
    }

    fn since(before: Tally) -> Self {
        let (ended, failed) = Default::default();
        let windows = Mutex::new(Windows::from(Mark { own: Tally::default(), all: before, at: Instant::now() }));
        Self { before, windows, judges_outside: true, ended, failed }
    }

    /// A call has ended. `whole`: it had all the time that the integration's calls have.
    pub(crate) fn ended<T>(&self, result: &Result<T>, whole: bool) {
        let failed = match result {
            Ok(_) => false,
            // A caller without patience says nothing of the version.
            Err(error) if error.kind == ErrorKind::DeadlineExceeded && !whole => return,
            Err(error) => self.is_failure(error),
        };
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    fn is_failure(&self, error: &Error) -> bool {
        use ErrorKind::{DeadlineExceeded, Internal, OutcomeUnknown, Unavailable, Unsupported};
        let failed = matches!(error.kind, DeadlineExceeded | Internal | OutcomeUnknown | Unavailable | Unsupported);
        match error.source_of_fault {
            ErrorSource::Plugin => failed,
            ErrorSource::Downstream => failed && self.judges_outside,
            ErrorSource::Caller | ErrorSource::Host => false,
        }
    }

    /// Why its latest calls are worse than the others, if they are. `all`: what has come of all calls, the other version's among
    /// them where that has some; where it has too few, its calls before are what counts.
    fn worse(&self, all: Tally, now: Instant) -> Option<String> {
        let own = self.tally();
        let since = self.windows.lock().unwrap_or_else(PoisonError::into_inner).turn(Mark { own, all, at: now });
        let Tally { ended, failed } = less(own, since.own);
        let others = less(less(all, since.all), Tally { ended, failed });
        let others = if others.ended < ENOUGH { self.before } else { others };
        let share = |Tally { ended, failed }: Tally| if ended == 0 { 0.0 } else { failed as f64 / ended as f64 };
        let found = share(Tally { ended, failed });
        if found <= (share(others) * WORSE).max(TOLERATED) {
            return None;
        }
        let since = if since.own == Tally::default() { "since" } else { "of late" };
        if ended < ENOUGH {
            return (failed == ended && failed >= IN_A_ROW).then(|| format!("all {failed} calls {since} have failed"));
        }
        Some(format!("{failed} of {ended} calls {since} have failed"))
    }

    /// What has come of its calls so far.
    pub(crate) fn tally(&self) -> Tally {
        Tally { ended: self.ended.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }
}

/// What had come of calls at a moment: the version's own, and all of its integration's.
#[derive(Clone, Copy, Debug)]
struct Mark {
    own: Tally,
    all: Tally,
    at: Instant,
}

/// The beginnings of the time that is under way and of the one before.
#[derive(Debug)]
struct Windows {
    now: Mark,
    before: Mark,
}

impl Windows {
    fn from(mark: Mark) -> Self {
        Self { now: mark, before: mark }
    }

    /// Since when calls are judged. Another time begins once one has passed in which enough calls have ended to say something.
    fn turn(&mut self, mark: Mark) -> Mark {
        let passed = mark.at.saturating_duration_since(self.now.at) >= WINDOW;
        if passed && less(mark.own, self.now.own).ended >= ENOUGH {
            *self = Self { now: mark, before: self.now };
        }
        self.before
    }
}

/// What has come since.
fn less(now: Tally, then: Tally) -> Tally {
    Tally { ended: now.ended.saturating_sub(then.ended), failed: now.failed.saturating_sub(then.failed) }
}

/// What came of taking a version back that does not do well, at one revision of its integration.
#[derive(Debug, Default)]
pub(crate) struct Retreat(Mutex<Tried>);

#[derive(Debug, Default)]
struct Tried {
    revision: u64,
    times: u32,
    /// When it is tried again.
    again: Option<Instant>,
    given_up: bool,
}

impl Retreat {
    fn at(&self, revision: u64) -> MutexGuard<'_, Tried> {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.revision != revision {
            *tried = Tried { revision, ..Tried::default() };
        }
        tried
    }

    /// Whether it may be tried at this moment.
    fn may_try(&self, revision: u64, now: Instant) -> bool {
        let tried = self.at(revision);
        !tried.given_up && tried.again.is_none_or(|again| again <= now)
    }

    /// It failed. Where what there is to go back to is gone, that lasts; anything else may be over soon, such as a full disk.
    fn failed(&self, revision: u64, now: Instant, error: &Error) {
        let mut tried = self.at(revision);
        tried.given_up = error.kind == ErrorKind::Conflict;
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(tried.times)).min(LONGEST_WAIT);
        (tried.times, tried.again) = (tried.times.saturating_add(1), Some(now + wait));
    }

    /// Whether it is tried no more, since it cannot be done.
    pub(crate) fn has_given_up(&self, revision: u64) -> bool {
        self.at(revision).given_up
    }
}

/// Watches until the host stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        let view = shared.view.load_full();
        let watched: Vec<&Arc<Integration>> = view
            .integrations
            .values()
            .filter(|integration| integration.is_watched() || integration.record.share.is_some())
            .collect();
        for integration in &watched {
            look_at(&shared, integration).await;
        }
        let wait = async {
            match watched.is_empty() {
                true => shared.probation.notified().await,
                false => tokio::time::sleep(LOOK).await,
            }
        };
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = wait => {}
        }
    }
}

async fn look_at(shared: &Shared, integration: &Integration) {
    let shares = integration.record.share.is_some();
    let version = integration.share.as_ref().map_or(integration, |share| &share.next);
    let lost = shares && integration.share.is_none();
    let found = version.runtime.as_ref().ok().and_then(|runtime| runtime.watch.as_ref());
    let nothing = Watch::since(Tally::default());
    let watch = match found {
        _ if lost => &nothing,
        Some(watch) => watch,
        None => return,
    };
    let (retreat, revision) = (&integration.live.retreat, integration.revision);
    if !retreat.may_try(revision, Instant::now()) {
        return;
    }
    // The checks are the old version's as long as that has a share.
    let health = integration.live.health.report();
    let reason = match health.state {
        _ if lost => Some("it could not go on when the host was started again".to_owned()),
        HealthState::Unhealthy if watch.judges_outside && !shares => {
            Some(format!("its outside system was found not healthy with it: {}", health.message))
        }
        _ => watch.worse(integration.live.calls.tally(), Instant::now()),
    };
    let Some(reason) = reason else { return };
    if let Err(error) = upgrade::roll_back(shared, &integration.name, Some(revision), Some(&reason)).await {
        // Somebody may have changed it at this moment; then it is looked at again.
        let now = shared.view.load();
        if now.integration(&integration.name).is_ok_and(|now| now.revision == revision) {
            retreat.failed(revision, Instant::now(), &error);
            let lasts = if retreat.has_given_up(revision) { "; it stays as it is" } else { "; it is tried again" };
            tracing::error!(integration = &*integration.name, %error, "an upgraded integration does not do well and cannot go back{lasts}: {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: (u64, u64), ended: u64, failed: u64) -> Option<String> {
        let watch = Watch::since(Tally { ended: before.0, failed: before.1 });
        let error = Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, "gone");
        (0..failed).for_each(|_| watch.ended::<()>(&Err(error.clone()), true));
        (failed..ended).for_each(|_| watch.ended(&Ok(()), true));
        alone(&watch)
    }

    /// Where no other calls have ended meanwhile.
    fn alone(watch: &Watch) -> Option<String> {
        watch.worse(watch.before, Instant::now())
    }

    #[test]
    fn a_version_is_worse_where_far_more_calls_fail_than_before() {
        let good = (1000, 20);
        assert_eq!(after(good, 0, 0), None);
        assert_eq!(after(good, 100, 10), None, "a tenth may");
        assert!(after(good, 100, 11).is_some());
        assert_eq!(after((100, 30), 100, 80), None, "it was no better before");
        assert!(after((100, 30), 100, 95).is_some());
    }

    #[test]
    fn few_calls_say_something_only_if_all_of_them_fail_and_not_all_did_before() {
        let good = (1000, 20);
        assert_eq!(after(good, 4, 4), None);
        assert!(after(good, 5, 5).is_some() && after((0, 0), 5, 5).is_some());
        assert_eq!(after(good, 6, 5), None);
        assert_eq!(after((10, 10), 19, 19), None);
    }

    #[test]
    fn what_went_well_long_ago_hides_no_failures_and_a_system_that_fails_both_versions_is_neithers_fault() {
        let error = Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, "gone");
        let (watch, began) = (Watch::since(Tally::default()), Instant::now());
        let minute = |number: u32| began + WINDOW * number;
        (0..10_000).for_each(|_| watch.ended(&Ok(()), true));
        let all = |others: u64, failed: u64| {
            let own = watch.tally();
            Tally { ended: own.ended + others, failed: own.failed + failed }
        };
        assert_eq!(watch.worse(all(10_000, 0), minute(1)), None);
        (0..100).for_each(|_| watch.ended(&Ok(()), true));
        assert_eq!(watch.worse(all(10_000, 0), minute(2)), None);
        (0..50).for_each(|_| watch.ended::<()>(&Err(error.clone()), true));
        assert_eq!(watch.worse(all(10_100, 50), minute(2)), None, "the other version's fail as often");
        assert_eq!(watch.worse(all(10_100, 0), minute(2)).as_deref(), Some("50 of 150 calls of late have failed"));
        assert!(watch.worse(all(10_000, 0), minute(2)).is_some(), "it has too few calls: those before count");
    }

    #[test]
    fn going_back_is_tried_again_later_and_given_up_only_where_that_is_gone() {
        let (retreat, now) = (Retreat::default(), Instant::now());
        let by = |kind| Error::new(kind, ErrorSource::Host, "x");
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(retreat.may_try(7, now));
        retreat.failed(7, now, &by(ErrorKind::Unavailable));
        assert!(!retreat.may_try(7, now) && retreat.may_try(7, after(1)) && !retreat.has_given_up(7));
        (0..100).for_each(|_| retreat.failed(7, now, &by(ErrorKind::Unavailable)));
        assert!(!retreat.may_try(7, after(59)) && retreat.may_try(7, after(60)));
        retreat.failed(7, now, &by(ErrorKind::Conflict));
        assert!(!retreat.may_try(7, after(3600)) && retreat.has_given_up(7));
        assert!(!retreat.has_given_up(8) && retreat.may_try(8, now), "it was changed");
    }

    #[test]
    fn what_a_caller_does_and_what_nobody_looked_at_before_says_nothing_of_a_version() {
        let watch = Watch::since(Tally::default());
        let by = |kind, source| Err::<(), _>(Error::new(kind, source, "x"));
        for _ in 0..100 {
            watch.ended(&by(ErrorKind::DeadlineExceeded, ErrorSource::Downstream), false);
            watch.ended(&by(ErrorKind::Invalid, ErrorSource::Caller), true);
            watch.ended(&by(ErrorKind::NotFound, ErrorSource::Downstream), true);
            watch.ended(&by(ErrorKind::Unavailable, ErrorSource::Host), true);
        }
        assert_eq!(alone(&watch), None);
        let unchecked = Watch { judges_outside: false, ..Watch::since(Tally::default()) };
        (0..100).for_each(|_| unchecked.ended(&by(ErrorKind::Unavailable, ErrorSource::Downstream), true));
        assert_eq!(alone(&unchecked), None);
        (0..100).for_each(|_| unchecked.ended(&by(ErrorKind::Internal, ErrorSource::Plugin), true));
        assert!(alone(&unchecked).is_some());
    }
}
