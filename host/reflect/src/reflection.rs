//! What a plugin offers: its component's own type, held against the WIT that travels with it.
//!
//! A component carries names and types but no docs; the WIT text beside it carries docs but proves nothing. So the
//! component decides what is there, the WIT decides what it means, and where they differ the plugin is refused with the
//! difference in words.

use std::sync::Arc;

use crate::{
    CapabilityId, InterfaceId, Operation, ReflectError, differences, model::Package, operations, read_component,
    read_wit,
};

/// A capability as one plugin exports it.
#[derive(Clone, Debug)]
pub struct Capability {
    /// Its name and version.
    pub id: CapabilityId,
    /// What it is: the package's docs, or else those of its first interface.
    pub docs: String,
    /// The operations the plugin exports, in WIT's order.
    pub operations: Vec<Arc<Operation>>,
    /// The package as the plugin's WIT describes it, cut down to the interfaces it exports.
    pub package: Package,
}

/// What a plugin offers and needs.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// Its capabilities, in the order of their names.
    pub capabilities: Vec<Capability>,
    /// The interfaces it imports, as its own type says.
    pub imports: Vec<crate::Interface>,
    /// The interfaces it exports, as its own type says.
    pub exports: Vec<crate::Interface>,
}

impl Reflection {
    /// The capability `wanted` names, if there is exactly one; the newest where several versions answer.
    pub fn capability(&self, wanted: &str) -> Option<&Capability> {
        self.capabilities.iter().filter(|c| c.id.answers_to(wanted)).max_by(|a, b| a.id.version.cmp(&b.id.version))
    }
}

/// The interface that every plugin exports for the host, which is no capability.
fn is_lifecycle(interface: &InterfaceId) -> bool {
    interface.package.package() == "jackfield:plugin"
}

/// Reflects a component with the WIT of its capabilities.
pub fn reflect(component: &[u8], wit: &str) -> Result<Reflection, ReflectError> {
    let found = read_component(component)?;
    let described = read_wit(wit)?;
    let mut packages: Vec<Package> = Vec::new();
    for export in &found.exports {
        let Ok(id) = export.id.parse::<InterfaceId>() else {
            return Err(ReflectError::Unservable {
                operation: export.id.clone(),
                reason: "an exported interface needs a package with a version, e.g. `acme:dns/dns@0.1.0`".into(),
            });
        };
        if is_lifecycle(&id) {
            continue;
        }
        let undescribed = || ReflectError::Undescribed { interface: export.id.clone() };
        let package = described.iter().find(|p| p.id == id.package).ok_or_else(undescribed)?;
        let interface = package.interfaces.iter().find(|i| i.id == export.id).ok_or_else(undescribed)?;
        let drift = differences(interface, export);
        if !drift.is_empty() {
            return Err(ReflectError::Drift(drift));
        }
        match packages.iter_mut().find(|p| p.id == id.package) {
            Some(package) => package.interfaces.push(interface.clone()),
            None => packages.push(Package {
                id: id.package,
                docs: package.docs.clone(),
                interfaces: vec![interface.clone()],
            }),
        }
    }
    packages.sort_by(|a, b| a.id.cmp(&b.id));
    let capabilities = packages.into_iter().map(capability).collect::<Result<_, _>>()?;
    Ok(Reflection { capabilities, imports: found.imports, exports: found.exports })
}

fn capability(mut package: Package) -> Result<Capability, ReflectError> {
    // The interface named like its package comes first: it is what the capability is about.
    let name = package.id.name.clone();
    package.interfaces.sort_by_key(|i| i.id.parse::<InterfaceId>().map_or(true, |id| id.name != name));
    let docs = match package.docs.as_str() {
        "" => package.interfaces.first().map(|i| i.docs.clone()).unwrap_or_default(),
        docs => docs.to_owned(),
    };
    let operations = operations(&package)?.into_iter().map(Arc::new).collect();
    Ok(Capability { id: package.id.clone(), docs, operations, package })
}
