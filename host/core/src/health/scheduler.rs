//! When integrations are checked: a new or changed one soon, every one each interval, a failing one sooner. Checks run
//! beside each other up to a bound, and start a little apart, so that a host with many integrations does not ask all
//! outside systems in the same moment.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{HealthState, clock::jitter, integrations::Integration, shared::Shared};

/// Checks at once.
const CONCURRENCY: usize = 8;
/// How soon a failed check of something that worked is repeated.
const RETRY: Duration = Duration::from_secs(5);
/// The longest sleep: the host's clock may be set back, an integration added unnoticed.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// When an integration is due, at which revision it was planned, and whether its check runs.
struct Plan {
    due: Instant,
    revision: u64,
    runs: bool,
}

/// Checks integrations until the host stops.
pub(crate) async fn run(shared: Arc<Shared>, interval: Duration) {
    let mut plans: HashMap<Arc<str>, Plan> = HashMap::new();
    let mut checks: JoinSet<Arc<Integration>> = JoinSet::new();
    let mut stop = shared.stop.subscribe();
    loop {
        let view = shared.view.load_full();
        plans.retain(|name, plan| plan.runs || view.integrations.get(&**name).is_some_and(|there| there.is_enabled()));
        for integration in view.integrations.values().filter(|integration| integration.is_enabled()) {
            let plan = plans.entry(integration.name.clone());
            let plan =
                plan.or_insert_with(|| Plan { due: soon(interval), revision: integration.revision, runs: false });
            if plan.revision != integration.revision {
                plan.revision = integration.revision;
                plan.due = soon(interval);
            }
            if plan.due <= Instant::now() && !plan.runs && checks.len() < CONCURRENCY {
                plan.runs = true;
                let (shared, integration) = (shared.clone(), integration.clone());
                checks.spawn(async move {
                    super::check(&shared, &integration, false).await;
                    integration
                });
            }
        }
        drop(view);
        // With all places taken the next thing to wait for is a check that ends.
        let full = checks.len() >= CONCURRENCY;
        let next = plans.values().filter(|plan| !plan.runs && !full).map(|plan| plan.due).min();
        let sleep = next.map_or(MAX_SLEEP, |next| next.saturating_duration_since(Instant::now()).min(MAX_SLEEP));
        tokio::select! {
            () = crate::tasks::stopped(&mut stop) => return,
            () = shared.changed.notified() => {}
            () = tokio::time::sleep(sleep) => {}
            Some(ended) = checks.join_next() => match ended {
                Ok(integration) => {
                    if let Some(plan) = plans.get_mut(&integration.name) {
                        plan.runs = false;
                        plan.due = Instant::now() + pause(&integration, interval);
                    }
                }
                // The name is lost with the panic: let every running plan be due again.
                Err(error) => {
                    tracing::error!(%error, "a health check panicked");
                    plans.values_mut().for_each(|plan| plan.runs = false);
                }
            },
        }
    }
}

fn soon(interval: Duration) -> Instant {
    Instant::now() + jitter((interval / 10).min(Duration::from_millis(500)))
}

fn pause(integration: &Integration, interval: Duration) -> Duration {
    let report = integration.live.health.report();
    let doubtful = report.kind.is_some() && report.state != HealthState::Unhealthy;
    let pause = if doubtful { interval.min(RETRY) } else { interval };
    pause.mul_f64(0.9) + jitter(pause / 5)
}
