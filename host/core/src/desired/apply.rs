//! From documents to what they want: planned, tried, done.

use std::{collections::BTreeSet, sync::Arc};

use jackfield_trust::TrustPolicy;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    deployments,
    difference::{FieldChange, between},
    documents::{Desired, DesiredIntegration, DesiredPlugin},
    export, trust,
};
use crate::{
    Error, ErrorKind, ErrorSource, Result,
    integrations::{self, Integration, IntegrationRecord, upgrade},
    plugins::{self, PluginId},
    shared::Shared,
    view::{View, choose},
};

/// What is to be applied, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Apply {
    /// The documents.
    pub documents: Vec<Value>,
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Remove what is there of the kinds that the documents are of, and is in none of them.
    #[serde(default)]
    pub prune: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Applied {
    /// What was changed, in that order.
    pub changes: Vec<DesiredChange>,
    /// How many things were as they are wanted.
    pub unchanged: usize,
    /// Nothing was changed; it would be.
    pub dry_run: bool,
    /// Deployments that could not be had, or not be removed, while everything else was done: their orchestrator cannot be asked,
    /// or refused what it had not refused before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<DesiredFailure>,
}

/// Something that could not be had, and stopped nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DesiredFailure {
    /// `deployment`, or `integration` where one stays because of its deployments.
    pub kind: &'static str,
    /// As a change of it is named.
    pub name: String,
    /// Where in the documents it is wanted; none where it was to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What kind of failure.
    pub error: ErrorKind,
    /// What was wrong, and what to do next.
    pub message: String,
}

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DesiredChange {
    /// `trust`, `plugin`, `integration` or `deployment`.
    pub kind: &'static str,
    /// An integration's name, a plugin's `NAME@VERSION`, a deployment's `ORCHESTRATOR/NAMESPACE/NAME`.
    pub name: String,
    /// What was done.
    pub action: DesiredAction,
    /// In what it differed, where it was there and was changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What is done to have something as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DesiredAction {
    /// It is installed.
    Install,
    /// It is added.
    Add,
    /// It is changed.
    Update,
    /// It is changed, and runs with another version of its plugin.
    Upgrade,
    /// It is removed.
    Remove,
}

/// Makes things as documents want them; or says what that would change.
pub(crate) async fn apply(shared: &Shared, wanted: Apply) -> Result<Applied> {
    let desired = Desired::read(&wanted.documents)?;
    let things = desired.plugins.len() + desired.integrations.len() + usize::from(desired.trust.is_some());
    if wanted.prune && things + desired.deployments.len() == 0 {
        return Err(Error::invalid("there is no document, so nothing is pruned: that would remove everything"));
    }
    let view = shared.view.load_full();
    let steps = plan(&view, &desired)?;
    let prunes = if wanted.prune { pruned(&view, &desired) } else { Vec::new() };
    let mut applied =
        Applied { changes: Vec::new(), unchanged: things - steps.len(), dry_run: wanted.dry_run, failed: Vec::new() };
    let changes = |name: &str| steps.iter().any(|step| step.change.kind == "integration" && step.change.name == name);
    let mut planned = deployments::plan(&view, &desired, wanted.prune, &changes)?;
    // Everything is tried before anything is changed. What needs a plugin that is to be installed cannot be tried yet.
    let waits = |step: &Step<'_>| wanted.dry_run && step.waits(&view, &desired);
    for step in steps.iter().chain(&prunes).filter(|step| !waits(step)) {
        step.take(shared, true).await?;
    }
    deployments::try_all(shared, &mut planned, wanted.dry_run).await?;
    for step in steps {
        if !wanted.dry_run
            && let Err(error) = step.take(shared, false).await
        {
            return Err(after(error, &applied.changes));
        }
        applied.changes.push(step.change);
    }
    if !wanted.dry_run {
        deployments::make(shared, &mut planned, &mut applied).await;
    }
    let surplus = match wanted.prune && !desired.deployments.is_empty() {
        true => deployments::prunable(shared, &shared.view.load(), &planned),
        false => Vec::new(),
    };
    if wanted.dry_run {
        deployments::told(planned, &mut applied);
    }
    // Before the integrations that run them.
    let left = deployments::prune(shared, surplus, wanted.dry_run, &mut applied).await;
    for step in prunes {
        if step.change.kind == "integration" && left.contains(&step.change.name) {
            applied.failed.push(stays(step.change));
            continue;
        }
        if !wanted.dry_run
            && let Err(error) = step.take(shared, false).await
        {
            return Err(after(error, &applied.changes));
        }
        applied.changes.push(step.change);
    }
    Ok(applied)
}

/// An integration that is not pruned, since nobody could remove its deployments without it.
fn stays(change: DesiredChange) -> DesiredFailure {
    let message = format!(
        "integration `{}` is not removed: some of its deployments cannot be; apply it again when its outside system is well",
        change.name
    );
    DesiredFailure { kind: change.kind, name: change.name, field: None, error: ErrorKind::Conflict, message }
}

/// An error that came although everything had been tried: what was done before it stays.
fn after(error: Error, done: &[DesiredChange]) -> Error {
    if done.is_empty() {
        return error;
    }
    let done: Vec<String> = done.iter().map(|change| format!("{} `{}`", change.kind, change.name)).collect();
    let message = format!("{}\nDone before: {}. Applied again, it goes on from there.", error.message, done.join(", "));
    Error { message, ..error }
}

/// One change, and what makes it.
pub(super) struct Step<'a> {
    pub(super) change: DesiredChange,
    place: Option<&'a str>,
    how: How<'a>,
}

pub(super) enum How<'a> {
    /// The trust policy is set.
    Trust(&'a TrustPolicy),
    /// Nothing but a look: the file is elsewhere.
    Install(&'a DesiredPlugin),
    Add(&'a DesiredIntegration),
    Set(&'a DesiredIntegration, Arc<Integration>),
    RemoveIntegration,
    RemovePlugin,
}

fn plan<'a>(view: &View, desired: &'a Desired) -> Result<Vec<Step<'a>>> {
    let mut steps: Vec<Step<'a>> = trust::plan(view, desired).into_iter().collect();
    for (place, plugin) in &desired.plugins {
        let id = id(plugin);
        match view.plugins.get(&id) {
            Some(there) if plugin.digest.is_some_and(|digest| digest != there.record.digest) => {
                let message = format!(
                    "`{id}` is installed from another file ({}); give the wanted one another version, or remove the installed one first",
                    there.record.digest
                );
                let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
                return Err(error.at(format!("{place}/digest")));
            }
            Some(_) => {}
            None => {
                steps.push(step("plugin", id.to_string(), DesiredAction::Install, Some(place), How::Install(plugin)))
            }
        }
    }
    for (place, wanted) in &desired.integrations {
        let name = || wanted.name.clone();
        let Some(there) = view.integrations.get(&wanted.name) else {
            steps.push(step("integration", name(), DesiredAction::Add, Some(place), How::Add(wanted)));
            continue;
        };
        let fields = fields(view, there, wanted);
        if fields.is_empty() {
            offers(&there.would_offer(view), wanted)
                .map_err(|error| placed(error, place, "integration", &wanted.name))?;
        } else {
            let upgrade = fields.iter().any(|change| change.field == "/version");
            let action = if upgrade { DesiredAction::Upgrade } else { DesiredAction::Update };
            let mut step = step("integration", name(), action, Some(place), How::Set(wanted, there.clone()));
            step.change.fields = fields;
            steps.push(step);
        }
    }
    Ok(steps)
}

pub(super) fn step<'a>(
    kind: &'static str,
    name: String,
    action: DesiredAction,
    place: Option<&'a String>,
    how: How<'a>,
) -> Step<'a> {
    let change = DesiredChange { kind, name, action, fields: Vec::new() };
    Step { change, place: place.map(String::as_str), how }
}

/// What is there and not wanted: of the kinds that something is wanted of.
fn pruned<'a>(view: &View, desired: &Desired) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    if !desired.integrations.is_empty() {
        let wanted = |name: &str| desired.integrations.iter().any(|(_, integration)| integration.name == name);
        for name in view.integrations.keys().filter(|name| !wanted(name)) {
            let how = How::RemoveIntegration;
            steps.push(step("integration", name.clone(), DesiredAction::Remove, None, how));
        }
    }
    if !desired.plugins.is_empty() {
        let needed = needed(view, desired);
        let wanted = |id: &PluginId| desired.plugins.iter().any(|(_, plugin)| self::id(plugin) == *id);
        for id in view.plugins.keys().filter(|id| !wanted(id) && !needed.contains(*id)) {
            steps.push(step("plugin", id.to_string(), DesiredAction::Remove, None, How::RemovePlugin));
        }
    }
    steps
}

/// The versions of plugins that somebody runs with once all is as it is wanted, or can go back to then: they are wanted
/// without being said.
fn needed(view: &View, desired: &Desired) -> BTreeSet<PluginId> {
    let mut needed = BTreeSet::new();
    for there in view.integrations.values() {
        let wanted = desired.integrations.iter().find(|(_, wanted)| *wanted.name == *there.name);
        if wanted.is_none() && !desired.integrations.is_empty() {
            // It is pruned too.
            continue;
        }
        let IntegrationRecord { plugin, plugin_version: now, previous, shadow, share, .. } = &there.record;
        let then = wanted.and_then(|(_, wanted)| wanted.version.as_ref()).unwrap_or(now);
        let before = if then == now { previous.as_ref().map(|previous| &previous.plugin_version) } else { Some(now) };
        let of = |version: &Version| PluginId { name: plugin.clone(), version: version.clone() };
        let rehearsed = shadow.as_ref().map(|shadow| &shadow.plugin_version).filter(|_| then == now);
        let shares = share.as_ref().map(|share| &share.plugin_version).filter(|_| then == now);
        needed.extend([Some(then), before, rehearsed, shares].into_iter().flatten().map(of));
    }
    for (_, wanted) in desired.integrations.iter().filter(|(_, wanted)| !view.integrations.contains_key(&wanted.name)) {
        needed.extend(view.plugin(&wanted.with_version(wanted.version.as_ref()).plugin).map(|plugin| plugin.id()));
    }
    let pinned = |id: &&PluginId| view.pins.of(&id.name) == Some(&id.version);
    needed.extend(view.plugins.keys().filter(pinned).cloned());
    needed
}

fn id(plugin: &DesiredPlugin) -> PluginId {
    PluginId { name: plugin.name.clone(), version: plugin.version.clone() }
}

/// In what an integration differs from what is wanted. What it must offer is looked at when that is tried.
fn fields(view: &View, there: &Integration, wanted: &DesiredIntegration) -> Vec<FieldChange> {
    let is = DesiredIntegration { capabilities: Vec::new(), ..export::integration(there, view) };
    let to_be = DesiredIntegration {
        plugin: Some(wanted.plugin().to_owned()),
        version: wanted.version.clone().or_else(|| is.version.clone()),
        capabilities: Vec::new(),
        ..wanted.clone()
    };
    let value = |integration: &DesiredIntegration| {
        let mut value = serde_json::to_value(integration).unwrap_or_default();
        // Said where it goes without saying too, so that both sides of a difference are told.
        value["enabled"] = integration.enabled.into();
        value
    };
    between(&value(&is), &value(&to_be))
}

impl Step<'_> {
    /// Whether it needs a plugin that is to be installed, or is the wish for one whose file is said.
    fn waits(&self, view: &View, desired: &Desired) -> bool {
        match &self.how {
            How::Install(plugin) => plugin.source.is_some(),
            How::Add(wanted) | How::Set(wanted, _) => {
                let is_it = |plugin: &DesiredPlugin| {
                    plugin.name == wanted.plugin()
                        && wanted.version.as_ref().is_none_or(|version| *version == plugin.version)
                };
                let installed = view.plugin(&wanted.with_version(wanted.version.as_ref()).plugin).is_ok();
                !installed && desired.plugins.iter().any(|(_, plugin)| plugin.source.is_some() && is_it(plugin))
            }
            How::Trust(_) | How::RemoveIntegration | How::RemovePlugin => false,
        }
    }

    /// Makes the change, or sees whether it can be made.
    async fn take(&self, shared: &Shared, dry_run: bool) -> Result<()> {
        let result = self.take_unplaced(shared, dry_run).await;
        result.map_err(|error| match self.place {
            Some(place) => placed(error, place, self.change.kind, &self.change.name),
            None => error,
        })
    }

    async fn take_unplaced(&self, shared: &Shared, dry_run: bool) -> Result<()> {
        match &self.how {
            How::Trust(_) if dry_run => Ok(()),
            How::Trust(policy) => {
                let policy = TrustPolicy::from_json(policy.to_json().to_string().as_bytes());
                crate::trust::set(shared, policy.map_err(|error| Error::internal(error.to_string()))?).await.map(drop)
            }
            How::Install(plugin) => {
                let remedy = match &plugin.source {
                    Some(source) => format!("it is to come from `{source}`, which `jackfield apply` installs"),
                    None => "install its file, or say where that is (`source`)".to_owned(),
                };
                Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, format!("it is not installed: {remedy}")))
            }
            How::Add(wanted) => {
                let new = wanted.with_version(wanted.version.as_ref());
                let adding = integrations::prepare(shared, new).await?;
                offers(&adding.capability_ids(), wanted)?;
                if dry_run { Ok(()) } else { adding.add(shared).await }
            }
            How::Set(wanted, there) => {
                let version = wanted.version.as_ref().unwrap_or(&there.record.plugin_version);
                if !there.is_enabled() && *version == there.record.plugin_version {
                    // Perhaps nothing is built that could be asked.
                    offers(&there.would_offer(&shared.view.load()), wanted)?;
                }
                upgrade::set(shared, there, wanted.with_version(Some(version)), dry_run, |runtime| {
                    offers(&runtime.capability_ids().collect::<Vec<_>>(), wanted)
                })
                .await
            }
            How::RemoveIntegration if dry_run => integrations::may_remove(shared, &self.change.name, false).await,
            How::RemoveIntegration => integrations::remove(shared, &self.change.name, false).await,
            How::RemovePlugin if dry_run => Ok(()),
            How::RemovePlugin => plugins::remove(shared, &self.change.name).await,
        }
    }
}

/// An error that says which document it is about.
fn placed(error: Error, place: &str, kind: &str, name: &str) -> Error {
    let message = format!("{kind} `{name}`: {}", error.message);
    Error { message, field: Some(format!("{place}{}", error.field.unwrap_or_default())), ..error }
}

/// Whether what is wanted of an integration's capabilities is among what it offers.
fn offers(offered: &[&jackfield_reflect::CapabilityId], wanted: &DesiredIntegration) -> Result<()> {
    for (index, capability) in wanted.capabilities().enumerate() {
        choose(&capability, offered).map_err(|error| {
            Error::invalid(format!("it does not offer what it must: {}", error.message))
                .at(format!("/capabilities/{index}"))
        })?;
    }
    Ok(())
}
