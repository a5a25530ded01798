//! The interfaces this host knows: what it offers to plugins, what every plugin must export, and its own capabilities. A
//! plugin made from another edition of them is refused with the difference in words, where a linker would only say that
//! types do not match.

use std::sync::{Arc, LazyLock};

use jackfield_reflect::{
    Difference, Interface, InterfaceId, Operation, Package, ReflectError, Reflection, differences, import_differences,
    operations, read_wit,
};
use jackfield_registry::first_party_wit;

use super::inspect::interface;
use crate::{Error, Result, faults};

const PLUGIN: &str = "jackfield:plugin";
const LIFECYCLE: &str = "lifecycle";

/// Reading it cannot fail but by a mistake of ours, which every test would meet.
static KNOWN: LazyLock<Result<Vec<Package>, String>> =
    LazyLock::new(|| read_wit(&bundle()).map_err(|e| format!("the WIT of this host cannot be read: {e}")));

/// The first-party packages in nested form.
fn bundle() -> String {
    let mut packages: Vec<(&str, String)> = Vec::new();
    for (id, text) in first_party_wit() {
        let body = text.lines().filter(|line| !line.starts_with("package ")).map(|line| format!("{line}\n"));
        match packages.iter_mut().find(|(known, _)| known == id) {
            Some((_, bodies)) => bodies.extend(body),
            None => packages.push((id, body.collect())),
        }
    }
    let nested = packages.iter().map(|(id, body)| format!("package {id} {{\n{body}}}\n"));
    format!("package jackfield:bundle;\n{}", nested.collect::<String>())
}

/// The interfaces of this host's own capabilities, with their operations: versions that are known though no plugin has them.
/// What plugins use, and what is none of a capability, cannot be served and is not among them.
pub(crate) fn own_interfaces() -> &'static [(InterfaceId, Vec<Arc<Operation>>)] {
    static OWN: LazyLock<Vec<(InterfaceId, Vec<Arc<Operation>>)>> = LazyLock::new(|| {
        let packages = KNOWN.as_ref().map_or(&[][..], Vec::as_slice);
        let capabilities = packages.iter().filter(|package| package.id.package() != PLUGIN);
        let mut all: Vec<(InterfaceId, Vec<Arc<Operation>>)> = Vec::new();
        for operation in capabilities.filter_map(|package| operations(package).ok()).flatten() {
            let Some(id) = interface(&operation.interface) else { continue };
            match all.iter_mut().find(|(known, _)| *known == id) {
                Some((_, operations)) => operations.push(Arc::new(operation)),
                None => all.push((id, vec![Arc::new(operation)])),
            }
        }
        all
    });
    &OWN
}

/// Whether a plugin was made from the same edition of everything this host knows.
pub(super) fn fits(reflection: &Reflection) -> Result<()> {
    let known = KNOWN.as_ref().map_err(|reason| Error::internal(reason.clone()))?;
    let find = |id: &str| known.iter().flat_map(|p| &p.interfaces).find(|interface| interface.id == id);
    let mut drift: Vec<Difference> = Vec::new();
    for import in &reflection.imports {
        match find(&import.id) {
            Some(offered) => drift.extend(import_differences(offered, import)),
            None => drift.extend(other_version(known, &import.id)),
        }
    }
    let mut lifecycle = false;
    for export in &reflection.exports {
        match find(&export.id) {
            Some(expected) => drift.extend(differences(expected, export)),
            // Of the lifecycle another version is one we cannot call.
            None if is_plugin(&export.id) => drift.extend(other_version(known, &export.id)),
            // A package of ours in a version we have is ours to define, to its last interface.
            None if known.iter().any(|ours| interface(&export.id).is_some_and(|id| id.package == ours.id)) => {
                drift.push(Difference {
                    interface: export.id.clone(),
                    what:
                        "this host has the package, in this version, without such an interface; build the plugin with \
                           the SDK of this Jackfield, or export it under a namespace of your own"
                            .to_owned(),
                });
            }
            // Another version of a capability is another capability, and a plugin newer than its host is to work. Who may
            // publish under which namespace is for the operator's trust in the plugin's source to say.
            None => {}
        }
        lifecycle |= interface(&export.id).is_some_and(|id| id.package.package() == PLUGIN && id.name == LIFECYCLE);
    }
    if !lifecycle {
        return Err(Error::invalid(format!(
            "the component does not export `{PLUGIN}/{LIFECYCLE}`, which every plugin must; build it with Jackfield's SDK, or export that interface"
        )));
    }
    if drift.is_empty() { Ok(()) } else { Err(faults::reflection(ReflectError::Drift(drift))) }
}

fn is_plugin(id: &str) -> bool {
    interface(id).is_some_and(|id| id.package.package() == PLUGIN)
}

/// An interface of `jackfield:plugin` that this host has in another version, or not at all.
fn other_version(known: &[Package], id: &str) -> Option<Difference> {
    let wanted = interface(id).filter(|id| id.package.package() == PLUGIN)?;
    let package = known.iter().find(|package| package.id.package() == PLUGIN)?;
    let has = |interface: &&Interface| self::interface(&interface.id).is_some_and(|i| i.name == wanted.name);
    let what = match package.interfaces.iter().find(has) {
        Some(_) => format!(
            "the plugin was built for version {} of it, this host has {}; use a Jackfield or an SDK of the same version",
            wanted.package.version, package.id.version
        ),
        None => "this host has no such interface; build the plugin with the SDK of this Jackfield".to_owned(),
    };
    Some(Difference { interface: id.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reflection(imports: &str, exports: &str) -> Reflection {
        let read = |text: &str| {
            let packages = read_wit(&format!("package x:bundle; {text}")).unwrap();
            packages.into_iter().flat_map(|package| package.interfaces).collect()
        };
        Reflection { capabilities: Vec::new(), imports: read(imports), exports: read(exports) }
    }

    fn lifecycle() -> Interface {
        let known = KNOWN.as_ref().unwrap();
        known.iter().flat_map(|p| &p.interfaces).find(|i| i.id == "jackfield:plugin/lifecycle@0.1.0").unwrap().clone()
    }

    #[test]
    fn every_first_party_package_is_read() {
        let known: Vec<String> = KNOWN.as_ref().unwrap().iter().map(|package| package.id.to_string()).collect();
        for (id, _) in first_party_wit() {
            assert!(known.iter().any(|k| k == id), "{id} is not among {known:?}");
        }
    }

    #[test]
    fn a_component_without_a_lifecycle_is_told_what_is_missing() {
        let error = fits(&reflection("", "")).unwrap_err();
        assert!(error.message.contains("jackfield:plugin/lifecycle"), "{error}");
    }

    #[test]
    fn a_newer_import_is_told_by_its_version_and_a_changed_one_by_what_changed() {
        let fits_with = |imports: &str| {
            let mut reflection = reflection(imports, "");
            reflection.exports.push(lifecycle());
            fits(&reflection)
        };
        assert!(fits_with("").is_ok());
        let error =
            fits_with("package jackfield:plugin@0.2.0 { interface config { get: func() -> string; } }").unwrap_err();
        assert!(error.message.contains("version 0.2.0") && error.message.contains("has 0.1.0"), "{error}");
        let error = fits_with("package jackfield:plugin@0.1.0 { interface config { get: func(a: u8) -> string; } }")
            .unwrap_err();
        assert!(error.message.contains("`get` gained a parameter `a`"), "{error}");
        let error = fits_with("package jackfield:plugin@0.1.0 { interface sockets { get: func(); } }").unwrap_err();
        assert!(error.message.contains("no such interface"), "{error}");
    }

    #[test]
    fn a_changed_capability_of_ours_is_refused_and_another_version_of_it_is_not() {
        let fits_with = |version: &str, name: &str| {
            let wit = format!("package jackfield:metrics@{version} {{ interface {name} {{ query: func(q: u8); }} }}");
            let mut reflection = reflection("", &wit);
            reflection.exports.push(lifecycle());
            fits(&reflection)
        };
        let error = fits_with("0.1.0", "metrics").unwrap_err();
        assert!(error.message.contains("jackfield:metrics/metrics@0.1.0"), "{error}");
        let error = fits_with("0.1.0", "extras").unwrap_err();
        assert!(error.message.contains("without such an interface"), "{error}");
        assert!(fits_with("0.9.0", "metrics").is_ok());
    }
}
