//! Fields of credentials that are not stored here: they come from a file that another program keeps up to date, or from the
//! environment that the host was started with. What may be named is the operator's to say, where the host is started: who
//! sets credentials over the API could have any file of the machine sent to an outside system otherwise.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Form, Material};

/// How often a source is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);
/// The longest field, in bytes.
const MOST: u64 = 64 << 10;
/// How many of its earlier values are looked for in what plugins are told.
const REMEMBERED: usize = 4;

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A file: all of it, but for the end of its last line.
    File(PathBuf),
    /// A variable of the host's environment.
    Env(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the variable {name}"),
        }
    }
}

/// What fields may come from. Nothing, unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSources {
    /// Folders: files in them and below.
    pub folders: Vec<PathBuf>,
    /// Variables of the environment.
    pub variables: Vec<String>,
}

/// How a file is: another stamp, another content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    len: u64,
    changed: Option<SystemTime>,
}

impl AllowedSources {
    /// The file that is meant, links followed, if it may be read. Links are followed each time, since they may change.
    fn file(&self, path: &Path) -> Result<PathBuf, String> {
        let refused = || {
            let shown = path.display();
            Err(format!(
                "the file {shown} is in no folder that credentials may come from; name one with `--secrets-dir`"
            ))
        };
        // Whether there is such a file is not told of places that are not allowed.
        let Ok(real) = path.canonicalize() else {
            return match self.folders.iter().any(|folder| path.is_absolute() && path.starts_with(folder)) {
                true => Err(format!("there is no file {}", path.display())),
                false => refused(),
            };
        };
        let within = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| real.starts_with(folder));
        if self.folders.iter().any(within) { Ok(real) } else { refused() }
    }

    fn stamp(&self, source: &Source) -> Result<Option<Stamp>, String> {
        let Source::File(path) = source else { return Ok(None) };
        let path = self.file(path)?;
        let found = path.metadata().map_err(|error| format!("{source} cannot be read: {error}"))?;
        if !found.is_file() {
            return Err(format!("{source} is no ordinary file"));
        }
        Ok(Some(Stamp { len: found.len(), changed: found.modified().ok(), path }))
    }

    fn read(&self, source: &Source) -> Result<Zeroizing<Vec<u8>>, String> {
        let mut value = match source {
            Source::File(path) => {
                let path = self.file(path)?;
                let unreadable = |error: std::io::Error| format!("{source} cannot be read: {error}");
                let file = std::fs::File::open(path).map_err(unreadable)?;
                let mut value = Zeroizing::new(Vec::with_capacity(MOST as usize + 1));
                file.take(MOST + 1).read_to_end(&mut value).map_err(unreadable)?;
                if value.len() as u64 > MOST {
                    return Err(format!("{source} is longer than 64 KiB"));
                }
                value
            }
            Source::Env(name) if self.variables.contains(name) => {
                let value = std::env::var(name).map_err(|_| format!("{source} is not set, or not UTF-8"))?;
                Zeroizing::new(value.into_bytes())
            }
            Source::Env(_) => {
                return Err(format!("{source} is none that credentials may come from; name it with `--secrets-env`"));
            }
        };
        if value.ends_with(b"\n") {
            value.pop();
        }
        if value.ends_with(b"\r") {
            value.pop();
        }
        Ok(value)
    }
}

/// Fields by where they come from.
pub type Sources = BTreeMap<String, Source>;

/// What a version with sources holds, as it was found the last time.
#[derive(Debug)]
pub(crate) struct Found {
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
    pub(crate) material: Arc<Material>,
    /// Another one whenever something else is found.
    pub(crate) generation: u64,
    /// What it held before.
    pub(crate) before: VecDeque<Arc<Material>>,
}

impl Found {
    /// Whether it need not be looked again yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.looked.elapsed() < LOOK
    }
}

/// Looks at the sources of a version whose other fields are in `stored`; what was found, and whether it is another than
/// `last`. Where a source cannot be read now, what was found last is used on: files are replaced in steps.
pub(crate) fn find(
    allowed: &AllowedSources,
    stored: &Material,
    sources: &Sources,
    last: Option<Found>,
) -> Result<(Found, bool), String> {
    let looked = Instant::now();
    let on = |last: Option<Found>, reason: String| match last {
        Some(last) => {
            tracing::warn!(reason, "a field of a credential cannot be read anew; its last value is used on");
            Ok((Found { looked, ..last }, false))
        }
        None => Err(reason),
    };
    let stamps: Result<Vec<_>, _> = sources.values().map(|source| allowed.stamp(source)).collect();
    let stamps = match stamps {
        Ok(stamps) => stamps,
        Err(reason) => return on(last, reason),
    };
    if let Some(last) = last.as_ref().filter(|last| last.stamps == stamps) {
        let (material, before) = (last.material.clone(), last.before.clone());
        return Ok((Found { stamps, looked, material, generation: last.generation, before }, false));
    }
    let values: Result<Vec<_>, _> = sources.values().map(|source| allowed.read(source)).collect();
    let values = match values {
        Ok(values) if values.iter().any(|value| value.is_empty()) => return on(last, "a source is empty".into()),
        Ok(values) => values,
        Err(reason) => return on(last, reason),
    };
    let kept: Vec<&str> = stored.names().filter(|name| !sources.contains_key(*name)).collect();
    let fields = kept.into_iter().map(|name| (name, stored.get(name).unwrap_or_default()));
    let fields = fields.chain(sources.keys().map(String::as_str).zip(values.iter().map(|value| &value[..])));
    let material = Arc::new(Material::new(fields));
    let mut before = VecDeque::new();
    let mut generation = 1;
    if let Some(last) = last {
        before = last.before;
        before.push_front(last.material);
        before.truncate(REMEMBERED);
        generation = last.generation + 1;
    }
    Ok((Found { stamps, looked, material, generation, before }, true))
}

/// Whether a field of this form may come from a source: what several lines may be in, or one that is read without its end.
pub(crate) fn may_be_elsewhere(form: Form) -> bool {
    !matches!(form, Form::Url | Form::Page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, AllowedSources) {
        let folder = tempfile::tempdir().unwrap();
        let allowed = AllowedSources { folders: vec![folder.path().to_owned()], variables: vec!["HOME".into()] };
        (folder, allowed)
    }

    fn token(path: &Path) -> Sources {
        BTreeMap::from([("token".to_owned(), Source::File(path.to_owned()))])
    }

    #[test]
    fn a_file_is_read_again_when_it_is_another_and_bridged_when_it_is_away() {
        let (folder, allowed) = folder();
        let (file, nothing) = (folder.path().join("token"), Material::new([] as [(&str, &[u8]); 0]));
        std::fs::write(&file, "one\n").unwrap();
        let look = |last| find(&allowed, &nothing, &token(&file), last);
        let (found, other) = look(None).unwrap();
        assert_eq!((found.material.text("token"), other), (Some("one"), true));
        let (found, other) = look(Some(found)).unwrap();
        assert!(!other);
        std::fs::write(&file, "another\r\n").unwrap();
        let (found, other) = look(Some(found)).unwrap();
        assert_eq!((found.material.text("token"), other, found.generation), (Some("another"), true, 2));
        assert_eq!(found.before[0].text("token"), Some("one"), "what it was may still come back");
        for broken in ["", "\n"] {
            std::fs::write(&file, broken).unwrap();
            let (found, other) = find(&allowed, &nothing, &token(&file), Some(look_again(&found))).unwrap();
            assert_eq!((found.material.text("token"), other), (Some("another"), false));
        }
        std::fs::remove_file(&file).unwrap();
        assert!(look(Some(found)).is_ok());
        assert!(look(None).unwrap_err().contains("there is no file"));
    }

    fn look_again(found: &Found) -> Found {
        Found {
            stamps: found.stamps.clone(),
            looked: found.looked,
            material: found.material.clone(),
            generation: found.generation,
            before: found.before.clone(),
        }
    }

    #[test]
    fn nothing_is_read_that_the_operator_did_not_name_whatever_leads_there() {
        let (folder, allowed) = folder();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let nothing = Material::new([] as [(&str, &[u8]); 0]);
        for path in [
            elsewhere.path().to_owned(),
            folder.path().join("link"),
            folder.path().join("..").join(elsewhere.path().file_name().unwrap()),
            PathBuf::from("/etc/passwd"),
            PathBuf::from("/nothing/there"),
            PathBuf::from("relative"),
        ] {
            let error = find(&allowed, &nothing, &token(&path), None).unwrap_err();
            assert!(error.contains("--secrets-dir"), "{error}");
        }
        let error = find(&allowed, &nothing, &token(&folder.path().join("folder")), None).unwrap_err();
        assert!(error.contains("no ordinary file"), "{error}");
        let env = |name: &str| BTreeMap::from([("token".to_owned(), Source::Env(name.into()))]);
        assert!(find(&allowed, &nothing, &env("HOME"), None).is_ok());
        assert!(find(&allowed, &nothing, &env("PATH"), None).unwrap_err().contains("--secrets-env"));
    }
}
