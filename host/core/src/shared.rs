//! What every part of the host works with.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jackfield_audit::Key;
use jackfield_engine::Engine;
use jackfield_gateway::{Dialer, Known, UserTokens};
use jackfield_sinks::{Progress, SinkStatus};
use jackfield_store::Store;
use jackfield_vault::{Tender, Vault};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify, watch},
};

use crate::{
    EventKind, Result, audit::Audit, cassettes::Cassettes, consents::Consents, events::Events, faults,
    journal::Journal, view::View,
};

/// The host's parts.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dialer: Arc<Dialer>,
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
    /// The tokens of credentials that people consented to: one exchange a credential, whoever uses it.
    pub(crate) users: Arc<UserTokens>,
    /// Those that are waited for.
    pub(crate) consents: Consents,
    /// Sees to what credentials have from elsewhere; none once the host ends.
    pub(crate) tender: Mutex<Option<Tender>>,
    /// Held while a credential is rotated.
    pub(crate) rotating: Mutex<()>,
    /// Told when something may have to be done for credentials that plugins make.
    pub(crate) issuing: Notify,
    /// Written by the registrar only.
    pub(crate) view: ArcSwap<View>,
    pub(crate) events: Events,
    pub(crate) registrar: crate::registrar::Queue,
    /// Told whenever the view changes.
    pub(crate) changed: Notify,
    /// The runtime that the host was started on.
    pub(crate) runtime: Handle,
    /// `true` once the host ends.
    pub(crate) stop: watch::Sender<bool>,
}

impl Shared {
    /// How each sink of the audit trail is.
    pub(crate) fn sinks(&self) -> Vec<SinkStatus> {
        self.sinks.get().into_iter().flatten().map(Progress::status).collect()
    }

    /// Tells of what an operator has done, and records it.
    pub(crate) async fn done(
        &self,
        kind: EventKind,
        target: Option<&str>,
        integration: Option<&str>,
        plugin: Option<&str>,
        message: String,
    ) {
        if let Some(audit) = &self.audit
            && let Err(error) = audit.administration(kind.as_str(), target, &message).await
        {
            tracing::error!(%error, "`{message}` is not recorded, though it has happened");
        }
        self.events.emit(kind, integration, plugin, message);
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
