//! How a host is put together and started.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use jackfield_engine::{Compiler, Engine, EngineConfig};
use jackfield_gateway::{Dialer, Known, UserTokens};
use jackfield_store::{DataLock, MemoryStore, SqliteStore, Store};
use jackfield_vault::{AllowedSources, Secret};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use crate::{
    AuditRetention, Error, EventKind, Host, Result, audit,
    consents::Consents,
    credentials,
    events::Events,
    faults, health,
    host::Inner,
    integrations,
    journal::{self, Journal},
    plugins, registrar,
    shared::Shared,
    tasks,
    tasks::Tasks,
    view::View,
};

/// How often each integration's health is checked, unless told otherwise.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
/// How often idle instances are let go.
const TRIM_INTERVAL: Duration = Duration::from_secs(30);
/// Compiled components, in the data folder.
const CACHE: &str = "cache";

/// Builds a [`Host`]. Without a data folder it keeps everything in memory.
#[derive(Debug, Default)]
pub struct HostBuilder {
    data_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    health_interval: Option<Duration>,
    announce: Option<String>,
    compiler: Option<Compiler>,
    vault_passphrase: Option<Secret>,
    without_audit: bool,
    audit_retention: AuditRetention,
    credential_sources: AllowedSources,
}

impl HostBuilder {
    /// Keeps state in this folder, which is made if it is missing and locked as long as the host lives.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Keeps state in memory; this is the default.
    pub fn in_memory(mut self) -> Self {
        self.data_dir = None;
        self
    }

    /// Keeps compiled components in this folder; the default is `cache` in the data folder, and none in memory. Hosts may
    /// share one.
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// How often each integration's health is checked; half a minute unless told otherwise, at least a tenth of a second.
    pub fn health_interval(mut self, interval: Duration) -> Self {
        self.health_interval = Some(interval.max(Duration::from_millis(100)));
        self
    }

    /// Has this program compile components, in a process with bounds on memory and time; without one they are compiled in
    /// this process, where a hostile component can take minutes and gigabytes. Most programs name themselves:
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     // First of all, before there are threads.
    ///     if std::env::args().nth(1).as_deref() == Some("compile-component") {
    ///         return jackfield_core::serve_compilations();
    ///     }
    ///     let program = std::env::current_exe().expect("a running program has a file");
    ///     let compiler = jackfield_core::Compiler { program, args: vec!["compile-component".into()] };
    ///     let builder = jackfield_core::Host::builder().compiler(compiler);
    ///     // …
    ///     ExitCode::SUCCESS
    /// }
    /// ```
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Opens the vault with this passphrase at the start. Key files and transit engines need nothing to be said.
    pub fn vault_passphrase(mut self, passphrase: Secret) -> Self {
        self.vault_passphrase = Some(passphrase);
        self
    }

    /// Keeps no audit trail: for embedders that keep one of their own.
    pub fn without_audit(mut self) -> Self {
        self.without_audit = true;
        self
    }

    /// Where fields of credentials may come from that are not kept in the vault; from nowhere else.
    pub fn credential_sources(mut self, allowed: AllowedSources) -> Self {
        self.credential_sources = allowed;
        self
    }

    /// How much of the audit trail is kept.
    pub fn audit_retention(mut self, retention: AuditRetention) -> Self {
        self.audit_retention = retention;
        self
    }

    /// Announces the address of a server in the data folder's lock file, for [`server_of`].
    pub fn announce(mut self, address: impl Into<String>) -> Self {
        self.announce = Some(address.into());
        self
    }

    /// Starts the host on the current tokio runtime: opens the store, loads what is installed and configured. A plugin or
    /// integration that cannot be loaded is there with the reason and stops nothing else.
    pub async fn build(self) -> Result<Host> {
        let cache_dir = self.cache_dir.or_else(|| self.data_dir.as_ref().map(|dir| dir.join(CACHE)));
        let (data_dir, announce, compiler) = (self.data_dir.clone(), self.announce, self.compiler);
        let open = move || -> Result<(Arc<dyn Store>, Arc<Engine>)> {
            let store: Arc<dyn Store> = match data_dir {
                Some(dir) => {
                    // One integration that writes without end keeps that thread busy: no call is to wait for it.
                    let store = SqliteStore::open_with(&dir, announce.as_deref(), || jackfield_engine::give_way(0));
                    Arc::new(store.map_err(faults::store)?)
                }
                None => Arc::new(MemoryStore::new()),
            };
            let engine = Engine::new(EngineConfig { cache_dir, compiler, ..EngineConfig::default() });
            Ok((store, engine.map_err(|e| Error::internal(e.to_string()))?))
        };
        let opened = tokio::task::spawn_blocking(open).await.map_err(|e| Error::internal(e.to_string()))?;
        let (store, engine) = opened?;
        let (registrar, jobs) = registrar::Queue::new();
        let stop = watch::Sender::new(false);
        let plugins = plugins::load_all(&engine, &*store).await?;
        let dialer = Arc::new(Dialer::new());
        let vault =
            credentials::open(store.clone(), dialer.clone(), self.vault_passphrase, self.credential_sources).await?;
        let vault = Arc::new(vault);
        let (audit, begun) = match self.without_audit {
            true => (None, None),
            false => {
                let (audit, begun) = audit::start(&store, self.data_dir.as_deref()).await?;
                (Some(audit), Some(begun))
            }
        };
        let audit_key = begun.as_ref().map(audit::Begun::key).transpose()?;
        let shared = Arc::new_cyclic(|shared| Shared {
            users: Arc::new(tokens_of(shared.clone())),
            consents: Consents::default(),
            audit_key,
            audit,
            engine,
            store,
            dialer,
            known: Arc::new(Known::of(vault.clone())),
            vault,
            journal: Journal::default(),
            rotating: tokio::sync::Mutex::default(),
            view: ArcSwap::default(),
            events: Events::new(),
            registrar,
            changed: Notify::new(),
            runtime: Handle::current(),
            stop: stop.clone(),
        });
        let integrations = integrations::load_all(&shared, &plugins).await?;
        shared.view.store(Arc::new(View { plugins, integrations }));

        let tasks = Tasks::new(stop);
        tasks.spawn(registrar::run(shared.clone(), jobs));
        tasks.spawn(health::scheduler::run(shared.clone(), self.health_interval.unwrap_or(HEALTH_INTERVAL)));
        if let Some(begun) = begun {
            tasks.spawn(audit::run(shared.clone(), begun, self.data_dir.is_some(), self.audit_retention));
        }
        if let Some(audit) = &shared.audit {
            audit.started().await?;
        }
        tasks.spawn(journal::sweep(shared.clone()));
        tasks.spawn(trim(shared.clone()));
        tasks.spawn(credentials::go_on(shared.clone()));
        Ok(Host::new(Inner { shared, tasks }))
    }
}

/// Tokens of credentials that people consented to, whose end is told like what an operator does.
fn tokens_of(shared: Weak<Shared>) -> UserTokens {
    UserTokens::telling(move |name, version| {
        let Some(shared) = shared.upgrade() else { return };
        let name = name.to_owned();
        shared.runtime.clone().spawn(async move {
            let message = format!(
                "the consent to the credential `{name}` (version {version}) has ended; give it anew with `jackfield \
                 credential authorize {name}`"
            );
            shared.done(EventKind::ConsentEnded, Some(&name), None, None, message).await;
        });
    })
}

/// Lets go of instances that nobody needs any more.
async fn trim(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = tokio::time::sleep(TRIM_INTERVAL) => shared.engine.trim(),
        }
    }
}

/// The address that a running server announced in the lock file of a data folder; none where no server runs on it.
pub fn server_of(data_dir: &Path) -> Option<String> {
    DataLock::holder(data_dir)?.address
}
