//! Lock files on the command line: where they lie, what is recorded in them, and `jackfield plugin lock`. What installs by
//! one is in [`locked`].
//!
//! A lock file is read before anything is asked of the host, so that one that is damaged changes nothing, and it is
//! replaced by a whole one or not at all.

mod locked;
mod told;

use std::{
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use jackfield_core::Place;
use jackfield_registry::{LOCK_FILE, Lock, LockedPlugin, MAX_LOCK_BYTES};
use serde_json::json;

use super::{Context, place::is_name, publish};
use crate::{
    api::{Api, Query, Request},
    args::LockArgs,
    failure::Failure,
    file::{self, Kind, Over},
    output::Tree,
};
pub(super) use locked::install;
pub(super) use told::Told;

/// How many plugins are asked for at once.
const PAGE: u32 = 100;

/// A lock file and what is in it.
#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    pub(super) lock: Lock,
}

impl LockFile {
    /// The one that must hold.
    pub(super) fn that_holds(args: &LockArgs) -> Result<Self, Failure> {
        let path = args.lock.clone().unwrap_or_else(|| LOCK_FILE.into());
        Self::read(&path)?.ok_or_else(|| {
            let message = "there is no such lock file. `jackfield plugin lock` writes one of what is installed, `jackfield plugin install PLACE --lock` of what is installed then";
            Failure::Usage(format!("{}: {message}", path.display()))
        })
    }

    /// The one that installations are recorded in: the one that is named, or the one that is there.
    pub(super) fn that_records(args: &LockArgs) -> Result<Option<Self>, Failure> {
        let path = args.lock.clone().unwrap_or_else(|| LOCK_FILE.into());
        let found = Self::read(&path)?;
        Ok(found.or_else(|| args.lock.is_some().then(|| Self { path, lock: Lock::default() })))
    }

    fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let wrong = |what: String| Failure::Usage(format!("{} cannot be read: {what}", path.display()));
        let mut text = String::new();
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        // One more than is read of a lock, so that it is told to be too long.
        let most = MAX_LOCK_BYTES as u64 + 1;
        file.take(most).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        let lock = text.parse().map_err(|error: jackfield_registry::LockError| wrong(error.to_string()))?;
        Ok(Some(Self { path: path.to_owned(), lock }))
    }

    /// Writes it wholly or not at all, and nothing that would not be read again.
    fn write(&self) -> Result<(), Failure> {
        let text = self.lock.to_string();
        if text.parse().as_ref() != Ok(&self.lock) {
            let message =
                "what is installed has no form in a lock file; is it Jackfield, of this version, that answers?";
            return Err(Failure::Failed(format!("{} is not written: {message}", self.path.display())));
        }
        file::write(&self.path, text.as_bytes(), Over::Anything, Kind::Ordinary)
    }

    /// Its name, for messages.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The folder that paths in it begin at.
    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Where a locked plugin is taken from.
    pub(super) fn place(&self, plugin: &LockedPlugin) -> Result<String, Failure> {
        match plugin.from.as_deref() {
            Some(from) if Place::is_meant(from) => Ok(from.to_owned()),
            Some(from) => Ok(self.folder().join(from).display().to_string()),
            None => {
                let message = format!(
                    "{}: nobody knows where the file of `{}` lies; name it: `jackfield plugin install FILE --locked`",
                    self.path.display(),
                    plugin.id()
                );
                Err(Failure::Usage(message))
            }
        }
    }

    /// How the lock names where a plugin came from, of which the host knows this: a file by its path from the lock's folder,
    /// and nothing for standard input.
    pub(super) fn from(&self, place: &str, pinned: Option<&str>) -> Result<Option<String>, Failure> {
        if Place::is_meant(place) {
            return Ok(Some(pinned.unwrap_or(place).to_owned()));
        }
        // A plugin that was named as the registries have it came from where the host says.
        let place = match pinned.filter(|_| is_name(place)) {
            Some(pinned) if Place::is_meant(pinned) => return Ok(Some(pinned.to_owned())),
            Some(pinned) => pinned,
            None => place,
        };
        if place == "-" {
            return Ok(None);
        }
        let failed = |error: std::io::Error| Failure::Failed(format!("{place}: {error}"));
        let file = Path::new(place);
        let beside = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = self.folder().canonicalize().map_err(failed)?;
        let whole = beside.canonicalize().map_err(failed)?.join(file.file_name().unwrap_or_default());
        let path = relative(&folder, &whole).ok_or_else(|| {
            Failure::Usage(format!("{place} has no name that a lock file can hold: its path is not of UTF-8"))
        });
        path.map(Some)
    }

    /// Records what was installed.
    pub(super) fn record(&self, context: &Context, place: &str, answer: &[u8]) -> Result<(), Failure> {
        let recorded = Told::read(answer).and_then(|told| {
            let from = self.from(place, told.pinned.as_deref())?;
            let id = told.id();
            // Somebody else may have recorded something meanwhile.
            let mut now =
                Self::read(&self.path)?.unwrap_or_else(|| Self { path: self.path.clone(), lock: Lock::default() });
            now.lock.insert(told.locked(from));
            now.write().map(|()| id)
        });
        let id = recorded.map_err(|failure| {
            let what = format!("it is installed, but not recorded in {}: ", self.path.display());
            about(failure, &what)
        })?;
        context.ui.note(&format!("recorded {id} in {}", self.path.display()));
        Ok(())
    }
}

/// A path from a folder, both whole, as a lock file has it on every platform: with `/` between names.
fn relative(folder: &Path, file: &Path) -> Option<String> {
    let (mut from, mut to) = (folder.components().peekable(), file.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    // Another drive: there is no way from here to there.
    let way_there = to.peek().is_none_or(|next| matches!(next, Component::Normal(_)));
    if !way_there {
        return file.to_str().map(|path| path.replace(std::path::MAIN_SEPARATOR, "/"));
    }
    let up = from.map(|_| Some(".."));
    let down = to.map(|name| name.as_os_str().to_str());
    up.chain(down).collect::<Option<Vec<_>>>().map(|names| names.join("/"))
}

/// The same failure, which says first what it is about.
pub(super) fn about(failure: Failure, what: &str) -> Failure {
    match failure {
        Failure::Api(mut problem) => {
            problem.parts.detail.insert_str(0, what);
            Failure::Api(problem)
        }
        Failure::Failed(message) => Failure::Failed(format!("{what}{message}")),
        Failure::Usage(message) => Failure::Usage(format!("{what}{message}")),
        other => other,
    }
}

/// `jackfield plugin lock`: what is installed, as a lock file.
pub(super) async fn write(context: &Context, path: PathBuf) -> Result<(), Failure> {
    // One that cannot be read is what this command is for.
    let before = LockFile::read(&path).ok().flatten().map(|before| before.lock).unwrap_or_default();
    let mut file = LockFile { path, lock: Lock::default() };
    let mut nowhere = Vec::new();
    for told in context.with(installed).await? {
        // The host does not know where a file lay that was handed over to it; who locked that file before does.
        let known = before.get(&told.name, &told.version).filter(|known| known.digest == told.digest);
        let from = told.pinned.clone().or_else(|| known.and_then(|known| known.from.clone()));
        if from.is_none() {
            nowhere.push(told.id());
        }
        file.lock.insert(told.locked(from));
    }
    file.write()?;
    let plugins: Vec<String> = file.lock.iter().map(LockedPlugin::id).collect();
    publish::show(context, &json!({"lock": file.name(), "plugins": plugins, "without-source": nowhere}))?;
    if !nowhere.is_empty() {
        let message = "nobody knows where these files lie; to record that, install each once more with `jackfield plugin install FILE --lock`, which changes nothing else";
        context.ui.note(&format!("{}: {message}", nowhere.join(", ")));
    }
    Ok(())
}

/// Everything that is installed.
async fn installed(api: &Api) -> Result<Vec<Told>, Failure> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = Query::default();
        query.add("limit", &PAGE.to_string());
        query.add_some("cursor", cursor.take());
        let answer = api.request(Request::get(format!("/v1/plugins{}", query.as_str()))).await?;
        all.extend(Told::read_page(&answer.body)?);
        let page: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
        match page.text("next") {
            "" => return Ok(all),
            next => cursor = Some(next.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_file_is_named_from_the_locks_folder() {
        for (folder, file, expected) in [
            ("/site", "/site/etcd.wasm", "etcd.wasm"),
            ("/site", "/site/plugins/etcd.wasm", "plugins/etcd.wasm"),
            ("/site/prod", "/site/plugins/etcd.wasm", "../plugins/etcd.wasm"),
            ("/a", "/b/etcd.wasm", "../b/etcd.wasm"),
            ("/", "/etcd.wasm", "etcd.wasm"),
        ] {
            assert_eq!(relative(Path::new(folder), Path::new(file)).as_deref(), Some(expected), "{folder} {file}");
        }
    }

    #[test]
    fn a_lock_file_that_is_damaged_is_named_with_its_line_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jackfield.lock");
        let args = |locked| LockArgs { lock: Some(path.clone()), locked };
        let told = |failure: Failure| match failure {
            Failure::Usage(message) => message,
            other => panic!("{other:?}"),
        };
        assert!(told(LockFile::that_holds(&args(true)).unwrap_err()).contains("there is no such lock file"));
        let new = LockFile::that_records(&args(false)).unwrap().unwrap();
        assert!(new.lock.is_empty());
        new.write().unwrap();
        assert!(LockFile::that_holds(&args(true)).unwrap().lock.is_empty());
        std::fs::write(&path, "version = 1\n\n[[plugin]]\nname = 7\n").unwrap();
        let wrong = told(LockFile::that_records(&args(false)).unwrap_err());
        assert!(wrong.contains("jackfield.lock cannot be read: line 4: "), "{wrong}");
    }

    #[test]
    fn a_file_goes_into_the_lock_by_its_path_and_comes_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        let file = folder.path().join("plugins").join("a.wasm");
        let lock = LockFile { path: folder.path().join("jackfield.lock"), lock: Lock::default() };
        let from = lock.from(file.to_str().unwrap(), None).unwrap();
        assert_eq!(from.as_deref(), Some("plugins/a.wasm"));
        assert_eq!(lock.from("-", None).unwrap(), None);
        let pinned = "oci://r/a:1@sha256:00";
        assert_eq!(lock.from("oci://r/a:1", Some(pinned)).unwrap().as_deref(), Some(pinned));
        let told = br#"{"name":"a","version":"1.0.0","digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","rights":[]}"#;
        let locked = |from: Option<&str>| Told::read(told).unwrap().locked(from.map(str::to_owned));
        assert_eq!(Path::new(&lock.place(&locked(from.as_deref())).unwrap()), file);
        assert_eq!(lock.place(&locked(Some(pinned))).unwrap(), pinned);
        assert!(lock.place(&locked(None)).is_err());
        assert!(Told::read(br#"{"name":"a","version":"1.0.0"}"#).is_err());
    }
}
