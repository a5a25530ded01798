//! Integrations: a plugin, configured for one outside system.
//!
//! A change starts the new beside the old: everything that can fail (schema, the plugin's own judgement, endpoints) is
//! done with pools and connections of the new configuration before the store is asked, and calls that are under way end
//! on what they began with. A change that fails has changed nothing.

mod aside;
mod build;
mod enabling;
mod info;
mod live;
pub(crate) mod probation;
mod runtime;
pub(crate) mod shadow;
pub(crate) mod share;
mod switch;
pub(crate) mod upgrade;

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
    config,
    desired::deployments,
    faults, journal, limits, names, outbound,
    plugins::{self, Installed},
    registrar::{Change, Decision, encode},
    shared::Shared,
    spending, state,
    view::View,
};
use build::For;
pub(crate) use build::load_all;
pub(crate) use enabling::DISABLED;
pub(crate) use live::Live;
pub(crate) use runtime::{Runtime, Served, ServedCapability};
use switch::Switch;

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
    /// It is to run nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) disabled: bool,
    /// What is set for endpoints that the version it runs with does not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) set_aside: BTreeMap<String, EndpointSettings>,
    /// What it ran with before its latest upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<upgrade::Previous>,
    /// Until then it goes back by itself to that if it does not do well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probation: Option<upgrade::Probation>,
    /// The revision since which it runs the same, where those since have changed nothing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) same_since: Option<u64>,
    /// The version that is rehearsed beside the one it runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<shadow::ShadowRecord>,
    /// The version that has a share of its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<share::ShareRecord>,
}

impl IntegrationRecord {
    /// How it is watched, as long as it is.
    pub(crate) fn probation(&self) -> Option<&upgrade::Probation> {
        self.probation.as_ref().filter(|probation| probation.until > now_ms())
    }
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
    /// What is rehearsed beside it.
    pub(crate) shadow: Option<Arc<shadow::Shadow>>,
    /// What has a share of its calls.
    pub(crate) share: Option<Arc<share::Share>>,
}

/// An integration that could be added: everything that can fail before it is has been done.
pub(crate) struct Adding {
    name: Arc<str>,
    record: IntegrationRecord,
    plugin: Arc<Installed>,
    live: Arc<Live>,
    runtime: Arc<Runtime>,
}

/// Adds an integration.
pub(crate) async fn add(shared: &Shared, new: NewIntegration) -> Result<IntegrationInfo> {
    let adding = prepare(shared, new).await?;
    let name = adding.name.clone();
    adding.add(shared).await?;
    Ok(shared.view.load().integration(&name)?.info())
}

/// Judges what is to be added, and has the plugin judge it.
pub(crate) async fn prepare(shared: &Shared, new: NewIntegration) -> Result<Adding> {
    names::integration(&new.name)?;
    names::labels(&new.labels)?;
    let view = shared.view.load_full();
    free(&view, &new.name)?;
    let plugin = view.plugin(&new.plugin).map_err(|e| e.at("/plugin"))?.clone();
    view.pins.allow(plugin.name(), plugin.version()).map_err(|e| e.at("/plugin"))?;
    let now = now_ms();
    let record = IntegrationRecord {
        plugin: plugin.name().to_owned(),
        plugin_version: plugin.version().clone(),
        plugin_digest: plugin.record.digest,
        config: new.config,
        labels: new.labels,
        endpoints: new.endpoints,
        limits: new.limits,
        incarnation: random_name()?,
        created_at: now,
        updated_at: now,
        disabled: !new.enabled,
        set_aside: BTreeMap::new(),
        previous: None,
        probation: None,
        same_since: None,
        shadow: None,
        share: None,
    };
    let name: Arc<str> = new.name.into();
    let live = Live::new(name.clone(), &record.plugin, shared);
    let runtime = Arc::new(build::runtime(shared, &name, &record, &plugin, &live, For::Calls)?);
    judge(&name, &runtime, &plugin).await?;
    Ok(Adding { name, record, plugin, live, runtime })
}

impl Adding {
    /// The capabilities that it would offer.
    pub(crate) fn capability_ids(&self) -> Vec<&jackfield_reflect::CapabilityId> {
        self.runtime.capability_ids().collect()
    }

    /// Adds it.
    pub(crate) async fn add(self, shared: &Shared) -> Result<()> {
        let Self { name, record, plugin, live, runtime } = self;
        let value = encode(&record)?;
        let decide = move |view: &View| {
            free(view, &name)?;
            same(view, &plugin)?;
            view.pins.allow(plugin.name(), plugin.version()).map_err(|e| e.at("/plugin"))?;
            let but = if record.disabled { ", and is disabled" } else { "" };
            let message =
                format!("`{name}` was added, with the plugin `{}` {}{but}", record.plugin, record.plugin_version);
            let runtime = if record.disabled { Err(enabling::disabled(&name)) } else { Ok(runtime) };
            Ok(Decision::Change(Change {
                mutations: vec![
                    Mutation::set(Bucket::Integrations, &*name, value).expect(Expect::Absent),
                    Mutation::set(Bucket::Meta, state::marker(&record.incarnation), "").expect(Expect::Absent),
                    Mutation::require(Bucket::Plugins, plugin.id().to_string(), Expect::Present),
                ],
                event: (EventKind::IntegrationAdded, Some(name.to_string()), Some(record.plugin.clone()), message),
                apply: Box::new(move |view, revision| {
                    if record.disabled {
                        live.health.disabled();
                    }
                    let integration =
                        Integration { name: name.clone(), record, revision, runtime, live, shadow: None, share: None };
                    view.integrations.insert(name.to_string(), Arc::new(integration));
                }),
            }))
        };
        shared.registrar.change(decide).await.map(drop)
    }
}

/// Changes an integration.
pub(crate) async fn update(shared: &Shared, name: &str, change: UpdateIntegration) -> Result<IntegrationInfo> {
    let view = shared.view.load_full();
    let old = view.integration(name)?.clone();
    at_revision(&old, change.revision)?;
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
    if record.config != old.record.config {
        // It is somebody's now: going back by itself would undo what they did.
        record.probation = None;
    }
    let plugin = view.plugin_of(&old.record);
    let how = Switch::to(EventKind::IntegrationUpdated, format!("`{name}` was changed")).unchecked();
    switch::switch(shared, &old, record, plugin, how).await?;
    Ok(shared.view.load().integration(name)?.info())
}

/// What would run for an integration with a certain version of a credential.
pub(crate) fn beside(shared: &Shared, integration: &Integration, credential: &str, version: u64) -> Result<Runtime> {
    let plugin = shared.view.load().plugin_of(&integration.record)?.clone();
    let purpose = For::Credential(credential, version);
    build::runtime(shared, &integration.name, &integration.record, &plugin, &integration.live, purpose)
}

/// Whether an integration may be removed: what is remembered of its writes goes with it.
pub(crate) async fn may_remove(shared: &Shared, name: &str, discard_unknown: bool) -> Result<()> {
    let unknown = journal::list(shared, Some(name), true, 1).await?;
    if !discard_unknown && !unknown.is_empty() {
        let message = format!(
            "there are writes of `{name}` of which nobody knows what came of them; settle them first, see `jackfield operation list --unknown --integration {name}`, or discard them with it (`--discard-unknown`)"
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    }
    Ok(())
}

/// Removes an integration, its state, and what is remembered of its writes.
pub(crate) async fn remove(shared: &Shared, name: &str, discard_unknown: bool) -> Result<()> {
    may_remove(shared, name, discard_unknown).await?;
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
        mutations.push(Mutation::delete_prefix(Bucket::Meta, deployments::prefix(incarnation)));
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
    shared.registrar.change(decide).await.map(drop)
}

/// Ends what a change of an integration leaves nothing to do for. `before`: the view without that change, which is of this kind.
pub(crate) async fn changed(shared: &Shared, before: &View, kind: EventKind, name: &str) {
    let Some(old) = before.integrations.get(name) else { return };
    let view = shared.view.load_full();
    let now = view.integrations.get(name);
    if now.is_none_or(|now| now.record.shadow.is_none()) {
        shadow::left(shared, old, kind).await;
    }
    if now.is_none() {
        shared.deployments.forget(&old.record.incarnation);
    }
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
    let id = plugin.id();
    if view.plugins.get(&id).is_some_and(|now| now.record.digest == plugin.record.digest) {
        return Ok(());
    }
    let message = format!("the plugin `{id}` was removed or replaced meanwhile; try again");
    Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message))
}

/// Whether an integration is at the revision that somebody means, if they say one.
fn at_revision(integration: &Integration, wanted: Option<u64>) -> Result<()> {
    match wanted.filter(|wanted| *wanted != integration.revision) {
        Some(wanted) => Err(moved_on(&integration.name, Some(wanted), integration.revision).at("/revision")),
        None => Ok(()),
    }
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
