//! From one version of its plugin to another. The new one is started beside the old, its configuration migrated, judged and
//! tried out against the outside system; then one commit switches, and calls under way end on what they began with. What
//! was left is kept to go back to.

use std::{collections::BTreeMap, sync::Arc};

use jackfield_engine::CallContext;
use jackfield_reflect::Reflection;
use jackfield_registry::{Digest, Rights};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Integration, IntegrationRecord, Runtime, at_revision, enabling, share,
    switch::{Switch, switch},
};
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, IntegrationInfo, NewIntegration, Result, TimestampMs,
    clock::now_ms,
    config, faults, limits, names,
    plugins::{self, Installed, newly_deprecated, operations_between, rights},
    shared::Shared,
    track::Track,
    view::View,
};

/// How long a version that was switched to is watched, in seconds, unless told otherwise.
const WATCHED: u32 = 60;
/// A day.
const LONGEST_WATCHED: u32 = 86_400;

/// What to upgrade to, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpgradeIntegration {
    /// The version of its plugin, an older one perhaps; the newest that is installed where none is named.
    #[serde(default)]
    pub version: Option<Version>,
    /// Settings for the new version, over what it makes of the configuration that there is; `null` removes one (JSON Merge Patch,
    /// RFC 7396). An address may be among them: whoever upgrades may set it, as the new version may not.
    #[serde(default)]
    pub config: Option<Map<String, Value>>,
    /// Everything is tried and nothing changed.
    #[serde(default)]
    pub dry_run: bool,
    /// The new version need not find its outside system healthy.
    #[serde(default)]
    pub unchecked: bool,
    /// How long the new version is watched, in seconds: where it does worse than the old one, that takes its place again. A
    /// minute unless told otherwise; 0 for not at all.
    #[serde(default)]
    pub watch_seconds: Option<u32>,
    /// Of a hundred calls so many go to the new version, and the others stay with the old one; all unless told otherwise. Told again,
    /// the share is moved; where all go to it, the old version is left.
    #[serde(default)]
    pub share: Option<u8>,
    /// Change only if the integration is at this revision.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// What came of an upgrade, or would.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Upgrade {
    /// The version that it ran with.
    pub from: Version,
    /// The version that it runs with, or would.
    pub to: Version,
    /// Whether anything was changed.
    pub changed: bool,
    /// Of a hundred calls so many go to the new version.
    pub share: u8,
    /// The new version found its outside system healthy before it was switched to.
    pub checked: bool,
    /// What the new version asks for beyond the old one; that was accepted when it was installed.
    pub new_rights: Rights,
    /// Operations that only the new version offers.
    pub operations_gained: Vec<String>,
    /// Operations that only the old version offers.
    pub operations_lost: Vec<String>,
    /// Operations that are not to be used any more, of which the version before did not say so.
    pub operations_deprecated: Vec<String>,
    /// Endpoints whose settings go, since the new version has no such endpoints.
    pub endpoints_dropped: Vec<String>,
    /// The configuration that the new version runs with, without defaults.
    pub config: Map<String, Value>,
    /// The integration as it is now.
    pub integration: IntegrationInfo,
}

/// What an integration ran with before it was upgraded. What an operator allows is not part of it: that holds for every
/// version, and going back must not give back what was taken away since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Previous {
    pub(crate) plugin_version: Version,
    pub(crate) plugin_digest: Digest,
    config: Map<String, Value>,
    pub(crate) left_at: TimestampMs,
}

/// How a version is watched that was switched to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Probation {
    pub(crate) until: TimestampMs,
    /// It found its outside system healthy before; where nobody looked, that it does not says nothing of the version.
    pub(crate) health: bool,
}

/// The record of an integration that leaves one version for another, with the configuration for that.
pub(super) fn leaving(record: &IntegrationRecord, plugin: &Installed, config: Map<String, Value>) -> IntegrationRecord {
    let known = |name: &String| plugin.record.manifest.endpoints.iter().any(|endpoint| endpoint.name == *name);
    // What is set for an endpoint holds for every version that has it, also one that comes after one that has not.
    let mut all = record.set_aside.clone();
    all.extend(record.endpoints.clone());
    let (endpoints, set_aside) = all.into_iter().partition(|(name, _)| known(name));
    let now = now_ms();
    IntegrationRecord {
        plugin_version: plugin.version().clone(),
        plugin_digest: plugin.record.digest,
        config,
        endpoints,
        set_aside,
        previous: Some(Previous {
            plugin_version: record.plugin_version.clone(),
            plugin_digest: record.plugin_digest,
            config: record.config.clone(),
            left_at: now,
        }),
        probation: None,
        updated_at: now,
        ..record.clone()
    }
}

/// Has an integration run with another version of its plugin.
pub(crate) async fn upgrade(shared: &Shared, name: &str, wanted: UpgradeIntegration) -> Result<Upgrade> {
    let view = shared.view.load_full();
    let old = view.integration(name)?.clone();
    at_revision(&old, wanted.revision)?;
    let seconds = wanted.watch_seconds.unwrap_or(WATCHED);
    if seconds > LONGEST_WATCHED {
        let message = format!("a new version is watched for at most {LONGEST_WATCHED} seconds, a day");
        return Err(Error::invalid(message).at("/watch-seconds"));
    }
    let percent = wanted.share.unwrap_or(100);
    if !(1..=100).contains(&percent) {
        let message = format!(
            "a version has a share of 1 to 100 in a hundred calls, not {percent}; `jackfield integration rollback` takes it back"
        );
        return Err(Error::invalid(message).at("/share"));
    }
    // What has a share of the calls is what is meant, or what was rehearsed, with the settings that it was rehearsed with.
    let (shares, rehearsed) = (old.record.share.as_ref(), old.record.shadow.as_ref());
    let beside = shares.map(|share| &share.plugin_version).or(rehearsed.map(|shadow| &shadow.plugin_version));
    let version = wanted.version.as_ref().or(beside);
    let plugin = wanted_plugin(&view, &old, version)?;
    share::may_change(&old, plugin.record.digest)?;
    // The newest release is no upgrade for who runs with something newer.
    let older = version.is_none() && *plugin.version() < old.record.plugin_version;
    if older || plugin.record.digest == old.record.plugin_digest {
        return nothing_to_do(&old, wanted.config.as_ref());
    }
    view.pins.allow(plugin.name(), plugin.version()).map_err(|e| e.at("/version"))?;
    let before = view.plugin_of(&old.record)?;
    let mut config = match shares {
        Some(share) => share.config.clone(),
        None => migrated(&old, before, plugin).await?,
    };
    let rehearsed = rehearsed.filter(|shadow| shadow.plugin_digest == plugin.record.digest);
    for patch in [rehearsed.and_then(|shadow| shadow.settings.as_ref()), wanted.config.as_ref()].into_iter().flatten() {
        config::merge(&mut config, patch);
    }
    let record = watched(leaving(&old.record, plugin, config), seconds, !wanted.unchecked);
    let endpoints_dropped =
        record.set_aside.keys().filter(|name| old.record.endpoints.contains_key(*name)).cloned().collect();
    let new_rights = rights(&plugin.record.manifest).beyond([&rights(&before.record.manifest)]);
    let (operations_gained, operations_lost) = operations_of_both(before, plugin);
    let operations_deprecated =
        reflections(before, plugin).map_or_else(Vec::new, |(before, after)| newly_deprecated(&before, &after));
    let (from, to, config) = (old.record.plugin_version.clone(), record.plugin_version.clone(), record.config.clone());
    let how = Switch::to(EventKind::IntegrationUpgraded, runs_with(&old, plugin));
    let checked = !wanted.unchecked && old.is_enabled();
    let how = Switch { checked, dry_run: wanted.dry_run, ..how };
    let done = match percent {
        100 => switch(shared, &old, record, Ok(plugin), how).await,
        _ => {
            let wanted = share::Wanted { plugin, config: record.config, percent, checked, dry_run: wanted.dry_run };
            share::give(shared, &old, wanted).await
        }
    };
    done.map_err(|error| {
        let about_settings = error.field.as_deref().is_some_and(|field| field.starts_with("/config"));
        match about_settings {
            true => Error {
                message: format!(
                    "{}\nGive the new version its settings when you upgrade: `jackfield integration upgrade {name} --set NAME=VALUE`",
                    error.message
                ),
                ..error
            },
            false => error,
        }
    })?;
    Ok(Upgrade {
        from,
        to,
        changed: !wanted.dry_run,
        share: percent,
        checked,
        new_rights,
        operations_gained,
        operations_lost,
        operations_deprecated,
        endpoints_dropped,
        config,
        integration: shared.view.load().integration(name)?.info(),
    })
}

/// The version of its plugin that somebody wants for an integration: the newest where none is named.
pub(super) fn wanted_plugin<'a>(
    view: &'a View,
    integration: &Integration,
    version: Option<&Version>,
) -> Result<&'a Arc<Installed>> {
    let plugin = &integration.record.plugin;
    match version {
        Some(version) => view.plugin(&format!("{plugin}@{version}")).map_err(|e| e.at("/version")),
        None => view.plugin(plugin),
    }
}

/// The operations that only the second of two versions offers, and those that only the first does.
pub(super) fn operations_of_both(before: &Installed, after: &Installed) -> (Vec<String>, Vec<String>) {
    reflections(before, after).map_or_else(Default::default, |(before, after)| operations_between(&before, &after))
}

/// What both versions offer, where both can run.
fn reflections(before: &Installed, after: &Installed) -> Option<(Arc<Reflection>, Arc<Reflection>)> {
    let reflection = |plugin: &Installed| plugin.code.as_ref().ok().map(|code| code.reflection.clone());
    reflection(before).zip(reflection(after))
}

/// What came of an upgrade to what it runs with. Settings that would change something are not for it.
fn nothing_to_do(integration: &Integration, settings: Option<&Map<String, Value>>) -> Result<Upgrade> {
    let mut config = integration.record.config.clone();
    if let Some(patch) = settings {
        config::merge(&mut config, patch);
    }
    if config != integration.record.config {
        let IntegrationRecord { plugin_version, .. } = &integration.record;
        let message = format!(
            "`{}` runs with {plugin_version} already, so nothing is upgraded; change its settings with `jackfield integration update`",
            integration.name
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message).at("/config"));
    }
    let version = &integration.record.plugin_version;
    Ok(Upgrade {
        from: version.clone(),
        to: version.clone(),
        changed: false,
        share: 100,
        checked: false,
        new_rights: Rights::default(),
        operations_gained: Vec::new(),
        operations_lost: Vec::new(),
        operations_deprecated: Vec::new(),
        endpoints_dropped: Vec::new(),
        config,
        integration: integration.info(),
    })
}

/// Has an integration run again with what it ran with before its latest upgrade; a second time, with what it was upgraded
/// to. `why`: what the new version did that it is not kept.
pub(crate) async fn roll_back(
    shared: &Shared,
    name: &str,
    revision: Option<u64>,
    why: Option<&str>,
) -> Result<IntegrationInfo> {
    let view = shared.view.load_full();
    let old = view.integration(name)?.clone();
    at_revision(&old, revision)?;
    if old.record.share.is_some() {
        share::take_back(shared, &old, why).await?;
        return Ok(shared.view.load().integration(name)?.info());
    }
    let Some(previous) = old.record.previous.clone() else {
        let message = format!(
            "`{name}` was never upgraded, so there is nothing to go back to; see `jackfield integration upgrade`"
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    };
    let (version, digest) = (previous.plugin_version, previous.plugin_digest);
    let plugin = view.exactly(&old.record.plugin, &version, digest).map_err(|error| {
        let message = format!("`{name}` cannot go back to {version}: {}", error.message);
        Error::new(ErrorKind::Conflict, ErrorSource::Caller, message)
    })?;
    let mut config = previous.config;
    if let Ok(now) = view.plugin_of(&old.record) {
        // Where an endpoint is may have changed since, and what it is sent with has.
        let refused =
            |reason| Error::new(ErrorKind::Conflict, ErrorSource::Caller, format!("`{name}` cannot go back: {reason}"));
        lay_over(&mut config, addresses(&old.record.config, now, plugin).map_err(refused)?);
    }
    let record = leaving(&old.record, plugin, config);
    // It worked before, and going back must be possible while the outside system is down.
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let message = format!("{}{why}", runs_with(&old, plugin));
    let how = Switch::to(EventKind::IntegrationRolledBack, message).unchecked();
    switch(shared, &old, record, Ok(plugin), how).await?;
    Ok(shared.view.load().integration(name)?.info())
}

/// Has an integration be what is wanted: configuration, labels, endpoints, limits, and the version of its plugin. `fits` judges
/// what would run.
pub(crate) async fn set(
    shared: &Shared,
    old: &Arc<Integration>,
    wanted: NewIntegration,
    dry_run: bool,
    fits: impl Fn(&Runtime) -> Result<()> + Sync,
) -> Result<()> {
    names::labels(&wanted.labels)?;
    let view = shared.view.load_full();
    let plugin = view.plugin(&wanted.plugin).map_err(|e| e.at("/version"))?;
    if plugin.name() != old.record.plugin {
        let message = format!(
            "it is an integration of `{}`, and what it keeps is that plugin's; remove it first, or give the wanted one another name",
            old.record.plugin
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message).at("/plugin"));
    }
    let other_version = plugin.record.digest != old.record.plugin_digest;
    if other_version {
        view.pins.allow(plugin.name(), plugin.version()).map_err(|e| e.at("/version"))?;
    }
    let record = match other_version {
        true => watched(leaving(&old.record, plugin, Map::new()), WATCHED, true),
        false => IntegrationRecord { updated_at: now_ms(), ..old.record.clone() },
    };
    // A configuration that somebody gave is theirs: going back by itself would undo what they did.
    let probation = record.probation.filter(|_| other_version || wanted.config == old.record.config);
    let record = IntegrationRecord { probation, ..record };
    let NewIntegration { config, labels, endpoints, limits, enabled, .. } = wanted;
    let record = IntegrationRecord { config, labels, endpoints, limits, disabled: !enabled, ..record };
    let (kind, done) = enabling::told(enabled);
    let how = match (other_version, enabled == old.is_enabled()) {
        (true, true) => Switch::to(EventKind::IntegrationUpgraded, runs_with(old, plugin)),
        (true, false) => {
            Switch::to(EventKind::IntegrationUpgraded, format!("{}, and was {done}", runs_with(old, plugin)))
        }
        (false, false) => Switch::to(kind, format!("`{}` was {done}", old.name)).unchecked(),
        (false, true) => Switch::to(EventKind::IntegrationUpdated, format!("`{}` was changed", old.name)).unchecked(),
    };
    let remedy = format!(
        "Apply it again when that is well, or upgrade it by itself before, which can be told not to ask: `jackfield integration upgrade {} --help`",
        old.name
    );
    let how = Switch { dry_run, fits: &fits, remedy, ..how };
    switch(shared, old, record, Ok(plugin), how).await
}

/// What is told of an integration that runs with another version.
fn runs_with(old: &Integration, plugin: &Installed) -> String {
    format!("`{}` runs with `{}`, after {}", old.name, plugin.id(), old.record.plugin_version)
}

/// The record of one that is watched for so many seconds; its health, if that was found well before.
fn watched(record: IntegrationRecord, seconds: u32, health: bool) -> IntegrationRecord {
    let until = record.updated_at + i64::from(seconds) * 1000;
    IntegrationRecord { probation: (seconds > 0).then_some(Probation { until, health }), ..record }
}

/// An integration's configuration as another version of its plugin takes it. That version says so itself, in an instance
/// that can reach nothing; of addresses it is told nothing and has no say: those stay with their endpoints.
pub(super) async fn migrated(old: &Integration, before: &Installed, plugin: &Installed) -> Result<Map<String, Value>> {
    let from = old.record.plugin_version.to_string();
    let code = plugin.code.as_ref().map_err(Clone::clone)?;
    let granted = limits::grant(&plugin.record.manifest.limits, &old.record.limits)?;
    let limits = limits::of_calls(&granted);
    let context = CallContext::new("lifecycle.migrate-config", limits.call_timeout);
    let tracks = Arc::default();
    let pool = plugins::sandbox(code, &old.name, "{}".to_owned(), limits, &tracks);
    let _tracked = tracks.begin(context.id, false);
    let config = config::for_guest(&before.record.manifest, &old.record.config);
    let refused = |reason: &str| {
        let message = format!(
            "`{}` {} does not take the configuration that was made for {from}: {reason}; change it first (`jackfield integration update`), or apply a document with the new version and its configuration (`jackfield apply`)",
            plugin.name(),
            plugin.version()
        );
        Error::new(ErrorKind::Conflict, ErrorSource::Plugin, message)
    };
    let migrated = pool.migrate_config(context, &from, &config).await.map_err(|error| {
        let error = faults::call(error, false, Track::default());
        let clean = old.live.leaks.text("lifecycle.migrate-config", "an error", &error.message).into_owned();
        refused(&clean)
    })?;
    let mut migrated: Map<String, Value> = match serde_json::from_str(&migrated) {
        Ok(Value::Object(config)) => config,
        Ok(_) => return Err(refused("what it makes of it is no object")),
        Err(error) => return Err(refused(&format!("what it makes of it is no JSON ({error})"))),
    };
    migrated.retain(|name, _| plugin.record.manifest.endpoints.iter().all(|endpoint| endpoint.address != *name));
    lay_over(&mut migrated, addresses(&old.record.config, before, plugin).map_err(|reason| refused(&reason))?);
    Ok(migrated)
}

/// The addresses of a configuration under the names that another version has for them, none where an endpoint has none. An
/// endpoint that has the name of none before has no say: it has an address only where it shares the setting of one that has.
fn addresses<'a>(
    config: &'a Map<String, Value>,
    before: &Installed,
    after: &Installed,
) -> Result<BTreeMap<String, Option<&'a Value>>, String> {
    let mut addresses = BTreeMap::new();
    for endpoint in &after.record.manifest.endpoints {
        let Some(known) = before.record.manifest.endpoints.iter().find(|known| known.name == endpoint.name) else {
            continue;
        };
        let address = config.get(&known.address);
        if addresses.insert(endpoint.address.clone(), address).is_some_and(|other| other != address) {
            return Err(format!("`{}` would be the address of endpoints that have different ones", endpoint.address));
        }
    }
    Ok(addresses)
}

fn lay_over(config: &mut Map<String, Value>, addresses: BTreeMap<String, Option<&Value>>) {
    for (name, address) in addresses {
        match address {
            Some(address) => config.insert(name, address.clone()),
            None => config.remove(&name),
        };
    }
}
