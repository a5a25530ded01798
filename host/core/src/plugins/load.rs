//! From a plugin's file to code that runs: when it is installed, and again at each start. At a start a plugin that cannot
//! be loaded stops nothing but the integrations that use it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_engine::{
    self as engine, CallContext, Engine, NoSecrets, Outbound, OutboundRequest, OutboundResponse, Pool, Services,
    StateItem, StateMutation, StateStore, Versioned, types,
};
use jackfield_registry::Digest;
use jackfield_store::{Bucket, Mutation, Store};

use super::{Code, Installed, PluginId, PluginRecord, id_of, inspect, inspect::Inspected};
use crate::{
    Error, ErrorKind, ErrorSource, Result, config::Schema, faults, guest_log::GuestLog, limits, registrar::encode,
    shared::Shared, track::Tracks, view::View,
};

/// How long a plugin may take to say its name.
const DESCRIBE: std::time::Duration = std::time::Duration::from_secs(10);

/// Compiles an inspected plugin and has it name itself: a plugin that cannot even do that is not installed.
pub(super) async fn prepare(shared: &Shared, inspected: Inspected, file: Bytes) -> Result<Code> {
    let code = load(&shared.engine, inspected.clone(), file).await?;
    let manifest = &inspected.package.manifest;
    let tracks = Arc::default();
    let pool = sandbox(
        &code,
        &manifest.plugin.name,
        "{}".to_owned(),
        limits::of_calls(&limits::unset(&manifest.limits)),
        &tracks,
    );
    let context = CallContext::new("lifecycle.describe", DESCRIBE);
    let _tracked = tracks.begin(context.id, false);
    let said = pool.describe(context).await.map_err(|error| {
        let error = faults::call(error, false, crate::track::Track::default());
        let message = format!("the plugin does not start, so it was not installed: {}", error.message);
        Error { kind: ErrorKind::Invalid, message, ..error }
    })?;
    let plugin = &manifest.plugin;
    if said.name != plugin.name || said.version != plugin.version.to_string() {
        // The manifest is believed: it is what the digest pins and the operator reads.
        let (name, version) = (crate::guest_log::clean(&said.name), crate::guest_log::clean(&said.version));
        tracing::warn!(
            plugin = plugin.name,
            "the plugin calls itself `{name}` {version}, its manifest says {}",
            plugin.version
        );
    }
    Ok(code)
}

async fn load(engine: &Arc<Engine>, inspected: Inspected, file: Bytes) -> Result<Code> {
    let plugin = engine.load_hashed(file, *inspected.package.digest.as_bytes()).await.map_err(faults::engine)?;
    let schema = Schema::new(&inspected.package.manifest.config)?;
    Ok(Code { plugin, schema: Arc::new(schema), reflection: inspected.reflection, wit: inspected.package.wit.clone() })
}

/// An instance that can reach nothing and keep nothing, for questions asked before a plugin is trusted with anything. Its
/// calls log only while they are in `tracks`.
pub(crate) fn sandbox(
    code: &Code,
    name: &str,
    config: String,
    mut limits: engine::Limits,
    tracks: &Arc<Tracks>,
) -> Arc<Pool> {
    limits.concurrency = 1;
    limits.max_idle = 0;
    let nothing = Arc::new(Nothing);
    let services = Services {
        integration: name.into(),
        config: config.into(),
        outbound: nothing.clone(),
        state: nothing,
        log: Arc::new(GuestLog::unheard(name.into(), tracks.clone())),
        secrets: Arc::new(NoSecrets),
    };
    Pool::new(code.plugin.clone(), services, limits)
}

/// Loads every plugin of a store.
pub(crate) async fn load_all(engine: &Arc<Engine>, store: &dyn Store) -> Result<BTreeMap<PluginId, Arc<Installed>>> {
    let mut plugins = BTreeMap::new();
    for (name, record) in store.list(Bucket::Plugins, "", None, usize::MAX).await.map_err(faults::store)? {
        let record: PluginRecord = match serde_json::from_slice(&record.value) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(plugin = name, %error, "an installed plugin's record cannot be read; install the plugin again");
                continue;
            }
        };
        let code = reload(engine, store, record.digest).await;
        if let Err(error) = &code {
            tracing::error!(plugin = name, %error, "an installed plugin cannot be loaded");
        }
        let id = id_of(&record.manifest);
        if name != id.to_string() {
            // As Jackfield kept it when there was one version of each.
            let named = vec![
                Mutation::delete(Bucket::Plugins, name),
                Mutation::set(Bucket::Plugins, id.to_string(), encode(&record)?),
            ];
            store.commit(named).await.map_err(faults::store)?;
        }
        plugins.insert(id, Arc::new(Installed { record, code }));
    }
    Ok(plugins)
}

async fn reload(engine: &Arc<Engine>, store: &dyn Store, digest: Digest) -> Result<Code> {
    let broken = |reason: String| {
        let message = format!("the installed plugin cannot be loaded: {reason}; remove it and install it again");
        Error::new(ErrorKind::Unavailable, ErrorSource::Host, message)
    };
    let file = store.get(Bucket::Components, &digest.to_string()).await.map_err(faults::store)?;
    let file = Bytes::from(file.ok_or_else(|| broken("its file is missing".into()))?.value);
    let inspected = {
        let file = file.clone();
        let inspect = move || inspect::inspect(&file, &View::default());
        tokio::task::spawn_blocking(inspect).await.map_err(|e| broken(e.to_string()))?
    };
    let inspected = inspected.map_err(|e| broken(e.message))?;
    if inspected.package.digest != digest {
        return Err(broken(format!("its file's digest is {}, not {digest}", inspected.package.digest)));
    }
    load(engine, inspected, file).await.map_err(|e| broken(e.message))
}

/// The world of an instance that is only asked something.
struct Nothing;

fn nothing() -> types::Error {
    types::Error {
        kind: types::ErrorKind::PermissionDenied,
        message: "nothing can be reached or kept while a plugin is described or a configuration is judged".into(),
        source: types::ErrorSource::Plugin,
        code: None,
    }
}

#[async_trait]
impl Outbound for Nothing {
    async fn send(&self, _: &CallContext, _: OutboundRequest) -> Result<OutboundResponse, types::Error> {
        Err(nothing())
    }
}

#[async_trait]
impl StateStore for Nothing {
    async fn get(&self, _: &str) -> Result<Option<Versioned>, types::Error> {
        Err(nothing())
    }

    async fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<StateItem>, types::Error> {
        Err(nothing())
    }

    async fn commit(&self, _: Vec<StateMutation>) -> Result<u64, types::Error> {
        Err(nothing())
    }
}
