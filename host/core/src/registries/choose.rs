//! Finding plugins in registries, and choosing one: by what is known here, with no network asked. What is fetched in the end
//! must be the very file that the index names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jackfield_fetch::{Fetched, Place};
use jackfield_index::{
    Advisory, Choice, Conflict, Deprecation, Location, Page, Site, Source, Timestamp, Want, package_path, resolve,
};
use jackfield_registry::{CapabilityRef, Digest, MAX_PACKAGE_BYTES};
use semver::Version;
use serde::Serialize;

use super::{Registry, pages};
use crate::{
    Error, ErrorKind, ErrorSource, NewPlugin, Result, faults,
    plugins::{AllowAdvisories, arrived, fetched},
    shared::Shared,
    view::View,
};

/// The most plugins that a search finds; whoever has more says more of what he looks for.
const MOST_FOUND: usize = 500;

/// A release that installing a plugin by its name takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Chosen {
    /// The registry that it is from.
    pub registry: String,
    /// The plugin.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Of its file.
    pub digest: Digest,
    /// Where its file is: a place, or a path from the index.
    pub place: String,
    /// That it is to be used no more, and what instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// What is known to be wrong with it, and is let pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<Advisory>,
    /// Newer releases of what was wanted that would not do, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<String>,
}

/// A plugin that a registry has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// The registry.
    pub registry: String,
    /// The plugin.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Its newest version that was not taken back and is no prerelease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Version>,
    /// What that exports.
    pub capabilities: Vec<CapabilityRef>,
    /// Whether it is to be used no more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// The registry before this one from which the plugin is taken where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<String>,
    /// The versions of a plugin of this name that are installed.
    pub installed: Vec<Version>,
}

/// The plugins of registries in whose name, description or capabilities all words of a text occur.
pub(super) fn search(view: &View, text: &str) -> Vec<Found> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut all = Vec::new();
    for registry in view.registries.in_order() {
        let Ok(root) = registry.root() else { continue };
        for (name, listing) in &root.plugins {
            let before = *first.entry(name).or_insert(&registry.name);
            let offers: String = listing.capabilities.iter().map(|capability| format!(" {capability}")).collect();
            let said = format!("{name} {}{offers}", listing.description).to_lowercase();
            if !words.iter().all(|word| said.contains(word.as_str())) {
                continue;
            }
            all.push(Found {
                registry: registry.name.clone(),
                name: name.clone(),
                description: listing.description.clone(),
                newest: listing.newest.clone(),
                capabilities: listing.capabilities.clone(),
                deprecated: listing.deprecated,
                hidden_by: (before != registry.name).then(|| before.to_owned()),
                installed: view.versions(name).map(|plugin| plugin.version().clone()).collect(),
            });
        }
    }
    // Who is looked for by name stands first.
    let named = |found: &Found| words.first().is_some_and(|word| *word == found.name);
    all.sort_by_key(|found| !named(found));
    all.truncate(MOST_FOUND);
    all
}

/// The release that will do.
pub(super) async fn choose(shared: &Shared, want: &Want, allow: &AllowAdvisories) -> Result<Chosen> {
    let (_, choice) = chosen(shared, want, allow).await?;
    let Choice { index, release, advisories, deprecated, passed_over, want } = choice;
    Ok(Chosen {
        registry: index,
        name: want.name,
        version: release.version,
        digest: release.digest,
        place: release.place.to_string(),
        deprecated,
        advisories,
        passed_over: passed_over.iter().map(ToString::to_string).collect(),
    })
}

async fn chosen(shared: &Shared, want: &Want, allow: &AllowAdvisories) -> Result<(Arc<Registry>, Choice)> {
    let view = shared.view.load_full();
    if view.registries.0.is_empty() {
        let message = "no registry is known that could have it; add one with `jackfield registry add`, or name a file or a place (`oci://…`, `https://…`)";
        return Err(Error::not_found(message.to_owned()));
    }
    let mut known: Vec<(Arc<Registry>, BTreeMap<String, Page>)> = Vec::new();
    for registry in view.registries.in_order() {
        // One that cannot be read is among them: passing it over would have a later one take its place.
        let page = match registry.root {
            Ok(_) => pages::read(shared, registry, &want.name).await?,
            Err(_) => None,
        };
        known.push((registry.clone(), page.map(|page| (want.name.clone(), page)).into_iter().collect()));
    }
    let (site, want) = (site(&view, &want.name, allow)?, want.clone());
    // Of a large index it takes time: not on a thread that others wait for.
    let choosing = move || {
        let mut sources = Vec::new();
        for (registry, pages) in &known {
            sources.push(Source { name: &registry.name, root: registry.root.as_ref().ok(), pages });
        }
        resolve(std::slice::from_ref(&want), &sources, &site).map_err(|conflict| unmet(&conflict))
    };
    let choices = tokio::task::spawn_blocking(choosing).await.map_err(|ended| Error::internal(ended.to_string()))??;
    let choice =
        choices.into_iter().next().ok_or_else(|| Error::internal("nothing was chosen, and nothing refused"))?;
    let registry = view.registries.named(&choice.index)?.clone();
    Ok((registry, choice))
}

/// What there is here to choose for.
fn site(view: &View, name: &str, allow: &AllowAdvisories) -> Result<Site> {
    let host = env!("CARGO_PKG_VERSION").parse().map_err(|_| Error::internal("the host's own version is none"))?;
    let mut site = Site::new(host, Timestamp::now());
    // With whichever fault somebody says is all right, the installation is judged again when its manifest is there.
    site.refuse_from = match allow {
        AllowAdvisories::Only(ids) if ids.is_empty() => view.trust.policy()?.advisories().refused_from(),
        _ => None,
    };
    let installed: BTreeSet<Version> = view.versions(name).map(|plugin| plugin.version().clone()).collect();
    site.held.insert(name.to_owned(), installed);
    Ok(site)
}

fn unmet(conflict: &Conflict) -> Error {
    let error = Error::new(ErrorKind::NotFound, ErrorSource::Caller, faults::text(conflict.to_string()));
    Error { code: Some("no-version".to_owned()), ..error }
}

/// Fetches the release that will do.
pub(super) async fn fetch(shared: &Shared, want: &Want, allow: AllowAdvisories) -> Result<NewPlugin> {
    let (registry, choice) = chosen(shared, want, &allow).await?;
    // It was judged by its own time when it was chosen; nobody knows how long ago that is.
    registry.fresh()?;
    let release = &choice.release;
    let fetched = match &release.place {
        Location::Beside(path) => {
            let copy = package_path(&release.digest);
            let at = |path| shared.fetcher.beside_index(&registry.place, path, MAX_PACKAGE_BYTES);
            match at(&copy).await {
                Err(error) if error.is_not_found() => fetched(shared, at(path).await).await?,
                found => fetched(shared, found).await?,
            }
        }
        Location::Registry(text) | Location::Web(text) => {
            let place: Place = text.parse().map_err(|error| {
                Error::invalid(format!("`{}` is at a place that is none: {error}", choice.want.name))
            })?;
            if place.is_here() && !registry.place.is_here() {
                let message = format!(
                    "`{}` is at a place on this machine ({place}), and the registry `{}` is not: nobody else says what is fetched from here",
                    choice.want.name, registry.name
                );
                return Err(Error::new(ErrorKind::PermissionDenied, ErrorSource::Downstream, message));
            }
            let copy = shared.fetcher.kept(&registry.place, &place, &release.digest, MAX_PACKAGE_BYTES).await;
            let copy = match copy {
                // Whoever hosts an index need not have copies; what else is answered there is no reason not to ask the place.
                Err(error) if registry.place.is_remote() => {
                    tracing::debug!(%error, "the index has no copy of the plugin");
                    None
                }
                copy => fetched(shared, copy).await?,
            };
            match copy {
                Some(copy) => copy,
                None => fetched(shared, shared.fetcher.fetch(&place, MAX_PACKAGE_BYTES).await).await?,
            }
        }
    };
    Ok(NewPlugin {
        expect_digest: Some(release.digest),
        expect_name: Some(choice.want.name),
        tag: Some(release.version.to_string()),
        allow_advisories: allow,
        ..arrived(fetched)
    })
}

/// The copy that a mirror's folder here has of the file of this digest that is published at a place.
pub(crate) async fn kept(shared: &Shared, place: &Place, digest: &Digest) -> Result<Option<Fetched>> {
    let view = shared.view.load_full();
    for registry in view.registries.in_order().into_iter().filter(|registry| !registry.place.is_remote()) {
        let copy = shared.fetcher.kept(&registry.place, place, digest, MAX_PACKAGE_BYTES).await;
        if let Some(copy) = fetched(shared, copy).await? {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}
