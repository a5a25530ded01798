//! Bringing what is known of a registry up to date: its root, whose signature and serial are judged before anything of it
//! counts, and those pages that are not here yet. The new root counts from one commit on, or the old one stays.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jackfield_fetch::IndexPlace;
use jackfield_index::{IndexError, MAX_ROOT_BYTES, ROOT_FILE, Root, SIGNATURE_FILE, Timestamp, page_path, verify};
use jackfield_registry::Digest;
use jackfield_store::{Bucket, Mutation};
use jackfield_trust::{MAX_EVIDENCE_BYTES, Signer, Signers, Unsigned};

use super::{NewRegistry, RECORD, ROOT, Record, Registry, RegistryInfo, advisories, check, pages, unavailable};
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Result,
    clock::now_ms,
    faults,
    registrar::{Change, Decision, encode},
    shared::{About, Shared},
    view::View,
};

/// Pages that are asked for at once.
const AT_ONCE: usize = 8;
/// Pages that are held before they are stored.
const HELD: usize = 64;
/// How often a root is fetched again where its pages have become others meanwhile.
const ATTEMPTS: usize = 3;

/// Adds a registry, or changes what was said of one; returns whether it is new. Nothing is kept of one whose index cannot be had.
pub(crate) async fn set(shared: &Shared, name: &str, said: NewRegistry) -> Result<(RegistryInfo, bool)> {
    let view = shared.view.load_full();
    let (place, signers) = check(&view, name, &said)?;
    let before = view.registries.0.get(name).cloned();
    let new = before.is_none();
    let last = view.registries.in_order().last().and_then(|registry| registry.record.said.position).unwrap_or_default();
    let position = said.position.or_else(|| before.as_ref()?.record.said.position).unwrap_or(last + 1);
    let address = place.to_string();
    let said = NewRegistry { address, position: Some(position), ..said };
    let wanted = format!("the registry `{name}` was set to {place}");
    let done = update(shared, name, place, &signers, said, before).await;
    recorded(shared, &wanted, done).await.map(|info| (info, new))
}

/// Brings one up to date.
pub(crate) async fn sync(shared: &Shared, name: &str) -> Result<RegistryInfo> {
    let view = shared.view.load_full();
    let before = view.registries.named(name)?.clone();
    let said = before.record.said.clone();
    let (place, signers) = check(&view, name, &said)?;
    let wanted = format!("the registry `{name}` was brought up to date");
    let done = update(shared, name, place, &signers, said, Some(before)).await;
    recorded(shared, &wanted, done).await
}

/// What is refused for what it is, and not for a network that is down, is in the trail: somebody may be at work there.
async fn recorded<R>(shared: &Shared, wanted: &str, done: Result<R>) -> Result<R> {
    if let Err(error) = &done
        && error.code.as_deref() == Some(REFUSED)
    {
        shared.not_done(EventKind::RegistrySynced, About::default(), wanted, error).await;
    }
    done
}

/// The code of an index that is not taken.
const REFUSED: &str = "index-refused";

async fn update(
    shared: &Shared,
    name: &str,
    place: IndexPlace,
    signers: &Signers,
    said: NewRegistry,
    before: Option<Arc<Registry>>,
) -> Result<RegistryInfo> {
    let mut attempt = 1;
    let (record, root, bytes) = loop {
        let found = fetch_root(shared, &place, signers, &said, before.as_deref()).await?;
        let Some((record, root, bytes)) = found else {
            // It is what is here.
            let same = before.as_deref().filter(|before| before.root.is_ok()).ok_or_else(|| {
                unavailable(format!("{place}: the server says that nothing has changed, and nothing is known"))
            })?;
            let record = Record { said, synced_at: now_ms(), ..same.record.clone() };
            break (record, same.root()?.clone(), None);
        };
        match fetch_pages(shared, name, &place, &root).await {
            Ok(()) => break (record, root, Some(bytes)),
            // Between the root and the page a newer index was published.
            Err(Failed::OtherPage(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(Failed::OtherPage(error)) => return Err(refused(&place, &error)),
            Err(Failed::Other(error)) => return Err(error),
        }
    };
    let keep: BTreeSet<Digest> = root.plugins.values().map(|listing| listing.page).collect();
    let registry = Registry { name: name.to_owned(), place, record, root: Ok(root) };
    let info = registry.info();
    shared.registrar.change(move |view| decide(view, registry, bytes, before)).await?;
    pages::clear(shared, name, &keep).await;
    Ok(info)
}

fn decide(view: &View, registry: Registry, root: Option<Vec<u8>>, before: Option<Arc<Registry>>) -> Result<Decision> {
    let name = registry.name.clone();
    let now = view.registries.0.get(&name);
    if now.map(Arc::as_ptr) != before.as_ref().map(Arc::as_ptr) {
        let message = format!("the registry `{name}` was changed meanwhile; try again");
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    }
    let told = told(view, &registry, before.as_deref());
    let mut mutations = vec![Mutation::set(Bucket::Meta, format!("{RECORD}{name}"), encode(&registry.record)?)];
    mutations.extend(root.map(|bytes| Mutation::set(Bucket::Meta, format!("{ROOT}{name}"), bytes)));
    let registries = view.registries.with(registry);
    Ok(Decision::Change(Change {
        mutations,
        apply: Box::new(move |view, _| view.registries = registries),
        event: (EventKind::RegistrySynced, None, None, told),
    }))
}

/// What is told of a registry that was brought up to date: what it is now, and which known faults of what is here it brings.
fn told(view: &View, registry: &Registry, before: Option<&Registry>) -> String {
    let Registry { name, place, record, root } = registry;
    let what = match before {
        Some(before) if before.record.said == record.said => "was brought up to date",
        Some(_) => "was changed",
        None => "was added",
    };
    let signer = record.signed_by.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let index = root.as_ref().map_or(String::new(), |root| {
        format!("; index `{}`, serial {}, {} plugins", root.name, root.serial, root.plugins.len())
    });
    let old = before.map(|before| advisories::of(view, before)).unwrap_or_default();
    let ids = |known: &super::KnownFault| (known.advisory.id.clone(), known.advisory.subject.clone());
    let old: BTreeSet<_> = old.iter().map(ids).collect();
    let new = advisories::of(view, registry).into_iter().filter(|known| !old.contains(&ids(known)));
    let new: String = new.map(|known| format!("; known fault: {known}")).collect();
    format!("the registry `{name}` {what}: {place}{index}; signed by {signer}{new}")
}

/// Fetches and judges the root; none where it is the one that is here.
async fn fetch_root(
    shared: &Shared,
    place: &IndexPlace,
    signers: &Signers,
    said: &NewRegistry,
    before: Option<&Registry>,
) -> Result<Option<(Record, Root, Vec<u8>)>> {
    // What was judged by other signers is judged again.
    let same = before.filter(|before| before.record.said == *said && before.root.is_ok());
    let known = same.and_then(|before| before.record.etag.as_deref());
    let file = |path, most, known| shared.fetcher.index_file(place, path, most, known);
    let Some(found) = file(ROOT_FILE, MAX_ROOT_BYTES, known).await.map_err(faults::fetch)? else { return Ok(None) };
    let bundle = match file(SIGNATURE_FILE, MAX_EVIDENCE_BYTES, None).await {
        Ok(bundle) => bundle.map(|bundle| bundle.bytes),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(faults::fetch(error)),
    };
    let bytes = found.bytes;
    let signed_by = signed_by(&bytes, bundle.as_deref(), signers, said).map_err(|error| refused(place, &error))?;
    let root = Root::read(&bytes).map_err(|error| refused(place, &error))?;
    if let Some(before) = before {
        root.follows(&bytes, &before.record.seen).map_err(|error| refused(place, &error))?;
    }
    root.is_fresh(Timestamp::now()).map_err(|error| refused(place, &error))?;
    let record =
        Record { said: said.clone(), seen: root.seen(&bytes), etag: found.etag, synced_at: now_ms(), signed_by };
    Ok(Some((record, root, bytes)))
}

/// Who signed a root; nobody where nobody did and that is allowed. Where signers are named, a signature that is not theirs is
/// worse than none.
fn signed_by(
    bytes: &[u8],
    bundle: Option<&[u8]>,
    signers: &Signers,
    said: &NewRegistry,
) -> std::result::Result<Option<Signer>, IndexError> {
    let nothing = bundle.is_none() || said.signer.is_empty();
    if nothing && said.unsigned == Unsigned::Allow {
        return Ok(None);
    }
    verify(bytes, bundle, signers).map(Some)
}

fn refused(place: &IndexPlace, error: &IndexError) -> Error {
    let message = faults::text(format!("{place}: {error}"));
    let error = Error::new(ErrorKind::PermissionDenied, ErrorSource::Downstream, message);
    Error { code: Some(REFUSED.to_owned()), ..error }
}

/// Why pages could not be had.
enum Failed {
    /// One is not the page that the root names.
    OtherPage(IndexError),
    Other(Error),
}

/// Fetches and stores those pages of a root that are not here.
async fn fetch_pages(shared: &Shared, name: &str, place: &IndexPlace, root: &Root) -> std::result::Result<(), Failed> {
    let present = pages::present(shared, name).await.map_err(Failed::Other)?;
    let missing = root.plugins.iter().filter(|(_, listing)| !present.contains(&listing.page.hex()));
    let fetched = missing.map(|(plugin, listing)| async move {
        let most = usize::try_from(listing.size).unwrap_or(usize::MAX);
        let found = shared.fetcher.index_file(place, &page_path(plugin), most, None).await;
        let bytes = found.map_err(|error| Failed::Other(faults::fetch(error)))?.map(|found| found.bytes);
        let bytes = bytes.unwrap_or_default();
        match root.page(plugin, &bytes) {
            Ok(_) => Ok((listing.page, bytes)),
            Err(error @ IndexError::OtherPage { .. }) => Err(Failed::OtherPage(error)),
            Err(error) => Err(Failed::Other(refused(place, &error))),
        }
    });
    let all = futures_util::stream::iter(fetched.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    let store = async |some: Vec<_>| pages::write(shared, name, some).await.map_err(Failed::Other);
    all.try_chunks(HELD).map_err(|failed| failed.1).try_for_each(store).await
}
