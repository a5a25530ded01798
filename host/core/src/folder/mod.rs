//! A watched folder of plugins: what is put there is installed, what is taken away is removed, as far as that hurts nobody.
//!
//! It is a way in like any other. The trust policy judges its files as those that come from `file:folder`; what a plugin asks for
//! is accepted by the digits in `PLUGIN.wasm.accept` beside it, or by a ceiling of the policy's rule that speaks of every right it
//! asks for. Whatever is refused is told once, and again only when the file, what lies beside it, or the policy is another.
//!
//! Nothing is taken away because a disk is: a file counts as gone when it was certainly not there several times, and where the
//! folder is another one, or has lost all of its plugins at once, they stay installed.

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
    plugins::{self, Accept, NewPlugin, PluginId, Provenance},
    shared::Shared,
    tasks,
    trust::Trust,
};
use look::{ACCEPT_SUFFIX, Known, PATIENCE, Scan, Stamp};

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Where the trust policy says that its files come from.
const ORIGIN: &str = "folder";
/// The longest file with what is accepted, in bytes.
const MAX_ACCEPT_BYTES: u64 = 1024;

/// Whether a plugin came from the plugin folder, and no other way too.
pub(crate) fn brought(provenance: &Provenance) -> bool {
    provenance.origin.as_ref().is_some_and(|origin| origin.as_str() == format!("file:{ORIGIN}"))
}

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
    /// Which folder it was the last time.
    home: Option<(u64, u64)>,
    /// What in it is no file, which was told.
    strange: BTreeSet<PathBuf>,
    /// What was installed the last time, of whatever was refused because of that.
    beside: BTreeMap<PluginId, Digest>,
}

/// What became of a file.
enum Outcome {
    Installed(String, Digest),
    /// It is not whole, or was changed meanwhile.
    NotYet,
    /// It is not to be installed as it is.
    Refused(String),
    /// For no fault of its own it could not be.
    Failed(String),
}

/// Watches a folder until the host stops.
pub(crate) async fn run(shared: Arc<Shared>, path: PathBuf) {
    let trust = shared.view.load().trust.clone();
    let mut folder = Folder {
        path,
        known: BTreeMap::new(),
        installed: BTreeMap::new(),
        trust,
        unreadable: false,
        home: None,
        strange: BTreeSet::new(),
        beside: BTreeMap::new(),
    };
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
        let (path, known) = (self.path.clone(), self.known.keys().cloned().collect());
        let Ok(scanned) = tokio::task::spawn_blocking(move || look::scan(&path, &known)).await else { return };
        let Scan { found, strange, absent, home } = match scanned {
            Ok(scan) => scan,
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    tell(shared, None, format!("the plugin folder {} cannot be read: {error}", self.path.display()));
                }
                return;
            }
        };
        self.unreadable = false;
        self.judge_anew(shared);
        for path in strange.difference(&self.strange) {
            tell(shared, None, format!("{} is a link, or no file, so it is no plugin: copy it there", path.display()));
        }
        self.strange = strange;
        if std::mem::replace(&mut self.home, home).is_some_and(|before| home != Some(before)) {
            self.let_go(shared, &absent, "it is another folder than before; is a disk not mounted?");
        }
        let now = Instant::now();
        let missed = |path: &&PathBuf| self.known.get_mut(*path).is_some_and(Known::miss);
        let mut gone: BTreeSet<PathBuf> = absent.iter().filter(missed).cloned().collect();
        if !gone.is_empty() && absent.len() > 1 && absent.len() == self.known.len() {
            self.let_go(shared, &absent, "all of its files are gone at once");
            gone.clear();
        }
        for (path, stamp) in found {
            match self.known.get_mut(&path) {
                Some(known) => known.see(stamp, now),
                None => drop(self.known.insert(path, Known::new(stamp, now))),
            }
        }
        let due: Vec<PathBuf> = self
            .known
            .iter()
            .filter(|(_, known)| known.is_due(now, SystemTime::now()))
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

    /// Has files looked at again where what they were judged by is another: the policy, or what is installed beside them.
    fn judge_anew(&mut self, shared: &Shared) {
        let view = shared.view.load();
        if !view.trust.is(&self.trust) {
            self.trust = view.trust.clone();
            for known in self.known.values_mut() {
                known.unsettle();
                known.told = None;
            }
        }
        let beside = view.plugins.iter().map(|(id, plugin)| (id.clone(), plugin.record.digest)).collect();
        if beside != self.beside {
            self.beside = beside;
            // What came of a file stays removed where somebody removed it.
            let waits = |path: &PathBuf| !self.installed.contains_key(path);
            self.known.iter_mut().filter(|(path, _)| waits(path)).for_each(|(_, known)| known.unsettle());
        }
    }

    /// Forgets files and keeps what they brought.
    fn let_go(&mut self, shared: &Shared, paths: &BTreeSet<PathBuf>, why: &str) {
        let mut stay = BTreeSet::new();
        for path in paths {
            self.known.remove(path);
            stay.extend(self.installed.remove(path).map(|(id, _)| format!("`{id}`")));
        }
        if !stay.is_empty() {
            let stay = stay.into_iter().collect::<Vec<_>>().join(", ");
            let folder = self.path.display();
            let message = format!(
                "the plugin folder {folder}: {why}. What came from it stays installed: {stay}; remove what is to go \
                 (`jackfield plugin remove`)"
            );
            tell(shared, None, message);
        }
    }

    /// Installs what is in a file that has become quiet.
    async fn take(&mut self, shared: &Shared, path: &Path) {
        let Some(known) = self.known.get(path) else { return };
        let (stamp, quiet) = (known.stamp.clone(), known.quiet_for(Instant::now(), SystemTime::now()));
        let (outcome, unrecorded) = match read(path, &stamp).await {
            Ok(None) => (Outcome::NotYet, None),
            Ok(Some(file)) => match install(shared, path, file).await {
                Ok((id, digest)) => (Outcome::Installed(id, digest), None),
                // It may still be on its way.
                Err(error) if error.kind == ErrorKind::Invalid && quiet < PATIENCE => (Outcome::NotYet, None),
                Err(error) => {
                    let told = format!("{} is not installed: {}", path.display(), error.message);
                    match error.kind {
                        // What was refused later is recorded already.
                        ErrorKind::Invalid => (Outcome::Refused(told), Some(error)),
                        ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => (Outcome::Refused(told), None),
                        _ => (Outcome::Failed(told), None),
                    }
                }
            },
            // It went away meanwhile, which the next look sees.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Outcome::NotYet, None),
            Err(error) => {
                let told = format!("{} cannot be read: {error}", path.display());
                match error.kind() {
                    io::ErrorKind::FileTooLarge => (Outcome::Refused(told), None),
                    _ => (Outcome::Failed(told), None),
                }
            }
        };
        let Some(known) = self.known.get_mut(path) else { return };
        let told = match outcome {
            Outcome::NotYet => return,
            Outcome::Installed(id, digest) => {
                known.settled = true;
                self.installed.insert(path.to_owned(), (id, digest));
                return;
            }
            Outcome::Refused(told) => {
                known.settled = true;
                told
            }
            Outcome::Failed(told) => {
                known.try_later(Instant::now());
                told
            }
        };
        if known.told.as_ref() == Some(&told) {
            return;
        }
        known.told = Some(told.clone());
        if let Some(error) = unrecorded {
            let wanted = format!("a plugin was installed; from the plugin folder, {}", path.display());
            plugins::refused(shared, None, &wanted, &error).await;
        }
        tell(shared, None, told);
    }

    /// Removes what a file brought that is gone, unless that is needed, or came another way too.
    async fn remove(&self, shared: &Shared, path: &Path, id: &str, digest: Digest) {
        let elsewhere: BTreeSet<&str> = self.installed.values().map(|(id, _)| id.as_str()).collect();
        let view = shared.view.load_full();
        let ours =
            view.plugin(id).is_ok_and(|plugin| plugin.record.digest == digest && brought(&plugin.record.provenance));
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
        let same = || look::stamp(&path).map(|now| now.is_some_and(|now| now == stamp));
        // Asked before too: by now it may be something that never ends.
        if !same()? {
            return Ok(None);
        }
        let bytes = bounded(&path, MAX_PACKAGE_BYTES as u64)?;
        let beside = |there: bool, suffix: &str, most: u64| {
            there.then(|| bounded(&look::beside(&path, suffix), most)).transpose()
        };
        let accept = beside(stamp.has_accept(), ACCEPT_SUFFIX, MAX_ACCEPT_BYTES)?;
        let signature = beside(stamp.has_signature(), SIGNATURE_SUFFIX, MAX_EVIDENCE_BYTES as u64)?;
        let accept = accept.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        Ok(same()?.then_some(Read { bytes, accept, signature }))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("{} is longer than {most} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
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
