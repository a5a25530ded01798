//! The pages of indexes, in the store: each under its digest, so that those of two roots never mix, and read when somebody
//! asks about their plugin.

use std::collections::BTreeSet;

use jackfield_index::Page;
use jackfield_registry::Digest;
use jackfield_store::{Bucket, Mutation};

use super::{Registry, unavailable};
use crate::{Result, faults, shared::Shared};

/// What stands before a registry's name and a page's digest, in [`Bucket::Meta`].
const PREFIX: &str = "registry-page/";
/// Pages that are looked through at once: each may have some megabytes.
const AT_ONCE: usize = 16;

fn key(registry: &str, digest: &Digest) -> String {
    format!("{PREFIX}{registry}/{}", digest.hex())
}

/// The page of a plugin; none where the index has no such plugin.
pub(super) async fn read(shared: &Shared, registry: &Registry, plugin: &str) -> Result<Option<Page>> {
    let root = registry.root()?;
    let Some(listing) = root.plugins.get(plugin) else { return Ok(None) };
    let stored = shared.store.get(Bucket::Meta, &key(&registry.name, &listing.page)).await.map_err(faults::store)?;
    let again = |reason: &str| {
        let name = &registry.name;
        unavailable(format!(
            "the page of `{plugin}` in the registry `{name}` {reason}; run `jackfield registry sync {name}`"
        ))
    };
    let stored = stored.ok_or_else(|| again("is not here"))?;
    root.page(plugin, &stored.value).map(Some).map_err(|error| again(&format!("cannot be read: {error}")))
}

/// Whether a page is here.
pub(super) async fn is_here(shared: &Shared, registry: &str, digest: &Digest) -> Result<bool> {
    let usage = shared.store.usage(Bucket::Meta, &key(registry, digest)).await.map_err(faults::store)?;
    Ok(usage.keys > 0)
}

/// The digests of the pages that are here.
async fn present(shared: &Shared, registry: &str) -> Result<BTreeSet<String>> {
    let prefix = format!("{PREFIX}{registry}/");
    let mut found = BTreeSet::new();
    let mut after = None;
    loop {
        let some = shared.store.list(Bucket::Meta, &prefix, after.as_deref(), AT_ONCE).await.map_err(faults::store)?;
        let Some((last, _)) = some.last() else { return Ok(found) };
        after = Some(last.clone());
        found.extend(some.into_iter().filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned)));
    }
}

/// Stores pages. Until a root names them nobody reads them.
pub(super) async fn write(shared: &Shared, registry: &str, pages: Vec<(Digest, Vec<u8>)>) -> Result<()> {
    let mutations = pages.into_iter().map(|(digest, bytes)| Mutation::set(Bucket::Meta, key(registry, &digest), bytes));
    shared.store.commit(mutations.collect()).await.map_err(faults::store).map(drop)
}

/// Removes pages that are not among those that are kept. What cannot be removed takes space, and is removed the next time.
pub(super) async fn clear(shared: &Shared, registry: &str, keep: &BTreeSet<Digest>) {
    let cleared = async {
        let keep: BTreeSet<String> = keep.iter().map(Digest::hex).collect();
        let gone: Vec<String> = present(shared, registry).await?.difference(&keep).cloned().collect();
        for some in gone.chunks(AT_ONCE) {
            let delete = |hex: &String| Mutation::delete(Bucket::Meta, format!("{PREFIX}{registry}/{hex}"));
            shared.store.commit(some.iter().map(delete).collect()).await.map_err(faults::store)?;
        }
        Ok::<(), crate::Error>(())
    };
    if let Err(error) = cleared.await {
        tracing::warn!(registry, %error, "pages that are not needed any more are still stored");
    }
}
