//! How a host is, at a glance: what there is, how much of it is well, and what is not, with who is at fault.

use std::collections::BTreeMap;

use jackfield_sinks::SinkState;
use jackfield_vault::{LeaseState, VaultState};
use serde::Serialize;

use crate::{
    ErrorSource, HealthState, JournaledWrite, Readiness, Result, TimestampMs, health,
    integrations::{DISABLED, Integration},
    journal, registries,
    shared::Shared,
    sources,
    view::View,
};

/// Writes of unknown outcome that are counted.
const MOST_UNKNOWN: usize = 1000;

/// How a host is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Jackfield's version.
    pub version: &'static str,
    /// Since when it runs.
    pub started_at: TimestampMs,
    /// Whether it can serve.
    #[serde(flatten)]
    pub readiness: Readiness,
    /// How the vault is.
    pub vault: VaultState,
    /// Versions of plugins that are installed.
    pub plugins: usize,
    /// Integrations by how they are.
    pub integrations: BTreeMap<&'static str, usize>,
    /// What is not as it should be, what is worse first.
    pub concerns: Vec<Concern>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Concern {
    /// How bad it is.
    pub level: ConcernLevel,
    /// What it is about: `integration`, `plugin`, `credential`, `vault`, `audit-sink`, `registry`, or `host`: Jackfield itself and its runtime.
    pub about: &'static str,
    /// The name of that, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One sentence for a person.
    pub message: String,
    /// Who is at fault, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ErrorSource>,
    /// Since when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<TimestampMs>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConcernLevel {
    /// It does not work.
    Failing,
    /// It works in part, or something may come of it.
    Warning,
}

/// How the host is.
pub(crate) async fn status(shared: &Shared, readiness: Readiness) -> Result<Status> {
    let unknown = journal::list(shared, None, true, MOST_UNKNOWN).await?;
    let view = shared.view.load();
    let states = [HealthState::Unknown, HealthState::Healthy, HealthState::Degraded, HealthState::Unhealthy];
    let mut integrations: BTreeMap<_, usize> = states.into_iter().map(|state| (health::word(state), 0)).collect();
    integrations.insert(DISABLED, 0);
    for integration in view.integrations.values() {
        *integrations.entry(integration.state()).or_default() += 1;
    }
    let mut concerns = concerns(shared, &view);
    concerns.extend(of_writes(&unknown));
    concerns.sort_by(|a, b| (a.level, a.about, &a.name).cmp(&(b.level, b.about, &b.name)));
    Ok(Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: shared.started_at,
        readiness,
        vault: shared.vault.status().state,
        plugins: view.plugins.len(),
        integrations,
        concerns,
    })
}

fn concerns(shared: &Shared, view: &View) -> Vec<Concern> {
    let mut all: Vec<Concern> =
        view.integrations.values().flat_map(|integration| of_integration(integration)).collect();
    for (id, plugin) in &view.plugins {
        if let Err(error) = &plugin.code {
            let concern = Concern::new(ConcernLevel::Failing, "plugin", Some(id.to_string()), error.message.clone());
            all.push(Concern { source: Some(error.source_of_fault), ..concern });
        }
    }
    if shared.vault.status().state == VaultState::Sealed {
        let message = "it is sealed, so no credential can be used; open it with `jackfield vault unlock`";
        all.push(Concern::new(ConcernLevel::Failing, "vault", None, message.to_owned()));
    }
    all.extend(of_registries(view));
    for sink in shared.sinks() {
        let (level, message) = match sink.state {
            SinkState::Ok => continue,
            SinkState::Retrying => (ConcernLevel::Warning, "the last attempt to send it the trail failed"),
            SinkState::Lagging => (ConcernLevel::Failing, "it is far behind the trail"),
        };
        let message = format!("{message}; see `jackfield audit sinks`");
        let concern = Concern::new(level, "audit-sink", Some(sink.name), message);
        all.push(Concern { since: Some(sink.since), ..concern });
    }
    for lease in sources::leases(shared).into_iter().filter(|lease| lease.state == LeaseState::Stuck) {
        let message = "a lease of it cannot be given back; see `jackfield credential leases`".to_owned();
        all.push(Concern::new(ConcernLevel::Warning, "credential", Some(lease.credential), message));
    }
    all
}

/// Registries that are believed no more, and what is known to be wrong with what is here.
fn of_registries(view: &View) -> Vec<Concern> {
    let mut all: Vec<Concern> = Vec::new();
    for registry in view.registries.infos() {
        let message = match &registry.index {
            None => "what is stored of it cannot be read",
            Some(index) if index.expired => "its index has expired, so nothing new is installed by it",
            Some(_) => continue,
        };
        let message = format!("{message}; run `jackfield registry sync {}`", registry.name);
        all.push(Concern::new(ConcernLevel::Warning, "registry", Some(registry.name), message));
    }
    for known in registries::known(view) {
        let id = known.plugin().map(|id| id.to_string());
        let about = if id.is_some() { "plugin" } else { "host" };
        all.push(Concern::new(ConcernLevel::Warning, about, id, format!("{known}; see `jackfield advisories`")));
    }
    all
}

/// Writes of which nobody knows what came, by integration.
fn of_writes(unknown: &[JournaledWrite]) -> Vec<Concern> {
    let mut by_integration: BTreeMap<&str, usize> = BTreeMap::new();
    unknown.iter().for_each(|write| *by_integration.entry(&write.integration).or_default() += 1);
    let one = |(name, count): (&str, usize)| {
        let message =
            format!("nobody knows what came of {count} of its writes; see `jackfield operation list --unknown`");
        Concern::new(ConcernLevel::Warning, "integration", Some(name.to_owned()), message)
    };
    by_integration.into_iter().map(one).collect()
}

fn of_integration(integration: &Integration) -> Vec<Concern> {
    let mut all = Vec::new();
    let mut add = |level, message: String, source, since| {
        let concern = Concern::new(level, "integration", Some(integration.name.to_string()), message);
        all.push(Concern { source, since, ..concern });
    };
    let report = integration.live.health.report();
    match report.state {
        HealthState::Unhealthy => add(ConcernLevel::Failing, report.message, report.source, Some(report.since)),
        HealthState::Degraded => add(ConcernLevel::Warning, report.message, report.source, Some(report.since)),
        HealthState::Unknown | HealthState::Healthy => {}
    }
    for operation in integration.not_run() {
        let message = format!("`{operation}` crashed again and again and is not run for a while");
        add(ConcernLevel::Warning, message, Some(ErrorSource::Plugin), None);
    }
    if let Some(message) = integration.untested() {
        add(ConcernLevel::Warning, message, None, None);
    }
    if let Some(shadow) = integration.shadow_summary() {
        let message = format!(
            "{} is rehearsed beside it: of {} reads that were compared {} differ; see `jackfield integration shadow {}`",
            shadow.plugin_version, shadow.compared, shadow.different, integration.name
        );
        add(ConcernLevel::Warning, message, None, None);
    }
    if let Some(share) = integration.share_summary() {
        let message = format!(
            "{} of 100 calls go to {}, of which {} of {} failed; `jackfield integration upgrade {}` gives it all, `rollback` takes it back",
            share.percent, share.plugin_version, share.failed, share.calls, integration.name
        );
        add(ConcernLevel::Warning, message, None, None);
    }
    if integration.is_watched() {
        let previous = integration.record.previous.as_ref().map(|previous| previous.plugin_version.to_string());
        let previous = previous.unwrap_or_default();
        let given_up = integration.live.retreat.has_given_up(integration.revision);
        let message = match given_up {
            false => format!(
                "it was upgraded from {previous} a short while ago, and goes back by itself if it does not do well"
            ),
            true => format!("it was upgraded from {previous}, does not do well, and cannot go back; see the log"),
        };
        add(ConcernLevel::Warning, message, None, None);
    }
    all
}

impl Concern {
    fn new(level: ConcernLevel, about: &'static str, name: Option<String>, message: String) -> Self {
        Self { level, about, name, message, source: None, since: None }
    }
}
