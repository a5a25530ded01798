//! What every part of the host works with.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jackfield_audit::{Key, Outcome};
use jackfield_engine::Engine;
use jackfield_fetch::Fetcher;
use jackfield_gateway::{Dialer, Known, UserTokens};
use jackfield_sinks::{Progress, SinkStatus};
use jackfield_store::Store;
use jackfield_vault::{Tender, Vault};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify, watch},
};

use crate::{
    Error, EventKind, Result, TimestampMs,
    audit::{self, Audit},
    cassettes::Cassettes,
    consents::Consents,
    desired::deployments::Deployments,
    events::Events,
    faults,
    integrations::shadow,
    journal::Journal,
    registries::Busy,
    view::View,
};

/// How much is recorded of why something is not so, in characters.
const MAX_TOLD: usize = 1_000;

/// The host's parts.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dialer: Arc<Dialer>,
    /// Fetches plugins from where they are published.
    pub(crate) fetcher: Fetcher,
    pub(crate) vault: Arc<Vault>,
    /// What of it must be found where it does not belong.
    pub(crate) known: Arc<Known>,
    /// None where an embedder keeps a trail of his own.
    pub(crate) audit: Option<Audit>,
    /// Signs what is exported of it.
    pub(crate) audit_key: Option<Key>,
    pub(crate) cassettes: Cassettes,
    /// How each of its sinks is; set when they are started.
    pub(crate) sinks: OnceLock<Vec<Progress>>,
    /// The credentials that they send with.
    pub(crate) sink_credentials: Vec<String>,
    pub(crate) journal: Journal,
    /// What was applied of deployments.
    pub(crate) deployments: Deployments,
    /// The tokens of credentials that people consented to: one exchange a credential, whoever uses it.
    pub(crate) users: Arc<UserTokens>,
    /// Those that are waited for.
    pub(crate) consents: Consents,
    /// Registries that are being changed.
    pub(crate) registries: Busy,
    /// Sees to what credentials have from elsewhere; none once the host ends.
    pub(crate) tender: Mutex<Option<Tender>>,
    /// Held while a credential is rotated.
    pub(crate) rotating: Mutex<()>,
    /// Told when something may have to be done for credentials that plugins make.
    pub(crate) issuing: Notify,
    /// Told when an integration was upgraded, which is watched for a while.
    pub(crate) probation: Notify,
    /// Reads that are to be compared with another version's.
    pub(crate) shadows: shadow::Queue,
    /// Written by the registrar only.
    pub(crate) view: ArcSwap<View>,
    pub(crate) events: Events,
    pub(crate) registrar: crate::registrar::Queue,
    /// Told whenever the view changes.
    pub(crate) changed: Notify,
    pub(crate) started_at: TimestampMs,
    /// The runtime that the host was started on.
    pub(crate) runtime: Handle,
    /// `true` once the host ends.
    pub(crate) stop: watch::Sender<bool>,
}

/// What something is done to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    /// As the trail names it.
    target: Option<&'a str>,
    integration: Option<&'a str>,
    plugin: Option<&'a str>,
}

impl<'a> About<'a> {
    /// The vault.
    pub(crate) fn vault() -> Self {
        Self::default()
    }

    pub(crate) fn credential(name: &'a str) -> Self {
        Self { target: Some(name), ..Self::default() }
    }

    pub(crate) fn integration(name: &'a str) -> Self {
        Self::installed(Some(name), None)
    }

    /// An integration, a plugin, or an integration of a plugin.
    pub(crate) fn installed(integration: Option<&'a str>, plugin: Option<&'a str>) -> Self {
        Self { target: integration.or(plugin), integration, plugin }
    }
}

impl Shared {
    /// How each sink of the audit trail is.
    pub(crate) fn sinks(&self) -> Vec<SinkStatus> {
        self.sinks.get().into_iter().flatten().map(Progress::status).collect()
    }

    /// Does what an operator asks for: recorded before, and what came of it afterwards; then it is told. What cannot be recorded
    /// is not done. `wanted` says what is so afterwards, as far as that is known; the work returns what is told of it.
    pub(crate) async fn act<R>(
        &self,
        kind: EventKind,
        about: About<'_>,
        wanted: &str,
        work: impl Future<Output = Result<(R, String)>>,
    ) -> Result<R> {
        if let Some(audit) = &self.audit {
            audit.intent(kind.as_str(), about.target, wanted).await?;
        }
        match work.await {
            Ok((result, message)) => {
                self.done(kind, about, message).await;
                Ok(result)
            }
            Err(error) => {
                self.not_done(kind, about, wanted, &error).await;
                Err(error)
            }
        }
    }

    /// Tells of what was done, and records it.
    pub(crate) async fn done(&self, kind: EventKind, about: About<'_>, message: String) {
        if let Some(audit) = &self.audit
            && let Err(error) = audit.administration(kind.as_str(), about.target, Outcome::Ok, &message).await
        {
            tracing::error!(%error, "`{message}` is not recorded, though it has happened");
        }
        self.events.emit(kind, about.integration, about.plugin, message);
    }

    /// Records that what was wanted is not so.
    pub(crate) async fn not_done(&self, kind: EventKind, about: About<'_>, wanted: &str, error: &Error) {
        let Some(audit) = &self.audit else { return };
        let message: String = format!("not so: {wanted}: {}", error.message).chars().take(MAX_TOLD).collect();
        if let Err(error) = audit.administration(kind.as_str(), about.target, audit::outcome(error), &message).await {
            tracing::error!(%error, "`{message}` is not recorded; that it was wanted is");
        }
    }

    /// Waits until what has been recorded by now can be read.
    pub(crate) async fn settled(&self) {
        if let Some(audit) = &self.audit
            && let Err(error) = audit.settled().await
        {
            tracing::warn!(%error, "the latest records are not stored yet");
        }
    }

    /// Fails once the host ends.
    pub(crate) fn open(&self) -> Result<()> {
        if *self.stop.borrow() { Err(faults::shutting_down()) } else { Ok(()) }
    }
}
