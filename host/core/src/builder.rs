//! How a host is put together and started.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use jackfield_engine::{Compiler, Engine, EngineConfig};
use jackfield_gateway::{Dialer, Known, Match, UserTokens, net::Resolver};
use jackfield_sinks::Sink;
use jackfield_store::{DataLock, MemoryStore, SqliteStore, Store};
use jackfield_vault::{AllowedSources, Secret, Tender};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use jackfield_fetch::Fetcher;
use jackfield_oci::Options as RegistryOptions;

use crate::{
    AuditRetention, Error, EventKind, Host, Result, audit,
    cassettes::{self, Cassettes},
    clock,
    consents::Consents,
    credentials,
    desired::deployments::Deployments,
    events::Events,
    faults, folder, health,
    host::Inner,
    integrations::{self, Integration},
    issuing,
    journal::{self, Journal},
    plugins, registrar, registries,
    shared::{About, Shared},
    sources, tasks,
    tasks::Tasks,
    trust,
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
    audit_sinks: Vec<Sink>,
    credential_sources: AllowedSources,
    cassettes: cassettes::Wanted,
    registries: RegistryOptions,
    resolver: Option<Names>,
    plugins_folder: Option<PathBuf>,
}

/// What looks names up.
struct Names(Arc<dyn Resolver>);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
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

    /// Opens the vault with this passphrase at the start. The other key sources need nothing to be said.
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

    /// Looks the names of outside systems up with this, and not with the operating system's resolver. What it says is judged like
    /// any answer: an address that was not granted is not dialled.
    pub fn resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Names(Arc::new(resolver)));
        self
    }

    /// How registries of plugins are asked: by which certificates, mirrors and credentials. Unless told otherwise as anybody, by
    /// the system's roots.
    pub fn registries(mut self, options: RegistryOptions) -> Self {
        self.registries = options;
        self
    }

    /// Watches a folder: plugins that are put there are installed, those that are taken away removed unless an integration runs with
    /// them. The trust policy judges them as coming from `file:folder`; what they ask for is accepted by `PLUGIN.wasm.accept` beside
    /// them. `docs/plugins.md` tells the rest.
    pub fn plugins_folder(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugins_folder = Some(dir.into());
        self
    }

    /// How much of the audit trail is kept.
    pub fn audit_retention(mut self, retention: AuditRetention) -> Self {
        self.audit_retention = retention;
        self
    }

    /// Records an integration's traffic to a file, with nothing secret in it: to a new one, or on in one that was recorded of the
    /// same plugin. `docs/cassettes.md` tells what is in it.
    pub fn record(mut self, integration: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.cassettes.record.push((integration.into(), file.into()));
        self
    }

    /// Answers what an integration asks from a file that was recorded. Nothing is sent, and no credential is used.
    pub fn replay(mut self, integration: impl Into<String>, file: impl Into<PathBuf>, matching: Match) -> Self {
        self.cassettes.replay.push((integration.into(), file.into(), matching));
        self
    }

    /// Sends the audit trail to this sink besides. How far it has come is kept by its name, so it goes on where it was when
    /// the host is started again; two of one name are refused.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = jackfield_core::Host::builder()
    ///     .data_dir("/var/lib/jackfield")
    ///     .audit_sink("file:/var/log/jackfield/audit.ndjson".parse()?)
    ///     .audit_sink("webhook:https://siem.example/jackfield,token-file=/run/secrets/siem".parse()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn audit_sink(mut self, sink: Sink) -> Self {
        self.audit_sinks.push(sink);
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
        if let Some(folder) = self.plugins_folder.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Error::invalid(format!("the plugin folder {} is no folder; make it first", folder.display())));
        }
        let (data_dir, announce, compiler) = (self.data_dir.clone(), self.announce, self.compiler);
        let cassettes = self.cassettes;
        let open = move || -> Result<(Arc<dyn Store>, Arc<Engine>, Cassettes)> {
            let cassettes = cassettes.load()?;
            let store: Arc<dyn Store> = match data_dir {
                Some(dir) => {
                    // One integration that writes without end keeps that thread busy: no call is to wait for it.
                    let store = SqliteStore::open_with(&dir, announce.as_deref(), || jackfield_engine::give_way(0));
                    Arc::new(store.map_err(faults::store)?)
                }
                None => Arc::new(MemoryStore::new()),
            };
            let engine = Engine::new(EngineConfig { cache_dir, compiler, ..EngineConfig::default() });
            Ok((store, engine.map_err(|e| Error::internal(e.to_string()))?, cassettes))
        };
        let opened = tokio::task::spawn_blocking(open).await.map_err(|e| Error::internal(e.to_string()))?;
        let (store, engine, cassettes) = opened?;
        let (registrar, jobs) = registrar::Queue::new();
        let (shadows, reads) = integrations::shadow::Queue::new();
        let stop = watch::Sender::new(false);
        let plugins = plugins::load_all(&engine, &*store).await?;
        let trust = trust::load(&*store).await?;
        let signers = plugins::load_signers(&*store, &plugins).await?;
        let registries = registries::load(&*store).await?;
        let deployments = Deployments::load(&*store).await?;
        let pins = plugins::load_pins(&*store).await?;
        let dialer = Arc::new(match self.resolver {
            Some(resolver) => Dialer::new().with_resolver(resolver.0),
            None => Dialer::new(),
        });
        let fetcher =
            Fetcher::new(dialer.clone(), self.registries).map_err(|error| Error::invalid(error.to_string()))?;
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
            registries: registries::Busy::default(),
            audit_key,
            audit,
            sinks: OnceLock::new(),
            sink_credentials: self.audit_sinks.iter().filter_map(Sink::credential).map(str::to_owned).collect(),
            engine,
            store,
            dialer,
            fetcher,
            known: Arc::new(Known::of(vault.clone())),
            tender: tokio::sync::Mutex::new(Tender::of(&vault)),
            vault,
            cassettes,
            journal: Journal::default(),
            deployments,
            rotating: tokio::sync::Mutex::default(),
            issuing: Notify::new(),
            probation: Notify::new(),
            shadows,
            view: ArcSwap::default(),
            events: Events::new(),
            registrar,
            changed: Notify::new(),
            started_at: clock::now_ms(),
            runtime: Handle::current(),
            stop: stop.clone(),
        });
        let followers = audit::sinks::prepare(&self.audit_sinks, begun.as_ref(), &shared)?;
        let mut view = View { plugins, trust, signers, registries, pins, ..View::default() };
        view.know_versions();
        view.integrations = integrations::load_all(&shared, &view).await?;
        tell_of_cassettes(&shared.cassettes, &view.integrations)?;
        shared.view.store(Arc::new(view));

        let tasks = Tasks::new(stop);
        tasks.spawn(registrar::run(shared.clone(), jobs));
        tasks.spawn(health::scheduler::run(shared.clone(), self.health_interval.unwrap_or(HEALTH_INTERVAL)));
        if let Some(begun) = begun {
            tasks.spawn(audit::run(shared.clone(), begun, self.data_dir.is_some(), self.audit_retention));
        }
        audit::sinks::start(followers, &shared, &tasks);
        if let Some(audit) = &shared.audit {
            audit.started().await?;
        }
        tasks.spawn(journal::sweep(shared.clone()));
        tasks.spawn(trim(shared.clone()));
        tasks.spawn(credentials::go_on(shared.clone()));
        tasks.spawn(issuing::run(shared.clone()));
        tasks.spawn(sources::tend(shared.clone()));
        tasks.spawn(integrations::probation::run(shared.clone()));
        tasks.spawn(integrations::shadow::run(shared.clone(), reads));
        if let Some(dir) = self.plugins_folder {
            tasks.spawn(folder::run(shared.clone(), dir));
        }
        Ok(Host::new(Inner { shared, tasks }))
    }
}

/// Says which integrations are recorded or replayed. Fails where one cannot be that runs otherwise.
fn tell_of_cassettes(cassettes: &Cassettes, integrations: &BTreeMap<String, Arc<Integration>>) -> Result<()> {
    for name in cassettes.names() {
        match integrations.get(name).map(|integration| (integration, &integration.runtime)) {
            None => tracing::warn!(integration = name, "it is to be recorded or replayed, and is not there yet"),
            Some((integration, Err(_))) if !integration.is_enabled() => {
                tracing::warn!(integration = name, "it is to be recorded or replayed, and is disabled");
            }
            Some((_, Err(error))) => {
                return Err(Error::invalid(format!("`{name}` cannot be recorded or replayed: {}", error.message)));
            }
            Some((integration, Ok(_))) if integration.live.replays() => {
                tracing::warn!(
                    integration = name,
                    "it is replayed: its answers are recorded ones, and nothing is sent"
                );
            }
            Some(_) => tracing::info!(integration = name, "it is recorded"),
        }
    }
    Ok(())
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
            shared.done(EventKind::ConsentEnded, About::credential(&name), message).await;
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
