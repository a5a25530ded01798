//! Registries: indexes of plugins, at an address or in a folder, that an operator has named. What the host knows of one is a
//! copy that it made when it was told to: choosing a version, searching and looking for known faults ask no network.

mod advisories;
mod choose;
mod host;
mod pages;
mod sync;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jackfield_fetch::{IndexPlace, IndexPlaceError};
use jackfield_index::{Root, Seen, Timestamp};
use jackfield_registry::Digest;
use jackfield_store::{Bucket, Mutation, Store};
use jackfield_trust::{Signer, SignerRule, Signers, Unsigned};
use serde::{Deserialize, Serialize};

pub use advisories::KnownFault;
pub(crate) use advisories::{first_of, judge, known, told};
pub(crate) use choose::kept;
pub use choose::{Chosen, Found};
pub(crate) use sync::Busy;
use sync::{set, sync};

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Result, TimestampMs, faults, names,
    registrar::{Change, Decision},
    shared::Shared,
    view::View,
};

/// What stands before a registry's name, in [`Bucket::Meta`]: of what was said of it, and of its index's root.
const RECORD: &str = "registry/";
const ROOT: &str = "registry-root/";

/// The most registries of a host: each is looked at for every plugin that is searched.
const MAX_REGISTRIES: usize = 64;

/// What an operator says of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewRegistry {
    /// Where its index is: `https://HOST/PATH`, or the absolute path of a folder.
    pub address: String,
    /// Who may have signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signer: Vec<SignerRule>,
    /// Whether it will do without a signature.
    #[serde(default)]
    pub unsigned: Unsigned,
    /// Its place among the others: a plugin that several have is taken from the one with the least. Behind all others unless
    /// told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

/// What is stored of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Record {
    #[serde(flatten)]
    said: NewRegistry,
    seen: Seen,
    /// What the server calls this state of the root.
    etag: Option<String>,
    /// When it was last compared with what is at its address.
    synced_at: TimestampMs,
    /// Who signed the root; nobody where that was not needed.
    signed_by: Option<Signer>,
}

/// A registry, and the root of its index as it was last seen.
#[derive(Debug)]
pub(crate) struct Registry {
    name: String,
    place: IndexPlace,
    record: Record,
    /// The root, or why what is stored cannot be read.
    root: Result<Root>,
}

/// The registries, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registries(Arc<BTreeMap<String, Arc<Registry>>>);

/// A registry as it is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegistryInfo {
    /// What the operator calls it.
    pub name: String,
    /// What was said of it.
    #[serde(flatten)]
    pub said: NewRegistry,
    /// When it was last compared with what is at its address.
    pub synced_at: TimestampMs,
    /// Who signed it; absent where that was not needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<Signer>,
    /// What its index tells of itself; absent where what is stored of it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexInfo>,
}

/// What an index tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct IndexInfo {
    /// What it calls itself.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// It grows with each change.
    pub serial: u64,
    /// When it was made.
    pub published: String,
    /// When it is believed no more.
    pub expires: String,
    /// Whether that is over: nothing new is installed by it.
    pub expired: bool,
    /// How many plugins it has.
    pub plugins: usize,
    /// How many known faults it tells of.
    pub advisories: usize,
}

impl Registries {
    /// Those that there are, in the order in which plugins are looked for in them.
    fn in_order(&self) -> Vec<&Arc<Registry>> {
        let mut all: Vec<&Arc<Registry>> = self.0.values().collect();
        all.sort_by(|a, b| (a.record.said.position, &a.name).cmp(&(b.record.said.position, &b.name)));
        all
    }

    /// The one of this name.
    fn named(&self, name: &str) -> Result<&Arc<Registry>> {
        self.0.get(name).ok_or_else(|| names::unknown("registry", name, self.0.keys().map(String::as_str)))
    }

    /// As they are told of, in order.
    pub(crate) fn infos(&self) -> Vec<RegistryInfo> {
        self.in_order().into_iter().map(|registry| registry.info()).collect()
    }

    /// One as it is told of.
    pub(crate) fn info(&self, name: &str) -> Result<RegistryInfo> {
        Ok(self.named(name)?.info())
    }

    fn with(&self, registry: Registry) -> Self {
        let mut all = (*self.0).clone();
        all.insert(registry.name.clone(), Arc::new(registry));
        Self(Arc::new(all))
    }

    fn without(&self, name: &str) -> Self {
        let mut all = (*self.0).clone();
        all.remove(name);
        Self(Arc::new(all))
    }
}

/// The index of a registry, where what is stored of it cannot be read.
fn unreadable(name: &str, reason: &str) -> Error {
    let message = format!(
        "the index of the registry `{name}` cannot be read: {reason}; run `jackfield registry sync {name}`, or add it again"
    );
    Error::new(ErrorKind::Unavailable, ErrorSource::Host, faults::text(message))
}

impl Registry {
    /// One of which nothing can be read. It keeps its name, and those behind it wait: nobody takes its plugins' place.
    fn unreadable(name: &str, reason: &str) -> Self {
        let said =
            NewRegistry { address: String::new(), signer: Vec::new(), unsigned: Unsigned::Refuse, position: Some(0) };
        let seen = Seen { name: String::new(), serial: 0, digest: Digest::of(b"") };
        let record = Record { said, seen, etag: None, synced_at: 0, signed_by: None };
        let place = IndexPlace::Folder(PathBuf::new());
        Self { name: name.to_owned(), place, record, root: Err(unreadable(name, reason)) }
    }

    fn root(&self) -> Result<&Root> {
        self.root.as_ref().map_err(Clone::clone)
    }

    /// The root, while it is believed.
    fn fresh(&self) -> Result<&Root> {
        let root = self.root()?;
        root.is_fresh(Timestamp::now()).map_err(|error| unavailable(error.to_string()))?;
        Ok(root)
    }

    fn info(&self) -> RegistryInfo {
        let index = self.root.as_ref().ok().map(|root| IndexInfo {
            name: root.name.clone(),
            description: root.description.clone(),
            serial: root.serial,
            published: root.published.to_string(),
            expires: root.expires.to_string(),
            expired: root.is_fresh(Timestamp::now()).is_err(),
            plugins: root.plugins.len(),
            advisories: root.advisories.len(),
        });
        RegistryInfo {
            name: self.name.clone(),
            said: self.record.said.clone(),
            synced_at: self.record.synced_at,
            signed_by: self.record.signed_by.clone(),
            index,
        }
    }
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, ErrorSource::Downstream, faults::text(message))
}

/// Judges what an operator says of a registry: where it is, and who may sign it.
fn check(view: &View, name: &str, said: &NewRegistry) -> Result<(IndexPlace, Signers)> {
    names::integration(name).map_err(|error| Error {
        message: error.message.replace("an integration's name", "a registry's name"),
        ..error
    })?;
    if view.registries.0.len() >= MAX_REGISTRIES && !view.registries.0.contains_key(name) {
        return Err(Error::invalid(format!("there are {MAX_REGISTRIES} registries, and no more are kept")));
    }
    // What was written is not repeated: it may be an address with a password.
    let place: IndexPlace =
        said.address.parse().map_err(|error: IndexPlaceError| Error::invalid(error.to_string()).at("/address"))?;
    if said.signer.is_empty() && said.unsigned == Unsigned::Refuse {
        let message = "say who signs the index (`--key FILE`, or `--issuer` and `--subject`), or that it will do without a signature (`--allow-unsigned`)";
        return Err(Error::invalid(message).at("/signer"));
    }
    let root = view.trust.policy()?.trust_root();
    let signers = Signers::new(&said.signer, root).map_err(|error| Error::invalid(error.to_string()).at("/signer"))?;
    Ok((place, signers))
}

/// Removes a registry. What was installed by it stays.
async fn remove(shared: &Shared, name: &str) -> Result<()> {
    shared.view.load().registries.named(name)?;
    let _turn = shared.registries.with(name).await;
    let owned = name.to_owned();
    let decide = move |view: &View| {
        view.registries.named(&owned)?;
        let registries = view.registries.without(&owned);
        Ok(Decision::Change(Change {
            mutations: vec![
                Mutation::delete(Bucket::Meta, format!("{RECORD}{owned}")),
                Mutation::delete(Bucket::Meta, format!("{ROOT}{owned}")),
            ],
            apply: Box::new(move |view, _| view.registries = registries),
            event: (EventKind::RegistryRemoved, None, None, format!("the registry `{owned}` was removed")),
        }))
    };
    shared.registrar.change(decide).await?;
    pages::clear(shared, name, &Default::default()).await;
    Ok(())
}

/// What is stored. A registry that cannot be read is there with the reason, and stops nothing.
pub(crate) async fn load(store: &dyn Store) -> Result<Registries> {
    let mut all = BTreeMap::new();
    for (key, stored) in store.list(Bucket::Meta, RECORD, None, usize::MAX).await.map_err(faults::store)? {
        let Some(name) = key.strip_prefix(RECORD) else { continue };
        let read = serde_json::from_slice::<Record>(&stored.value).map_err(|error| error.to_string());
        let read = read.and_then(|record| match record.said.address.parse::<IndexPlace>() {
            Ok(place) => Ok((record, place)),
            Err(error) => Err(error.to_string()),
        });
        let (record, place) = match read {
            Ok(read) => read,
            Err(reason) => {
                tracing::error!(registry = name, %reason, "what is stored of a registry cannot be read; add it again");
                all.insert(name.to_owned(), Arc::new(Registry::unreadable(name, &reason)));
                continue;
            }
        };
        let root = store.get(Bucket::Meta, &format!("{ROOT}{name}")).await.map_err(faults::store)?;
        let read = root.ok_or_else(|| "it is not there".to_owned()).and_then(|stored| {
            let root = Root::read(&stored.value).map_err(|error| error.to_string())?;
            root.follows(&stored.value, &record.seen).map_err(|error| error.to_string()).map(|()| root)
        });
        let root = read.map_err(|reason| {
            let message = format!(
                "the index of the registry `{name}` cannot be read: {reason}; run `jackfield registry sync {name}`"
            );
            Error::new(ErrorKind::Unavailable, ErrorSource::Host, faults::text(message))
        });
        let registry = Registry { name: name.to_owned(), place, record, root };
        all.insert(name.to_owned(), Arc::new(registry));
    }
    Ok(Registries(Arc::new(all)))
}
