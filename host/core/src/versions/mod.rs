//! The versions of a capability that are known here, and how each is translated into each other: a client that speaks one
//! version of a capability can call an integration that speaks another.
//!
//! A version is known where WIT of it is: in an installed plugin, whether anything runs with it or not, or among the host's
//! own. What can be translated is decided once, when a plugin is installed or loaded, by the structure of both forms
//! ([`jackfield_reflect::adapt`]); nothing about a capability is written down by hand.

mod target;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jackfield_reflect::{Adapter, CapabilityId, InterfaceId, Mismatch, Operation, adapt};

use crate::{TimestampMs, plugins::Installed};
pub(crate) use target::{Target, feed, target};
pub use told::{CapabilityComparison, OperationComparison, TranslatedInfo, UntranslatedInfo};

/// How each operation of an interface is called by who speaks another version of it, or why it cannot be.
type Table = BTreeMap<String, Result<Arc<Adapter>, Arc<Mismatch>>>;

/// What is known of capabilities' versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    interfaces: BTreeMap<InterfaceId, Known>,
    /// By what an integration speaks and what its caller does.
    tables: BTreeMap<(InterfaceId, InterfaceId), Arc<Table>>,
}

/// An interface in one version.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) operations: Vec<Arc<Operation>>,
    /// When the first plugin that has it was installed; none where the host alone has it.
    pub(super) told_at: Option<TimestampMs>,
}

impl Versions {
    /// What is known with these plugins. What was compared `before` is not compared again: a version has one form, whoever
    /// brings it.
    pub(crate) fn of<'p>(
        own: &[(InterfaceId, Vec<Arc<Operation>>)],
        plugins: impl Iterator<Item = &'p Arc<Installed>>,
        before: &Self,
    ) -> Self {
        let known = |(id, operations): &(InterfaceId, Vec<Arc<Operation>>)| {
            (id.clone(), Known { operations: operations.clone(), told_at: None })
        };
        let mut interfaces: BTreeMap<InterfaceId, Known> = own.iter().map(known).collect();
        for plugin in plugins {
            let Ok(code) = &plugin.code else { continue };
            let installed_at = plugin.record.installed_at;
            for capability in &code.reflection.capabilities {
                for interface in &capability.package.interfaces {
                    let Ok(id) = interface.id.parse::<InterfaceId>() else { continue };
                    let of = |operation: &&Arc<Operation>| operation.interface == interface.id;
                    let known = interfaces.entry(id).or_insert_with(|| Known {
                        operations: capability.operations.iter().filter(of).cloned().collect(),
                        told_at: None,
                    });
                    known.told_at = Some(known.told_at.map_or(installed_at, |first| first.min(installed_at)));
                }
            }
        }
        let mut versions: BTreeMap<(String, &str), Vec<&InterfaceId>> = BTreeMap::new();
        for id in interfaces.keys() {
            versions.entry((id.package.package(), &id.name)).or_default().push(id);
        }
        let mut tables = BTreeMap::new();
        for ids in versions.values() {
            for (have, wanted) in ids.iter().flat_map(|have| ids.iter().map(move |wanted| (*have, *wanted))) {
                if have == wanted {
                    continue;
                }
                let pair = (have.clone(), wanted.clone());
                let table = before.tables.get(&pair).cloned();
                let table = table.unwrap_or_else(|| Arc::new(table_of(&interfaces[have], &interfaces[wanted])));
                tables.insert(pair, table);
            }
        }
        Self { interfaces, tables }
    }

    /// The versions that are known of a package, in order.
    fn versions_of(&self, package: &str) -> BTreeSet<&semver::Version> {
        self.interfaces.keys().filter(|id| id.package.package() == package).map(|id| &id.package.version).collect()
    }

    /// The operations of a capability in one version, with the interface of each.
    fn operations<'v>(
        &'v self,
        capability: &'v CapabilityId,
    ) -> impl Iterator<Item = (&'v InterfaceId, &'v Known, &'v Arc<Operation>)> + 'v {
        let interfaces = self.interfaces.iter().filter(move |(id, _)| id.package == *capability);
        interfaces.flat_map(|(id, known)| known.operations.iter().map(move |operation| (id, known, operation)))
    }

    /// How an operation of `have` is called by who speaks `wanted`; none where one of them has no such operation.
    fn adapter(
        &self,
        have: &InterfaceId,
        wanted: &InterfaceId,
        operation: &str,
    ) -> Option<&Result<Arc<Adapter>, Arc<Mismatch>>> {
        self.tables.get(&(have.clone(), wanted.clone()))?.get(operation)
    }
}

fn table_of(have: &Known, wanted: &Known) -> Table {
    let pairs = have.operations.iter().filter_map(|operation| {
        let other = wanted.operations.iter().find(|other| other.name == operation.name)?;
        Some((operation, other))
    });
    pairs
        .map(|(have, wanted)| {
            let adapter = adapt(have, wanted).map(Arc::new).map_err(|mismatch| Arc::new(*mismatch));
            (have.name.clone(), adapter)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{operations, read_wit};

    use super::*;

    fn own(texts: &[(&str, &str)]) -> Vec<(InterfaceId, Vec<Arc<Operation>>)> {
        let read = |(version, body): &(&str, &str)| {
            let package =
                read_wit(&format!("package acme:dns@{version}; interface dns {{ {body} }}")).unwrap().remove(0);
            let operations = operations(&package).unwrap().into_iter().map(Arc::new).collect();
            (package.interfaces[0].id.parse().unwrap(), operations)
        };
        texts.iter().map(read).collect()
    }

    #[test]
    fn each_version_is_compared_with_each_other_both_ways_and_once() {
        let own = own(&[
            ("0.1.0", "get: func(name: string) -> string; zones: func();"),
            ("0.2.0", "get: func(name: string, limit: option<u32>) -> string;"),
            ("1.0.0", "get: func(name: string, zone: string) -> string;"),
        ]);
        let versions = Versions::of(&own, std::iter::empty(), &Versions::default());
        let id = |version: &str| format!("acme:dns/dns@{version}").parse::<InterfaceId>().unwrap();
        let can = |have: &str, wanted: &str| versions.adapter(&id(have), &id(wanted), "get").map(Result::is_ok);
        assert_eq!(can("0.1.0", "0.2.0"), Some(true));
        assert_eq!(can("0.2.0", "0.1.0"), Some(true));
        assert_eq!(can("0.1.0", "1.0.0"), Some(false));
        assert_eq!(can("1.0.0", "0.1.0"), Some(false));
        assert_eq!(can("0.1.0", "0.1.0"), None, "what speaks the same needs no translation");
        assert!(versions.adapter(&id("0.1.0"), &id("0.2.0"), "zones").is_none(), "an operation that only one has");
        assert_eq!(versions.tables.len(), 6);

        let again = Versions::of(&own, std::iter::empty(), &versions);
        let same = |pair: &(InterfaceId, InterfaceId)| Arc::ptr_eq(&again.tables[pair], &versions.tables[pair]);
        assert!(versions.tables.keys().all(same), "what was compared is not compared again");
        let fewer = Versions::of(&own[..2], std::iter::empty(), &again);
        assert_eq!(fewer.tables.len(), 2, "what is known no more is forgotten");
    }
}
