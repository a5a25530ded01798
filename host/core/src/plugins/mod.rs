//! Installed plugins, pinned by the digests of their files. Versions of one plugin stand side by side: what an integration
//! runs with changes only when the integration is upgraded.

mod acceptance;
mod also;
mod arrival;
mod contents;
mod id;
mod inspect;
mod known;
mod load;
mod pins;
mod provenance;
mod signers;

use std::{collections::BTreeSet, sync::Arc};

use jackfield_engine as engine;
use jackfield_reflect::Reflection;
use jackfield_registry::{Digest, Manifest};
use jackfield_store::{Bucket, Expect, Mutation};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, OperationInfo, PluginInfo, Result, TimestampMs,
    clock::now_ms,
    config::Schema,
    integrations::Integration,
    registrar::{Change, Decision, encode},
    registries,
    shared::{About, Shared},
    view::View,
};
pub use acceptance::{Accept, InstallPlan};
pub(crate) use acceptance::{newly_deprecated, operations_between, rights, token};
pub use arrival::{AllowAdvisories, NewPlugin};
pub(crate) use arrival::{arrived, fetched};
pub use contents::PluginText;
pub(crate) use id::PluginId;
pub(crate) use known::own_interfaces;
pub(crate) use load::{load_all, sandbox};
pub use pins::PinPlugin;
pub(crate) use pins::{Pins, load as load_pins};
pub use provenance::Provenance;
pub(crate) use signers::{Signers, load as load_signers};

/// Judges a plugin's file as an installation would, without running anything of it; its operations, each with the short
/// name of its capability.
pub fn inspect_plugin(file: &[u8]) -> Result<Vec<(String, OperationInfo)>> {
    let inspected = inspect::inspect(file, &View::default())?;
    let of = |capability: &jackfield_reflect::Capability| {
        let name = capability.id.name.clone();
        capability.operations.iter().map(move |o| (name.clone(), OperationInfo::of(o))).collect::<Vec<_>>()
    };
    Ok(inspected.reflection.capabilities.iter().flat_map(of).collect())
}

/// What is stored of a plugin, beside its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PluginRecord {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) installed_at: TimestampMs,
    pub(crate) manifest: Manifest,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
}

/// An installed plugin.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) record: PluginRecord,
    /// What runs, or why it cannot.
    pub(crate) code: Result<Code>,
}

/// A plugin that can run.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) plugin: Arc<engine::Plugin>,
    pub(crate) reflection: Arc<Reflection>,
    pub(crate) wit: String,
    pub(crate) schema: Arc<Schema>,
}

impl Installed {
    pub(crate) fn name(&self) -> &str {
        &self.record.manifest.plugin.name
    }

    pub(crate) fn id(&self) -> PluginId {
        id_of(&self.record.manifest)
    }

    pub(crate) fn version(&self) -> &Version {
        &self.record.manifest.plugin.version
    }

    pub(crate) fn info(&self, view: &View) -> PluginInfo {
        let PluginRecord { digest, size, installed_at, manifest, provenance } = &self.record;
        let capabilities: BTreeSet<String> = manifest.plugin.capabilities.iter().map(|c| c.package_id()).collect();
        let id = id_of(manifest);
        PluginInfo {
            integrations: view.users(&id),
            id: id.to_string(),
            name: manifest.plugin.name.clone(),
            version: manifest.plugin.version.clone(),
            digest: digest.to_string(),
            size: *size,
            installed_at: *installed_at,
            capabilities: capabilities.into_iter().collect(),
            provenance: provenance.clone(),
            rights: rights(manifest).lines(),
            accept: token(manifest),
            pin: view.pins.of(&manifest.plugin.name).cloned(),
            manifest: manifest.clone(),
        }
    }
}

fn id_of(manifest: &Manifest) -> PluginId {
    PluginId { name: manifest.plugin.name.clone(), version: manifest.plugin.version.clone() }
}

/// What an integration needs and the host has not.
pub(crate) fn missing(reason: String) -> Error {
    Error::new(ErrorKind::Unavailable, ErrorSource::Host, reason)
}

/// Reads a plugin's file beside what is installed, nothing of it where another file is expected, and has the trust policy
/// judge it.
async fn inspected(view: &Arc<View>, new: &NewPlugin) -> Result<(inspect::Inspected, Result<Provenance>)> {
    let (new, view) = (new.clone(), view.clone());
    let inspect = move || {
        new.expect_digest.map_or(Ok(()), |expected| is_expected(expected, Digest::of(&new.file)))?;
        let inspected = inspect::inspect(&new.file, &view)?;
        let manifest = &inspected.package.manifest;
        is_named(manifest, new.expect_name.as_deref())?;
        is_tagged(manifest, new.tag.as_deref())?;
        let provenance = provenance::judge(&view.trust, &new, manifest);
        Ok((inspected, provenance))
    };
    tokio::task::spawn_blocking(inspect).await.map_err(|e| Error::internal(e.to_string()))?
}

/// Whether a plugin has the name that it was asked for by.
fn is_named(manifest: &Manifest, expected: Option<&str>) -> Result<()> {
    match expected {
        Some(name) if name != manifest.plugin.name => Err(Error::invalid(format!(
            "`{name}` was asked for, and what is there is `{}`; tell whoever hosts the registry",
            manifest.plugin.name
        ))),
        _ => Ok(()),
    }
}

/// Whether a plugin is of the version that its tag says, where that says one: under the tag of a new version somebody may have put
/// an old one, which was signed as well.
fn is_tagged(manifest: &Manifest, tag: Option<&str>) -> Result<()> {
    let plugin = &manifest.plugin;
    match tag.and_then(|tag| plugin.contradicted_by(tag)) {
        Some(said) => Err(Error::invalid(format!(
            "the tag says version {said}, and what is there is `{}` {}; look for another tag, or name what is there by its digest",
            plugin.name, plugin.version
        ))),
        None => Ok(()),
    }
}

/// Whether a file is the one that was looked at before: what a tag names may change at any moment.
fn is_expected(expected: Digest, found: Digest) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let message = format!(
        "the plugin is not installed: its file is to be {expected}, and what is there is {found}. Look at what is there now with `jackfield plugin inspect`"
    );
    let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
    Err(Error { code: Some("other-digest".into()), ..error })
}

/// What installing a plugin would do. Nothing of it runs.
pub(crate) async fn plan(shared: &Shared, new: &NewPlugin) -> Result<InstallPlan> {
    let view = shared.view.load_full();
    let (inspected, provenance) = inspected(&view, new).await?;
    may_install(&view, &inspected, &Accept::Everything)?;
    Ok(acceptance::plan(&view, new, &inspected, provenance))
}

/// Installs a plugin. Returns whether it was not installed already. That one is refused is recorded.
///
/// Nothing of it runs before the trust policy has let it in and what it asks for is accepted.
pub(crate) async fn install(shared: &Shared, new: NewPlugin) -> Result<(PluginInfo, bool)> {
    let place = new.pinned.clone().unwrap_or_else(|| new.origin.to_string());
    let view = shared.view.load_full();
    let (inspected, judged) = match inspected(&view, &new).await {
        Ok(inspected) => inspected,
        Err(error) => {
            refused(shared, None, &format!("a plugin was installed; from {place}"), &error).await;
            return Err(error);
        }
    };
    let PluginId { name, version } = id_of(&inspected.package.manifest);
    let outcome = install_inspected(shared, &view, new, inspected, judged).await;
    if let Err(error) = &outcome {
        refused(shared, Some(&name), &format!("`{name}@{version}` was installed; from {place}"), error).await;
    }
    outcome
}

/// Records that a plugin was not installed.
pub(crate) async fn refused(shared: &Shared, name: Option<&str>, wanted: &str, error: &Error) {
    shared.not_done(EventKind::PluginInstalled, About::installed(None, name), wanted, error).await;
}

async fn install_inspected(
    shared: &Shared,
    view: &View,
    new: NewPlugin,
    inspected: inspect::Inspected,
    judged: Result<Provenance>,
) -> Result<(PluginInfo, bool)> {
    let manifest = &inspected.package.manifest;
    let id = id_of(manifest);
    // What is installed already was let in then.
    if is_installed(view, &id, inspected.package.digest) {
        also::came(shared, id.clone(), inspected.package.digest, new, judged).await?;
        let view = shared.view.load();
        return Ok((view.plugin(&id.to_string())?.info(&view), false));
    }
    let provenance = judged?;
    provenance::goes_on(view, &id.name, &new, &provenance)?;
    registries::judge(view, manifest, &new.allow_advisories)?;
    may_install(view, &inspected, &new.accept)?;
    let code = load::prepare(shared, inspected.clone(), new.file.clone()).await?;
    let record = PluginRecord {
        digest: inspected.package.digest,
        size: new.file.len() as u64,
        installed_at: now_ms(),
        manifest: manifest.clone(),
        provenance,
    };
    let installed = Arc::new(Installed { record, code: Ok(code) });
    let trust = view.trust.clone();
    let decide = move |view: &View| {
        if !view.trust.is(&trust) {
            let message = "the trust policy was changed meanwhile; install the plugin again";
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
        decide(view, &inspected, installed, &new)
    };
    let new = shared.registrar.change(decide).await?;
    let view = shared.view.load();
    Ok((view.plugin(&id.to_string())?.info(&view), new))
}

/// Whether this very file is installed, and can run.
fn is_installed(view: &View, id: &PluginId, digest: Digest) -> bool {
    view.plugins.get(id).is_some_and(|there| there.record.digest == digest && there.code.is_ok())
}

/// Whether a plugin may be installed beside what there is.
fn may_install(view: &View, inspected: &inspect::Inspected, accept: &Accept) -> Result<Decision> {
    let manifest = &inspected.package.manifest;
    let id = id_of(manifest);
    if is_installed(view, &id, inspected.package.digest) {
        return Ok(Decision::Nothing);
    }
    let digest = inspected.package.digest;
    if let Some(old) = view.plugins.get(&id).filter(|old| old.record.digest != digest) {
        let message = format!(
            "`{id}` is installed already, from another file ({}); give the new one another version, or remove the installed one first",
            old.record.digest
        );
        return Err(Error::new(ErrorKind::AlreadyExists, ErrorSource::Caller, message));
    }
    inspect::fits_others(view, inspected)?;
    let accepted = acceptance::told(&acceptance::judge(view, manifest, accept)?);
    Ok(Decision::Change(Change {
        mutations: Vec::new(),
        apply: Box::new(|_, _| {}),
        event: (EventKind::PluginInstalled, None, Some(id.name.clone()), format!("`{id}` was installed{accepted}")),
    }))
}

fn decide(view: &View, inspected: &inspect::Inspected, installed: Arc<Installed>, new: &NewPlugin) -> Result<Decision> {
    let (id, provenance) = (installed.id(), &installed.record.provenance);
    let other_signer = provenance::goes_on(view, &id.name, new, provenance)?;
    let faults = registries::judge(view, &installed.record.manifest, &new.allow_advisories)?;
    let signers = view.signers.after(&id.name, provenance.signer.as_ref());
    let Decision::Change(mut change) = may_install(view, inspected, &new.accept)? else { return Ok(Decision::Nothing) };
    change.event.3.push_str(&provenance::told(provenance, other_signer));
    change.event.3.push_str(&registries::first_of(&faults, "; known fault: "));
    change.event.3.push_str(&acceptance::told_deprecated(view, &id.name, &inspected.reflection));
    change.mutations = vec![
        Mutation::set(Bucket::Components, installed.record.digest.to_string(), new.file.to_vec()),
        Mutation::set(Bucket::Plugins, id.to_string(), encode(&installed.record)?),
        Signers::mutation(&id.name, &signers)?,
    ];
    change.apply = Box::new(move |view, _| {
        view.signers.set(&id.name, signers);
        view.plugins.insert(id, installed);
        view.know_versions();
    });
    Ok(Decision::Change(change))
}

/// Removes a version of a plugin that no integration runs with: `NAME@VERSION`, or `NAME` where there is only one.
pub(crate) async fn remove(shared: &Shared, wanted: &str) -> Result<()> {
    let wanted = wanted.to_owned();
    let decide = move |view: &View| {
        let plugin = view.plugin(&wanted)?;
        let id = plugin.id();
        let versions: Vec<String> = view.versions(&id.name).map(|plugin| format!("`{}`", plugin.id())).collect();
        if wanted == id.name && versions.len() > 1 {
            let message =
                format!("several versions of `{wanted}` are installed; say which is to go: {}", versions.join(", "));
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
        view.pins.allow_removal(plugin)?;
        let users = view.users(&id);
        if !users.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                ErrorSource::Caller,
                format!(
                    "`{id}` is used by {}; upgrade {} to another version, or remove {} first",
                    quoted(&users),
                    if users.len() == 1 { "it" } else { "them" },
                    if users.len() == 1 { "it" } else { "them" }
                ),
            ));
        }
        if let Some(watched) = view.may_go_back_to(plugin).find(|integration| integration.is_watched()) {
            let message = format!(
                "`{}` was upgraded from `{id}` a short while ago and may go back to it; remove it when that time is over",
                watched.name
            );
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
        if let Some(rehearsed) = view.rehearsed_with(plugin).next() {
            let message = format!(
                "`{id}` is rehearsed for `{}`; end that first, with `jackfield integration shadow {} --stop`",
                rehearsed.name, rehearsed.name
            );
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
        let digest = plugin.record.digest;
        let shares = |integration: &&Arc<Integration>| {
            integration.record.share.as_ref().is_some_and(|share| share.plugin_digest == digest)
        };
        if let Some(shared) = view.integrations.values().find(shares) {
            let message = format!(
                "`{id}` has a share of the calls of `{}`; take it back first, with `jackfield integration rollback {}`",
                shared.name, shared.name
            );
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
        Ok(Decision::Change(Change {
            mutations: vec![
                Mutation::delete(Bucket::Plugins, id.to_string()).expect(Expect::Present),
                Mutation::delete(Bucket::Components, plugin.record.digest.to_string()),
            ],
            event: (EventKind::PluginRemoved, None, Some(id.name.clone()), format!("`{id}` was removed")),
            apply: Box::new(move |view, _| {
                view.plugins.remove(&id);
                view.know_versions();
            }),
        }))
    };
    shared.registrar.change(decide).await?;
    Ok(())
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
