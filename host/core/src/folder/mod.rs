//! A watched folder of plugins: what is put there is installed, what is taken away is removed, as far as that hurts nobody.
//!
//! It is a way in like any other. The trust policy judges its files as those that come from `file:folder`; what a plugin asks for
//! is accepted by the digits in `PLUGIN.wasm.accept` beside it, or by a ceiling of the policy's rule that speaks of every right it
//! asks for. Whatever is refused is told once, and again only when the file, what lies beside it, or the policy is another.

mod look;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use jackfield_fetch::SIGNATURE_SUFFIX;
use jackfield_registry::{Digest, MAX_PACKAGE_BYTES};
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES};

use crate::{
    Error, ErrorKind, EventKind, Result,
    plugins::{self, Accept, NewPlugin},
    shared::Shared,
    tasks,
    trust::Trust,
};
use look::{ACCEPT_SUFFIX, Known, PATIENCE, Stamp};

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Where the trust policy says that its files come from.
const ORIGIN: &str = "folder";
/// The longest file with what is accepted, in bytes.
const MAX_ACCEPT_BYTES: u64 = 1024;

/// A folder and what is known of it.
struct Folder {
    path: PathBuf,
    known: BTreeMap<PathBuf, Known>,
    /// What was installed of it, or was there already: the plugin's id and its file's digest.
    installed: BTreeMap<PathBuf, (String, Digest)>,
    /// The policy that its files were judged by.
    trust: Trust,
    /// It could not be read the last time, which was told.
    unreadable: bool,
}

/// Watches a folder until the host stops.
pub(crate) async fn run(shared: Arc<Shared>, path: PathBuf) {
    let trust = shared.view.load().trust.clone();
    let (known, installed) = (BTreeMap::new(), BTreeMap::new());
    let mut folder = Folder { path, known, installed, trust, unreadable: false };
    let mut stop = shared.stop.subscribe();
    loop {
        folder.look(&shared).await;
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

impl Folder {
    async fn look(&mut self, shared: &Shared) {
        let path = self.path.clone();
        let Ok(scanned) = tokio::task::spawn_blocking(move || look::scan(&path)).await else { return };
        let found = match scanned {
            Ok(found) => found,
            Err(error) => {
                // Nothing is taken away because a disk is.
                if !std::mem::replace(&mut self.unreadable, true) {
                    tell(shared, None, format!("the plugin folder {} cannot be read: {error}", self.path.display()));
                }
                return;
            }
        };
        self.unreadable = false;
        let trust = shared.view.load().trust.clone();
        if !trust.is(&self.trust) {
            self.trust = trust;
            self.known.values_mut().for_each(|known| known.settled = false);
        }
        let now = Instant::now();
        let gone: Vec<PathBuf> = self.known.keys().filter(|path| !found.contains_key(*path)).cloned().collect();
        for (path, stamp) in found {
            match self.known.get_mut(&path) {
                Some(known) => known.see(stamp, now),
                None => drop(self.known.insert(path, Known::new(stamp, now))),
            }
        }
        let due: Vec<PathBuf> = self
            .known
            .iter()
            .filter(|(path, known)| !gone.contains(path) && known.is_due(now, SystemTime::now()))
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            if *shared.stop.borrow() {
                return;
            }
            self.take(shared, &path).await;
        }
        // After those that came: a file that was given another name is none that is gone.
        for path in gone {
            self.known.remove(&path);
            if let Some((id, digest)) = self.installed.remove(&path) {
                self.remove(shared, &path, &id, digest).await;
            }
        }
    }

    /// Installs what is in a file that has become quiet.
    async fn take(&mut self, shared: &Shared, path: &Path) {
        let Some(known) = self.known.get(path) else { return };
        let (stamp, quiet) = (known.stamp.clone(), known.quiet_for(Instant::now(), SystemTime::now()));
        let settled = match read(path, &stamp).await {
            Ok(None) => false,
            Ok(Some(file)) => match install(shared, path, file).await {
                Ok((id, digest)) => {
                    self.installed.insert(path.to_owned(), (id, digest));
                    true
                }
                // It may still be on its way.
                Err(error) if error.kind == ErrorKind::Invalid && quiet < PATIENCE => false,
                Err(error) => {
                    let place = format!("{} is not installed", path.display());
                    let wanted = format!("a plugin was installed; from the plugin folder, {}", path.display());
                    if error.kind == ErrorKind::Invalid {
                        // What was refused later is recorded already.
                        plugins::refused(shared, None, &wanted, &error).await;
                    }
                    tell(shared, None, format!("{place}: {}", error.message));
                    true
                }
            },
            Err(error) => {
                tell(shared, None, format!("{} cannot be read: {error}", path.display()));
                true
            }
        };
        if let Some(known) = self.known.get_mut(path) {
            known.settled = settled;
        }
    }

    /// Removes what a file brought that is gone, unless that is needed, or came another way too.
    async fn remove(&self, shared: &Shared, path: &Path, id: &str, digest: Digest) {
        let elsewhere: BTreeSet<&str> = self.installed.values().map(|(id, _)| id.as_str()).collect();
        let view = shared.view.load_full();
        let ours = view.plugin(id).is_ok_and(|plugin| {
            let origin = plugin.record.provenance.origin.as_ref();
            plugin.record.digest == digest && origin.is_some_and(|origin| origin.as_str() == format!("file:{ORIGIN}"))
        });
        if !ours || elsewhere.contains(id) {
            return;
        }
        if let Err(error) = plugins::remove(shared, id).await {
            let name = id.split('@').next();
            tell(shared, name, format!("{} is gone, and `{id}` stays installed: {}", path.display(), error.message));
        }
    }
}

/// A plugin's file, and what lies beside it.
struct Read {
    bytes: Vec<u8>,
    accept: Option<String>,
    signature: Option<Vec<u8>>,
}

/// Reads a file that is as it was found; nothing where it has changed meanwhile.
async fn read(path: &Path, stamp: &Stamp) -> io::Result<Option<Read>> {
    let (path, stamp) = (path.to_owned(), stamp.clone());
    let read = move || {
        let bytes = bounded(&path, MAX_PACKAGE_BYTES as u64)?;
        let there = |suffix: &str, most: u64| match bounded(&look::beside(&path, suffix), most) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let accept = there(ACCEPT_SUFFIX, MAX_ACCEPT_BYTES)?;
        let signature = there(SIGNATURE_SUFFIX, MAX_EVIDENCE_BYTES as u64)?;
        let accept = accept.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        let same = look::stamp(&path).is_some_and(|now| now == stamp);
        Ok(same.then_some(Read { bytes, accept, signature }))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("{} is longer than {most} bytes", path.display())));
    }
    Ok(bytes)
}

/// Installs a plugin of the folder; its id, and its file's digest.
async fn install(shared: &Shared, path: &Path, file: Read) -> Result<(String, Digest)> {
    let Read { bytes, accept, signature } = file;
    let digest = Digest::of(&bytes);
    let evidence = signature.into_iter().map(Evidence::Bundle).collect();
    let new = NewPlugin { evidence, expect_digest: Some(digest), ..NewPlugin::file(bytes, ORIGIN) };
    let plan = plugins::plan(shared, &new).await?;
    let within = || {
        let view = shared.view.load();
        let ceiling = view.trust.policy().ok()?.ceiling_of(&new.origin)?;
        plan.accept.clone().filter(|_| ceiling.speaks_of(&plan.rights))
    };
    let accept = accept.or_else(within).map_or(Accept::Nothing, Accept::Only);
    let installed = plugins::install(shared, NewPlugin { accept, ..new }).await.map_err(|error| {
        let digits = plan.accept.filter(|_| error.code.as_deref() == Some("acceptance-needed"));
        match digits {
            Some(digits) => {
                let file = look::beside(path, ACCEPT_SUFFIX);
                let message =
                    format!("{}\nIn the plugin folder that is written to {}: {digits}", error.message, file.display());
                Error { message, ..error }
            }
            None => error,
        }
    })?;
    let (plugin, new) = installed;
    if new {
        tracing::info!(plugin = plugin.id, "installed from the plugin folder");
    }
    Ok((plugin.id, digest))
}

/// Says once what did not become of a file.
fn tell(shared: &Shared, plugin: Option<&str>, message: String) {
    tracing::warn!("{message}");
    shared.events.emit(EventKind::PluginRefused, None, plugin, message);
}
