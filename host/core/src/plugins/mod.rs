//! Installed plugins: one version of a name at a time, pinned by the digest of its file.
//!
//! Another version takes the place of the one before only while no integration uses that: what an integration runs on
//! never changes under it.

mod inspect;
mod known;
mod load;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use jackfield_engine as engine;
use jackfield_reflect::Reflection;
use jackfield_registry::{Digest, Manifest};
use jackfield_store::{Bucket, Expect, Mutation};
use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, OperationInfo, PluginInfo, Result, TimestampMs,
    clock::now_ms,
    config::Schema,
    registrar::{Change, Decision, encode},
    shared::Shared,
    view::{View, operation_info},
};
pub(crate) use load::{load_all, sandbox};

/// Judges a plugin's file as an installation would, without running anything of it; its operations, each with the short
/// name of its capability.
pub fn inspect_plugin(file: &[u8]) -> Result<Vec<(String, OperationInfo)>> {
    let inspected = inspect::inspect(file, &View::default())?;
    let of = |capability: &jackfield_reflect::Capability| {
        let name = capability.id.name.clone();
        capability.operations.iter().map(move |o| (name.clone(), operation_info(o))).collect::<Vec<_>>()
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
}

/// An installed plugin.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) record: PluginRecord,
    /// What runs, or why it cannot.
    pub(crate) code: Result<Code>,
}

/// A plugin that can run.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) plugin: Arc<engine::Plugin>,
    pub(crate) reflection: Arc<Reflection>,
    pub(crate) wit: String,
    pub(crate) schema: Schema,
}

impl Installed {
    pub(crate) fn name(&self) -> &str {
        &self.record.manifest.plugin.name
    }

    pub(crate) fn info(&self, view: &View) -> PluginInfo {
        let PluginRecord { digest, size, installed_at, manifest } = &self.record;
        let capabilities: BTreeSet<String> = manifest.plugin.capabilities.iter().map(|c| c.package_id()).collect();
        PluginInfo {
            name: manifest.plugin.name.clone(),
            version: manifest.plugin.version.clone(),
            digest: digest.to_string(),
            size: *size,
            installed_at: *installed_at,
            capabilities: capabilities.into_iter().collect(),
            integrations: view.users(&manifest.plugin.name),
            manifest: manifest.clone(),
        }
    }
}

/// Installs a plugin from its file's bytes. Returns whether it was not installed already.
pub(crate) async fn install(shared: &Shared, bytes: Vec<u8>) -> Result<(PluginInfo, bool)> {
    let bytes = Bytes::from(bytes);
    let view = shared.view.load_full();
    let inspected = {
        let (bytes, view) = (bytes.clone(), view.clone());
        let inspect = move || inspect::inspect(&bytes, &view);
        tokio::task::spawn_blocking(inspect).await.map_err(|e| Error::internal(e.to_string()))??
    };
    let digest = inspected.package.digest;
    let name = inspected.package.manifest.plugin.name.clone();
    if let Decision::Nothing = may_install(&view, &inspected)? {
        return Ok((view.plugin(&name)?.info(&view), false));
    }
    let code = load::prepare(shared, inspected.clone(), bytes.clone()).await?;
    let record = PluginRecord {
        digest,
        size: bytes.len() as u64,
        installed_at: now_ms(),
        manifest: inspected.package.manifest.clone(),
    };
    let installed = Arc::new(Installed { record, code: Ok(code) });
    let new = shared.registrar.change(move |view| decide(view, inspected, installed, &bytes)).await?;
    let view = shared.view.load();
    Ok((view.plugin(&name)?.info(&view), new))
}

/// Whether a plugin may take its name's place, as things are.
fn may_install(view: &View, inspected: &inspect::Inspected) -> Result<Decision> {
    let manifest = &inspected.package.manifest.plugin;
    let (name, version) = (&manifest.name, &manifest.version);
    if let Some(old) = view.plugins.get(name) {
        let old_version = &old.record.manifest.plugin.version;
        if old.record.digest == inspected.package.digest && old.code.is_ok() {
            return Ok(Decision::Nothing);
        }
        if old_version == version && old.record.digest != inspected.package.digest {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                ErrorSource::Caller,
                format!(
                    "`{name}` {version} is installed already, from another file ({}); give the new one another version, or remove the installed one first",
                    old.record.digest
                ),
            ));
        }
        let users = view.users(name);
        if !users.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                ErrorSource::Caller,
                format!(
                    "`{name}` {old_version} is installed and used by {}; remove {} before you install {version}",
                    quoted(&users),
                    if users.len() == 1 { "that integration" } else { "those integrations" }
                ),
            ));
        }
    }
    inspect::fits_others(view, inspected)?;
    Ok(Decision::Change(Change {
        mutations: Vec::new(),
        apply: Box::new(|_, _| {}),
        event: (EventKind::PluginInstalled, None, Some(name.clone()), format!("`{name}` {version} was installed")),
    }))
}

fn decide(view: &View, inspected: inspect::Inspected, installed: Arc<Installed>, file: &Bytes) -> Result<Decision> {
    let Decision::Change(mut change) = may_install(view, &inspected)? else { return Ok(Decision::Nothing) };
    let name = installed.name().to_owned();
    let component = installed.record.digest.to_string();
    change.mutations = vec![
        Mutation::set(Bucket::Components, component.clone(), file.to_vec()),
        Mutation::set(Bucket::Plugins, name.clone(), encode(&installed.record)?),
    ];
    if let Some(old) = view.plugins.get(&name)
        && old.record.digest != installed.record.digest
    {
        change.mutations.push(Mutation::delete(Bucket::Components, old.record.digest.to_string()));
    }
    change.apply = Box::new(move |view, _| {
        view.plugins.insert(name, installed);
    });
    Ok(Decision::Change(change))
}

/// Removes a plugin that no integration uses.
pub(crate) async fn remove(shared: &Shared, name: &str) -> Result<()> {
    let name = name.to_owned();
    let decide = move |view: &View| {
        let plugin = view.plugin(&name)?;
        let users = view.users(&name);
        if !users.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                ErrorSource::Caller,
                format!(
                    "`{name}` is used by {}; remove {} first",
                    quoted(&users),
                    if users.len() == 1 { "it" } else { "them" }
                ),
            ));
        }
        Ok(Decision::Change(Change {
            mutations: vec![
                Mutation::delete(Bucket::Plugins, name.clone()).expect(Expect::Present),
                Mutation::delete(Bucket::Components, plugin.record.digest.to_string()),
            ],
            event: (EventKind::PluginRemoved, None, Some(name.clone()), format!("`{name}` was removed")),
            apply: Box::new(move |view, _| {
                view.plugins.remove(&name);
            }),
        }))
    };
    shared.registrar.change(decide).await?;
    Ok(())
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
