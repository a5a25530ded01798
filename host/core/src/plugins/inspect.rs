//! Reading a plugin's file: whether it is one, whether its parts agree, and whether it fits this host and what is
//! installed already. Nothing of it has run when this is done. Pure, but slow: parsing takes milliseconds.

use std::{collections::BTreeSet, sync::Arc};

use jackfield_reflect::{InterfaceId, OperationKind, ReflectError, Reflection, did_you_mean, differences, reflect};
use jackfield_registry::{Package, Writes};
use jackfield_vault::CredentialKind;

use super::known;
use crate::{Error, ErrorKind, ErrorSource, Result, config::Schema, faults, view::View};

/// What a plugin exports that makes credentials.
const ISSUER: &str = "jackfield:plugin/credential-issuer";

/// A plugin's file that is as it should be.
#[derive(Clone)]
pub(super) struct Inspected {
    pub(super) package: Arc<Package>,
    pub(super) reflection: Arc<Reflection>,
}

/// Reads a plugin's file and checks it against itself and this host. Differences to other installed plugins are told
/// first where there are some, since the plugin's own WIT then explains nothing.
pub(super) fn inspect(file: &[u8], view: &View) -> Result<Inspected> {
    let package = Package::read(file).map_err(faults::package)?;
    fits_host(&package)?;
    let reflection = reflect(file, &package.wit).map_err(faults::reflection)?;
    fits_manifest(&package, &reflection)?;
    fits_writes(&package, &reflection)?;
    known::fits(&reflection)?;
    Schema::new(&package.manifest.config)?;
    let inspected = Inspected { package: Arc::new(package), reflection: Arc::new(reflection) };
    fits_others(view, &inspected)?;
    Ok(inspected)
}

/// Whether the manifest's range of hosts holds this one.
fn fits_host(package: &Package) -> Result<()> {
    let plugin = &package.manifest.plugin;
    let this = env!("CARGO_PKG_VERSION");
    let fits = semver::Version::parse(this).is_ok_and(|this| plugin.host.matches(&this));
    if fits {
        return Ok(());
    }
    let message = format!(
        "`{}` {} is made for a Jackfield of version {}; this is {this}: use another version of the plugin or of Jackfield",
        plugin.name, plugin.version, plugin.host
    );
    Err(Error::new(ErrorKind::Unsupported, ErrorSource::Caller, message))
}

/// Whether the manifest names exactly the capabilities that the component exports.
fn fits_manifest(package: &Package, reflection: &Reflection) -> Result<()> {
    let claimed: BTreeSet<String> = package.manifest.plugin.capabilities.iter().map(|c| c.interface_id()).collect();
    let exported: BTreeSet<String> = reflection
        .capabilities
        .iter()
        .flat_map(|capability| capability.package.interfaces.iter().map(|interface| interface.id.clone()))
        .collect();
    let missing =
        claimed.difference(&exported).map(|id| format!("\n  - it lists `{id}`, which the component does not export"));
    let unlisted =
        exported.difference(&claimed).map(|id| format!("\n  - it does not list `{id}`, which the component exports"));
    let faults: String = missing.chain(unlisted).collect();
    if faults.is_empty() {
        return fits_issuer(package, reflection);
    }
    Err(Error::invalid(format!(
        "the manifest's `capabilities` do not match the component; correct them and pack it again:{faults}"
    )))
}

/// Whether the manifest lists the credentials that the component makes, if it makes any.
fn fits_issuer(package: &Package, reflection: &Reflection) -> Result<()> {
    let exported = reflection.exports.iter().any(|export| export.id.starts_with(ISSUER));
    let issues = &package.manifest.plugin.issues;
    if exported == issues.is_empty() {
        let (lists, exports) = if exported { ("does not list", "exports") } else { ("lists", "does not export") };
        return Err(Error::invalid(format!(
            "the manifest {lists} the types of the credentials that the plugin makes (`issues`), and the component \
             {exports} `{ISSUER}`; correct one of them and pack it again"
        )));
    }
    match issues.iter().find(|kind| CredentialKind::parse(kind).is_none()) {
        None => Ok(()),
        Some(kind) => Err(Error::invalid(format!(
            "the manifest's `issues` lists `{kind}`, which is no type of credential that this Jackfield has.{}",
            did_you_mean(kind, CredentialKind::ALL.map(CredentialKind::as_str))
        ))),
    }
}

/// Whether what the manifest promises of writes is about writes that there are.
fn fits_writes(package: &Package, reflection: &Reflection) -> Result<()> {
    let operations = || reflection.capabilities.iter().flat_map(|capability| &capability.operations);
    let writes: Vec<String> =
        operations().filter(|o| o.kind == OperationKind::Write).map(|operation| operation.action()).collect();
    let promises = &package.manifest.writes.once_by_key;
    let about = |pattern: &String| {
        let alone = Writes { once_by_key: vec![pattern.clone()] };
        writes.iter().any(|write| alone.are_once_by_key(write))
    };
    match promises.iter().find(|pattern| !about(pattern)) {
        None => Ok(()),
        Some(pattern) => Err(Error::invalid(format!(
            "the manifest's `writes.once-by-key` names `{pattern}`, which is no write of the component's.{}",
            did_you_mean(pattern, writes.iter().map(String::as_str))
        ))),
    }
}

/// Whether capabilities that installed plugins export too are the same ones: a caller of a capability must be able to rely
/// on one form of it.
pub(super) fn fits_others(view: &View, inspected: &Inspected) -> Result<()> {
    let own = super::id_of(&inspected.package.manifest);
    for (id, other) in view.plugins.iter().filter(|(id, _)| **id != own) {
        let Ok(code) = &other.code else { continue };
        let interfaces = code.reflection.capabilities.iter().flat_map(|c| &c.package.interfaces);
        for theirs in interfaces {
            let ours = inspected.reflection.capabilities.iter().flat_map(|c| &c.package.interfaces);
            let Some(ours) = ours.into_iter().find(|ours| ours.id == theirs.id) else { continue };
            let drift = differences(theirs, ours);
            if !drift.is_empty() {
                let message = format!(
                    "this plugin's form of a capability differs from that of the installed `{}`: {}\nGive the changed capability a version of its own.",
                    id,
                    ReflectError::Drift(drift)
                );
                return Err(Error::invalid(message));
            }
        }
    }
    Ok(())
}

/// The interface a text names, if it names one.
pub(super) fn interface(id: &str) -> Option<InterfaceId> {
    id.parse().ok()
}
