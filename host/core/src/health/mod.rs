//! How integrations are: what a check's answer means, and what is remembered of it. The machine decides the state, the
//! scheduler when to check; here the two meet the plugin.

mod machine;
pub(crate) mod scheduler;
mod tested;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jackfield_audit::Request;
use jackfield_engine::{
    CallContext, CallError,
    lifecycle::{Health as GuestHealth, HealthStatus},
};

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, HealthReport, HealthState, Result,
    clock::{ms_since, now_ms},
    faults,
    integrations::{Integration, Runtime},
    shared::Shared,
};
use machine::{Finding, Level, Machine};
pub(crate) use tested::untested;

/// The longest a check may take.
const MAX_CHECK: Duration = Duration::from_secs(10);
/// The longest sentence or version that is kept of a plugin's.
const MAX_TEXT: usize = 1024;

/// How one integration is.
#[derive(Debug)]
pub(crate) struct Health(Mutex<(Machine, HealthReport)>);

/// What a check found of something that does not run yet.
pub(crate) struct Checked(Finding, HealthReport);

/// A state that has changed.
pub(crate) struct Changed {
    from: HealthState,
    to: HealthState,
}

impl Health {
    /// Not checked yet.
    pub(crate) fn unknown() -> Self {
        Self(Mutex::new((Machine::Unknown, report(HealthState::Unknown, "not checked yet".into()))))
    }

    /// Forgets what was found: it was found with another configuration.
    pub(crate) fn forget(&self) {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *health = (Machine::Unknown, report(HealthState::Unknown, "not checked since it was changed".into()));
    }

    /// Forgets what was found: nothing runs that could be asked.
    pub(crate) fn disabled(&self) {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *health = (Machine::Unknown, report(HealthState::Unknown, "it is disabled".into()));
    }

    /// What runs now was checked before it did: that is what is known of it.
    pub(crate) fn begin(&self, checked: Checked) {
        self.forget();
        self.record(checked.0, checked.1);
    }

    pub(crate) fn report(&self) -> HealthReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Remembers what a check found, and says whether that changed the state.
    fn record(&self, finding: Finding, mut found: HealthReport) -> Option<Changed> {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (machine, last) = &mut *health;
        *machine = machine.transition(finding);
        let (from, to) = (last.state, machine.state());
        if from == to {
            found.since = last.since;
        }
        if let Machine::Failing(_, failures) = *machine {
            let patience = machine::PATIENCE;
            found.message =
                format!("{failures} of {patience} checks that may fail in a row have failed: {}", found.message);
        }
        found.state = to;
        found.system_version = found.system_version.or(last.system_version.take());
        *last = found;
        (from != to).then_some(Changed { from, to })
    }

    /// Remembers that the integration cannot run at all.
    pub(crate) fn cannot_run(&self, error: &Error) {
        self.record(Finding::Broken, failed(error));
    }
}

/// Asks an integration how it is. A busy one is left in the state it is in: that it has much to do says nothing else.
pub(crate) async fn check(shared: &Shared, integration: &Integration, asked: bool) -> HealthReport {
    let started = Instant::now();
    let runtime = match &integration.runtime {
        Ok(runtime) => runtime,
        Err(_) if !integration.is_enabled() => return integration.live.health.report(),
        Err(error) => {
            integration.live.health.cannot_run(error);
            return integration.live.health.report();
        }
    };
    let (answer, _) = ask(integration, runtime).await;
    let (finding, mut found) = match answer {
        Ok(health) => works(health),
        Err(Asked::Busy) => return integration.live.health.report(),
        Err(Asked::Failed(error)) => (Finding::Failed { asked }, failed(&error)),
    };
    if integration.live.replays() {
        found.message = format!("replayed from a cassette: {}", found.message);
    }
    found.checked_at = Some(now_ms());
    // To the microsecond; more digits are noise.
    found.latency_ms = Some(ms_since(started));
    if !shared.view.load().is_current(integration) {
        // It was changed or removed while it was asked: this answer is no longer about it.
        return integration.live.health.report();
    }
    let message = found.message.clone();
    if let Some(Changed { from, to }) = integration.live.health.record(finding, found) {
        let message = format!("{} → {}: {message}", word(from), word(to));
        shared.events.emit(EventKind::HealthChanged, Some(&integration.name), None, message);
    }
    integration.live.health.report()
}

/// Asks an integration's plugin how its outside system is, with something else than what runs; nothing is remembered of the
/// answer. Fails where it is not healthy, and returns what was asked of the outside system, and what was found.
pub(crate) async fn try_out(integration: &Integration, runtime: &Runtime) -> Result<(Vec<Request>, Checked)> {
    let (answer, requests) = ask(integration, runtime).await;
    match answer {
        Ok(health) if matches!(health.status, HealthStatus::Healthy | HealthStatus::Degraded) => {
            let (finding, mut found) = works(health);
            found.checked_at = Some(now_ms());
            Ok((requests, Checked(finding, found)))
        }
        Ok(health) => Err(Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, bounded(health.message))),
        Err(Asked::Failed(error)) => Err(error),
        Err(Asked::Busy) => Err(Error::new(ErrorKind::Unavailable, ErrorSource::Host, "it has no place for a check")),
    }
}

/// Why an integration could not be asked.
enum Asked {
    Busy,
    Failed(Error),
}

/// Asks, and tells what was asked of the outside system for it. What a guest says is looked through for secrets.
async fn ask(integration: &Integration, runtime: &Runtime) -> (Result<GuestHealth, Asked>, Vec<Request>) {
    const CHECK: &str = "lifecycle.check-health";
    let context = CallContext::new(CHECK, MAX_CHECK.min(runtime.limits.call_timeout));
    let live = &integration.live;
    let tracked = live.tracks.begin(context.id, false);
    let clean = |text: String| live.leaks.text(CHECK, "a check's answer", &text).into_owned();
    let answer = match runtime.calls.check_health(context).await {
        Ok(health) => Ok(GuestHealth {
            message: clean(health.message),
            system_version: health.system_version.map(clean),
            ..health
        }),
        Err(CallError::Busy { .. }) => Err(Asked::Busy),
        Err(error) => {
            live.failed("check-health", &error);
            let error = faults::call(error, false, tracked.so_far());
            Err(Asked::Failed(Error { message: clean(error.message), ..error }))
        }
    };
    (answer, tracked.asked.take().0)
}

fn works(health: GuestHealth) -> (Finding, HealthReport) {
    let finding = match health.status {
        HealthStatus::Healthy => Finding::Works(Level::Full),
        HealthStatus::Degraded => Finding::Works(Level::Partial),
        HealthStatus::Unhealthy => Finding::Broken,
    };
    let mut found = report(HealthState::Unknown, bounded(health.message));
    found.system_version = health.system_version.map(bounded);
    (finding, found)
}

fn failed(error: &Error) -> HealthReport {
    let mut found = report(HealthState::Unknown, bounded(error.message.clone()));
    found.source = Some(error.source_of_fault);
    found.kind = Some(error.kind);
    found
}

fn report(state: HealthState, message: String) -> HealthReport {
    HealthReport {
        state,
        since: now_ms(),
        checked_at: None,
        message,
        source: None,
        kind: None,
        system_version: None,
        latency_ms: None,
    }
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(crate) fn word(state: HealthState) -> &'static str {
    match state {
        HealthState::Unknown => "unknown",
        HealthState::Healthy => "healthy",
        HealthState::Degraded => "degraded",
        HealthState::Unhealthy => "unhealthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_keeps_since_when_and_the_version_until_they_change() {
        let health = Health::unknown();
        let mut up = report(HealthState::Unknown, "fine".into());
        up.system_version = Some("3.5".into());
        assert!(health.record(Finding::Works(Level::Full), up.clone()).is_some());
        let since = health.report().since;
        let error = Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, "refused");
        let mut down = failed(&error);
        down.since = since + 1000;
        assert!(health.record(Finding::Failed { asked: false }, down.clone()).is_none());
        let now = health.report();
        assert_eq!((now.state, now.since), (HealthState::Healthy, since));
        assert!(now.message.contains("1 of 3") && now.message.ends_with("refused"), "{}", now.message);
        assert_eq!((now.kind, now.source), (Some(ErrorKind::Unavailable), Some(ErrorSource::Downstream)));
        assert!(health.record(Finding::Failed { asked: true }, down).is_some());
        let now = health.report();
        assert_eq!((now.state, now.since), (HealthState::Unhealthy, since + 1000));
        assert_eq!(now.system_version.as_deref(), Some("3.5"));
    }
}
