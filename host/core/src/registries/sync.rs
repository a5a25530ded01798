//! Bringing what is known of a registry up to date: its root, whose signature and serial are judged before anything of it
//! counts, and those pages that are not here yet. The new root counts from one commit on, or the old one stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jackfield_fetch::{Content, FetchError, IndexPlace};
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
const HELD: usize = 8;
/// The most that the pages of one index may have together, in bytes.
const MAX_PAGES_BYTES: u64 = 256 << 20;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a publisher who is at it is waited for.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a root is fetched again where its pages have become others meanwhile.
const ATTEMPTS: usize = 3;

/// Registries that are being changed: one at a time each, so that nobody clears pages away that somebody else has just stored.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Busy {
    /// Waits until nobody else changes a registry.
    pub(super) async fn with(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
        turn.lock_owned().await
    }
}

/// Adds a registry, or changes what was said of one; returns whether it is new. Nothing is kept of one whose index cannot be had.
pub(crate) async fn set(shared: &Shared, name: &str, said: NewRegistry) -> Result<(RegistryInfo, bool)> {
    check(&shared.view.load(), name, &said)?;
    let _turn = shared.registries.with(name).await;
    let view = shared.view.load_full();
    let (place, signers) = check(&view, name, &said)?;
    let before = view.registries.0.get(name).cloned();
    let new = before.is_none();
    let last = view.registries.in_order().last().and_then(|registry| registry.record.said.position).unwrap_or_default();
    let position = said.position.or_else(|| before.as_ref()?.record.said.position).unwrap_or(last.saturating_add(1));
    let address = place.to_string();
    let said = NewRegistry { address, position: Some(position), ..said };
    let wanted = format!("the registry `{name}` was set to {place}");
    let done = Update { shared, name, place, signers: Arc::new(signers), said, before }.carry_out().await;
    recorded(shared, &wanted, done).await.map(|info| (info, new))
}

/// Brings one up to date.
pub(crate) async fn sync(shared: &Shared, name: &str) -> Result<RegistryInfo> {
    shared.view.load().registries.named(name)?;
    let _turn = shared.registries.with(name).await;
    let view = shared.view.load_full();
    let before = view.registries.named(name)?.clone();
    let said = before.record.said.clone();
    let (place, signers) = check(&view, name, &said)?;
    let wanted = format!("the registry `{name}` was brought up to date");
    let update = Update { shared, name, place, signers: Arc::new(signers), said, before: Some(before) };
    recorded(shared, &wanted, update.carry_out().await).await
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

/// A registry that is to be brought up to date.
struct Update<'u> {
    shared: &'u Shared,
    name: &'u str,
    place: IndexPlace,
    signers: Arc<Signers>,
    said: NewRegistry,
    before: Option<Arc<Registry>>,
}

/// A root that was judged.
struct Judged {
    record: Record,
    root: Root,
    /// None where it is the one that is here.
    bytes: Option<Vec<u8>>,
}

/// Why an index is not taken.
enum Failed {
    /// Its files do not belong together; there may be some of two states, where somebody is publishing.
    Apart(IndexError),
    Other(Error),
}

impl Update<'_> {
    async fn carry_out(self) -> Result<RegistryInfo> {
        let slow = |_| unavailable(format!("{}: it did not come within {} seconds", self.place, PATIENCE.as_secs()));
        let fetched = tokio::time::timeout(PATIENCE, self.fetch()).await.map_err(slow).flatten();
        let kept = |root: &Root| root.plugins.values().map(|listing| listing.page).collect::<BTreeSet<Digest>>();
        let Judged { record, root, bytes } = match fetched {
            Ok(judged) => judged,
            Err(error) => {
                // What came of it before is of no use to anybody.
                let before = self.before.as_deref().and_then(|before| before.root.as_ref().ok());
                pages::clear(self.shared, self.name, &before.map(kept).unwrap_or_default()).await;
                return Err(error);
            }
        };
        let keep = kept(&root);
        let Self { shared, name, place, before, .. } = self;
        let registry = Registry { name: name.to_owned(), place, record, root: Ok(root) };
        let info = registry.info();
        shared.registrar.change(move |view| decide(view, registry, bytes, before)).await?;
        pages::clear(shared, name, &keep).await;
        Ok(info)
    }

    /// Fetches the root and those pages that are not here. A publisher who is at it is waited for, for a moment.
    async fn fetch(&self) -> Result<Judged> {
        for attempt in 1.. {
            let fetched = async {
                let judged = self.fetch_root().await?;
                self.fetch_pages(&judged.root).await.map(|()| judged)
            };
            match fetched.await {
                Ok(judged) => return Ok(judged),
                Err(Failed::Apart(_)) if attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
                Err(Failed::Apart(error)) => return Err(refused(&self.place, &error)),
                Err(Failed::Other(error)) => return Err(error),
            }
        }
        Err(Error::internal("it was tried too often"))
    }

    async fn file(
        &self,
        path: &str,
        most: usize,
        known: Option<&str>,
    ) -> std::result::Result<Option<Content>, FetchError> {
        self.shared.fetcher.index_file(&self.place, path, most, known).await
    }

    /// Fetches and judges the root.
    async fn fetch_root(&self) -> std::result::Result<Judged, Failed> {
        let other = |error| Failed::Other(faults::fetch(error));
        // What was judged by other signers is judged again.
        let same = self.before.as_deref().filter(|before| before.record.said == self.said && before.root.is_ok());
        let known = same.and_then(|before| before.record.etag.as_deref());
        let Some(found) = self.file(ROOT_FILE, MAX_ROOT_BYTES, known).await.map_err(other)? else {
            return self.unchanged(same);
        };
        let bundle = match self.file(SIGNATURE_FILE, MAX_EVIDENCE_BYTES, None).await {
            Ok(bundle) => bundle.map(|bundle| bundle.bytes),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(other(error)),
        };
        let (signers, said, before) = (self.signers.clone(), self.said.clone(), self.before.clone());
        let Content { bytes, etag } = found;
        // It takes time: not on a thread that others wait for.
        let judge = move || {
            let signed_by = signed_by(&bytes, bundle.as_deref(), &signers, &said)?;
            let root = Root::read(&bytes)?;
            if let Some(before) = before {
                root.follows(&bytes, &before.record.seen)?;
            }
            root.is_fresh(Timestamp::now())?;
            let record = Record { said, seen: root.seen(&bytes), etag, synced_at: now_ms(), signed_by };
            Ok(Judged { record, root, bytes: Some(bytes) })
        };
        let judged = tokio::task::spawn_blocking(judge).await;
        let judged = judged.map_err(|ended| Failed::Other(Error::internal(ended.to_string())))?;
        judged.map_err(|error| match error {
            IndexError::NotBySigner { .. } | IndexError::Unsigned => Failed::Apart(error),
            error => Failed::Other(refused(&self.place, &error)),
        })
    }

    /// The root that is here, if it is still to be believed.
    fn unchanged(&self, same: Option<&Registry>) -> std::result::Result<Judged, Failed> {
        let unknown = || unavailable(format!("{}: the server says that nothing has changed", self.place));
        let same = same.ok_or_else(|| Failed::Other(unknown()))?;
        let root = same.root().map_err(Failed::Other)?;
        root.is_fresh(Timestamp::now()).map_err(|error| Failed::Other(refused(&self.place, &error)))?;
        let record = Record { synced_at: now_ms(), ..same.record.clone() };
        Ok(Judged { record, root: root.clone(), bytes: None })
    }

    /// Fetches and stores those pages of a root that are not here.
    async fn fetch_pages(&self, root: &Root) -> std::result::Result<(), Failed> {
        let all: u64 = root.plugins.values().map(|listing| listing.size).sum();
        if all > MAX_PAGES_BYTES {
            let message =
                format!("{}: its pages have {all} bytes together; at most {MAX_PAGES_BYTES} are kept", self.place);
            return Err(Failed::Other(Error::invalid(message)));
        }
        let mut missing = Vec::new();
        for (plugin, listing) in &root.plugins {
            if !pages::is_here(self.shared, self.name, &listing.page).await.map_err(Failed::Other)? {
                missing.push((plugin, listing));
            }
        }
        let fetched = missing.into_iter().map(|(plugin, listing)| async move {
            let most = usize::try_from(listing.size).unwrap_or(usize::MAX);
            let found = self.file(&page_path(plugin), most, None).await;
            let bytes = found.map_err(|error| Failed::Other(faults::fetch(error)))?.map(|found| found.bytes);
            let bytes = bytes.unwrap_or_default();
            match root.page(plugin, &bytes) {
                Ok(_) => Ok((listing.page, bytes)),
                Err(error @ IndexError::OtherPage { .. }) => Err(Failed::Apart(error)),
                Err(error) => Err(Failed::Other(refused(&self.place, &error))),
            }
        });
        let all = futures_util::stream::iter(fetched.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let store = async |some: Vec<_>| pages::write(self.shared, self.name, some).await.map_err(Failed::Other);
        all.try_chunks(HELD).map_err(|failed| failed.1).try_for_each(store).await
    }
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
    let new: String = advisories::first_of(&new.collect::<Vec<_>>(), "; known fault: ");
    format!("the registry `{name}` {what}: {place}{index}; signed by {signer}{new}")
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
