//! Integrations: a plugin, configured for one outside system.
//!
//! A change starts the new beside the old: everything that can fail (schema, the plugin's own judgement, endpoints) is
//! done with pools and connections of the new configuration before the store is asked, and calls that are under way end
//! on what they began with. A change that fails has changed nothing.

mod build;
mod info;
mod live;
mod runtime;

use std::{collections::BTreeMap, sync::Arc};

use jackfield_engine::CallContext;
use jackfield_registry::{Digest, Limits};
use jackfield_store::{Bucket, Expect, Mutation};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    EndpointSettings, Error, ErrorKind, ErrorSource, EventKind, IntegrationInfo, NewIntegration, Result, TimestampMs,
    UpdateIntegration,
    clock::{now_ms, random_name},
    config, faults, journal, limits, names, outbound,
    plugins::{self, Installed},
    registrar::{Change, Decision, encode},
    shared::Shared,
    spending, state,
    view::View,
};
pub(crate) use build::load_all;
pub(crate) use live::Live;
pub(crate) use runtime::{Runtime, Served};

/// What is stored of an integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct IntegrationRecord {
    pub(crate) plugin: String,
    pub(crate) plugin_version: Version,
    pub(crate) plugin_digest: Digest,
    /// As it was given, without defaults: those are the plugin's.
    pub(crate) config: Map<String, Value>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) endpoints: BTreeMap<String, EndpointSettings>,
    /// What the operator grants at most.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub(crate) limits: Limits,
    /// What its state stands under.
    pub(crate) incarnation: String,
    pub(crate) created_at: TimestampMs,
    pub(crate) updated_at: TimestampMs,
}

/// An integration at one revision.
#[derive(Debug)]
pub(crate) struct Integration {
    pub(crate) name: Arc<str>,
    pub(crate) record: IntegrationRecord,
    pub(crate) revision: u64,
    /// What runs, or why nothing can.
    pub(crate) runtime: Result<Arc<Runtime>>,
    pub(crate) live: Arc<Live>,
}

/// Adds an integration.
pub(crate) async fn add(shared: &Shared, new: NewIntegration) -> Result<IntegrationInfo> {
    names::integration(&new.name)?;
    names::labels(&new.labels)?;
    let view = shared.view.load_full();
    free(&view, &new.name)?;
    let plugin = view.plugin(&new.plugin).map_err(|e| e.at("/plugin"))?.clone();
    let now = now_ms();
    let record = IntegrationRecord {
        plugin: new.plugin,
        plugin_version: plugin.record.manifest.plugin.version.clone(),
        plugin_digest: plugin.record.digest,
        config: new.config,
        labels: new.labels,
        endpoints: new.endpoints,
        limits: new.limits,
        incarnation: random_name()?,
        created_at: now,
        updated_at: now,
    };
    let name: Arc<str> = new.name.into();
    let live = Live::new(name.clone(), &record.plugin, shared);
    let runtime = Arc::new(build::runtime(shared, &name, &record, &plugin, &live, None)?);
    judge(&name, &runtime, &plugin).await?;
    let value = encode(&record)?;
    let decide = {
        let name = name.clone();
        move |view: &View| {
            free(view, &name)?;
            same(view, &plugin)?;
            let message = format!("`{name}` was added, with the plugin `{}` {}", record.plugin, record.plugin_version);
            Ok(Decision::Change(Change {
                mutations: vec![
                    Mutation::set(Bucket::Integrations, &*name, value).expect(Expect::Absent),
                    Mutation::set(Bucket::Meta, state::marker(&record.incarnation), "").expect(Expect::Absent),
                    Mutation::require(Bucket::Plugins, record.plugin.clone(), Expect::Present),
                ],
                event: (EventKind::IntegrationAdded, Some(name.to_string()), Some(record.plugin.clone()), message),
                apply: Box::new(move |view, revision| {
                    let integration = Integration { name: name.clone(), record, revision, runtime: Ok(runtime), live };
                    view.integrations.insert(name.to_string(), Arc::new(integration));
                }),
            }))
        }
    };
    shared.registrar.change(decide).await?;
    Ok(shared.view.load().integration(&name)?.info())
}

/// Changes an integration.
pub(crate) async fn update(shared: &Shared, name: &str, change: UpdateIntegration) -> Result<IntegrationInfo> {
    let view = shared.view.load_full();
    let old = view.integration(name)?.clone();
    if let Some(wanted) = change.revision.filter(|wanted| *wanted != old.revision) {
        return Err(moved_on(&old.name, Some(wanted), old.revision).at("/revision"));
    }
    let mut record = old.record.clone();
    if let Some(patch) = &change.config {
        config::merge(&mut record.config, patch);
    }
    patch(&mut record.labels, change.labels);
    patch(&mut record.endpoints, change.endpoints);
    limits::patch(&mut record.limits, change.limits.unwrap_or_default())?;
    names::labels(&record.labels)?;
    if record == old.record {
        return Ok(old.info());
    }
    record.updated_at = now_ms();
    let same_world = record.config == old.record.config
        && record.endpoints == old.record.endpoints
        && record.limits == old.record.limits;
    let runtime = if same_world {
        old.runtime.clone()
    } else {
        let plugin = view.plugin(&record.plugin)?.clone();
        let runtime = Arc::new(build::runtime(shared, &old.name, &record, &plugin, &old.live, None)?);
        judge(&old.name, &runtime, &plugin).await?;
        Ok(runtime)
    };
    let value = encode(&record)?;
    let decide = move |view: &View| {
        let current = view.integration(&old.name)?;
        if current.revision != old.revision {
            return Err(moved_on(&old.name, None, current.revision));
        }
        let (name, live) = (old.name.clone(), old.live.clone());
        Ok(Decision::Change(Change {
            mutations: vec![Mutation::set(Bucket::Integrations, &*name, value).expect(Expect::Revision(old.revision))],
            event: (
                EventKind::IntegrationUpdated,
                Some(name.to_string()),
                Some(record.plugin.clone()),
                format!("`{name}` was changed"),
            ),
            apply: Box::new(move |view, revision| {
                if !same_world {
                    live.health.forget();
                }
                let integration = Integration { name: name.clone(), record, revision, runtime, live };
                view.integrations.insert(name.to_string(), Arc::new(integration));
            }),
        }))
    };
    shared.registrar.change(decide).await?;
    Ok(shared.view.load().integration(name)?.info())
}

/// What would run for an integration with a certain version of a credential.
pub(crate) fn beside(shared: &Shared, integration: &Integration, trying: (&str, u64)) -> Result<Runtime> {
    let plugin = shared.view.load().plugin(&integration.record.plugin)?.clone();
    build::runtime(shared, &integration.name, &integration.record, &plugin, &integration.live, Some(trying))
}

/// Removes an integration, its state, and what is remembered of its writes.
pub(crate) async fn remove(shared: &Shared, name: &str, discard_unknown: bool) -> Result<()> {
    let unknown = journal::list(shared, Some(name), true, 1).await?;
    if !discard_unknown && !unknown.is_empty() {
        let message = format!(
            "there are writes of `{name}` of which nobody knows what came of them; settle them first, see `jackfield operation list --unknown --integration {name}`, or discard them with it (`--discard-unknown`)"
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    }
    let name = name.to_owned();
    let decide = move |view: &View| {
        let integration = view.integration(&name)?;
        let IntegrationRecord { incarnation, plugin, .. } = &integration.record;
        let mut mutations = vec![
            Mutation::delete(Bucket::Integrations, name.clone()).expect(Expect::Present),
            Mutation::delete(Bucket::Meta, state::marker(incarnation)),
            Mutation::delete_prefix(Bucket::State, state::prefix(incarnation)),
        ];
        mutations.extend(journal::forget_all(incarnation));
        mutations.push(spending::forget(incarnation));
        Ok(Decision::Change(Change {
            mutations,
            event: (
                EventKind::IntegrationRemoved,
                Some(name.clone()),
                Some(plugin.clone()),
                format!("`{name}` was removed, with its state"),
            ),
            apply: Box::new(move |view, _| {
                view.integrations.remove(&name);
            }),
        }))
    };
    shared.registrar.change(decide).await?;
    Ok(())
}

/// Has the plugin judge the configuration, in an instance that can reach nothing.
async fn judge(name: &str, runtime: &Runtime, plugin: &Installed) -> Result<()> {
    let fits = runtime.gateway.judge_credentials();
    fits.map_err(|error| outbound::misconfigured(&plugin.record.manifest, &error))?;
    let code = plugin.code.as_ref().map_err(Clone::clone)?;
    let tracks = Arc::default();
    let pool = plugins::sandbox(code, name, runtime.guest_config.to_string(), runtime.limits.clone(), &tracks);
    let context = CallContext::new("lifecycle.validate-config", runtime.limits.call_timeout);
    let _tracked = tracks.begin(context.id, false);
    pool.validate_config(context, &runtime.guest_config).await.map_err(|error| {
        let mut error = faults::call(error, false, crate::track::Track::default());
        if error.kind == ErrorKind::Invalid {
            error.message = format!("configuration: {}", error.message);
            error.field = Some(format!("/config{}", error.field.unwrap_or_default()));
        }
        error
    })
}

fn free(view: &View, name: &str) -> Result<()> {
    if view.integrations.contains_key(name) {
        let message = format!("there is an integration `{name}` already; update it, or choose another name");
        return Err(Error::new(ErrorKind::AlreadyExists, ErrorSource::Caller, message).at("/name"));
    }
    Ok(())
}

/// Whether a plugin is still the one that was looked at.
fn same(view: &View, plugin: &Installed) -> Result<()> {
    if view.plugin(plugin.name())?.record.digest == plugin.record.digest {
        return Ok(());
    }
    let message = format!("the plugin `{}` was replaced meanwhile; try again", plugin.name());
    Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message))
}

fn moved_on(name: &str, wanted: Option<u64>, revision: u64) -> Error {
    let wanted = wanted.map_or("the one you changed".to_owned(), |wanted| wanted.to_string());
    let message =
        format!("`{name}` is at revision {revision}, not {wanted}: somebody changed it; read it again, then decide");
    Error::new(ErrorKind::Conflict, ErrorSource::Caller, message)
}

fn patch<T>(target: &mut BTreeMap<String, T>, patch: Option<BTreeMap<String, Option<T>>>) {
    for (name, value) in patch.into_iter().flatten() {
        match value {
            Some(value) => target.insert(name, value),
            None => target.remove(&name),
        };
    }
}
