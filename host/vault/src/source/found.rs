//! What a version with sources holds, put together from what is stored and from where the rest is, and when that is looked
//! at again.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{AllowedSources, Origin, Source, Sources, env, file};
use crate::{Material, keep::Held};

/// How often a source is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);
/// How many of its earlier values are looked for in what plugins are told.
const REMEMBERED: usize = 4;

/// Why there is no value now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It cannot be read for now; what was found last is used on.
    Away(String),
    /// It must be asked for: it never was, or what was given has ended. What was found last must not be used on either.
    NotAsked(Origin),
}

/// Gives what is kept of an origin.
pub(crate) type Remote<'a> = &'a dyn Fn(&Origin) -> Result<Held, Missing>;

/// Another stamp, another value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Never,
    File(file::Stamp),
    Held(u64),
}

/// What a version with sources holds, as it was found the last time.
#[derive(Debug)]
pub(crate) struct Found {
    stamps: Vec<Stamp>,
    looked: Option<Instant>,
    pub(crate) material: Arc<Material>,
    /// Another one whenever something else is found.
    pub(crate) generation: u64,
    /// What of it is kept as long as somebody uses it.
    pub(crate) held: Vec<Held>,
    /// What it held before.
    pub(crate) before: VecDeque<Arc<Material>>,
}

impl Found {
    /// Whether it need not be looked again yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.looked.is_some_and(|looked| looked.elapsed() < LOOK)
    }

    /// It is used no more, but still known.
    pub(crate) fn let_go(&mut self) {
        self.looked = None;
        self.held.clear();
    }

    /// It is to be looked again.
    pub(crate) fn expire(&mut self) {
        self.looked = None;
    }
}

/// Looks at the sources of a version whose other fields are in `stored`, and at what is kept of those that must be asked
/// for. Returns whether `found` is another now. Where a source cannot be read for now, what was found last is used on:
/// files are replaced in steps.
pub(crate) fn find(
    allowed: &AllowedSources,
    remote: Remote<'_>,
    stored: &Material,
    sources: &Sources,
    found: &mut Option<Found>,
) -> Result<bool, Missing> {
    match look(allowed, remote, stored, sources, found) {
        Err(Missing::Away(reason)) => match found {
            Some(last) => {
                tracing::warn!(reason, "a field of a credential cannot be read anew; its last value is used on");
                last.looked = Some(Instant::now());
                Ok(false)
            }
            None => Err(Missing::Away(reason)),
        },
        looked => looked,
    }
}

fn look(
    allowed: &AllowedSources,
    remote: Remote<'_>,
    stored: &Material,
    sources: &Sources,
    found: &mut Option<Found>,
) -> Result<bool, Missing> {
    let looked = Some(Instant::now());
    // What has ended comes before what cannot be read for now.
    let mut held: Vec<(Origin, Held)> = Vec::new();
    for (origin, _) in sources.values().filter_map(Source::origin) {
        if !held.iter().any(|(known, _)| *known == origin) {
            let kept = remote(&origin)?;
            held.push((origin, kept));
        }
    }
    let of = |source: &Source| {
        let (origin, _) = source.origin()?;
        held.iter().find(|(known, _)| *known == origin).map(|(_, held)| held)
    };
    let stamp = |source: &Source| match source {
        Source::File(path) => file::stamp(allowed, path).map(Stamp::File),
        Source::Env(_) => Ok(Stamp::Never),
        Source::Bao(_) | Source::Command(_) => {
            Ok(of(source).map_or(Stamp::Never, |held| Stamp::Held(held.generation())))
        }
    };
    let stamps: Vec<_> = sources.values().map(stamp).collect::<Result<_, _>>().map_err(Missing::Away)?;
    if let Some(last) = found.as_mut().filter(|last| last.stamps == stamps) {
        last.looked = looked;
        last.held = held.into_iter().map(|(_, held)| held).collect();
        return Ok(false);
    }
    let value = |source: &Source| match source {
        Source::File(path) => file::read(allowed, path),
        Source::Env(name) => env::read(allowed, name),
        Source::Bao(_) | Source::Command(_) => {
            let value = source.origin().zip(of(source)).and_then(|((_, field), held)| held.field(field));
            value.map(|value| Zeroizing::new(value.to_vec())).ok_or_else(|| format!("there is no {source}"))
        }
    };
    let values: Vec<_> = sources.values().map(value).collect::<Result<_, _>>().map_err(Missing::Away)?;
    if values.iter().any(|value| value.is_empty()) {
        return Err(Missing::Away("a source is empty".into()));
    }
    let kept = stored.names().filter(|name| !sources.contains_key(*name));
    let fields = kept.map(|name| (name, stored.get(name).unwrap_or_default()));
    let fields = fields.chain(sources.keys().map(String::as_str).zip(values.iter().map(|value| &value[..])));
    let fields: Vec<_> = fields.collect();
    let material = Arc::new(Material::new(fields));
    let (mut before, mut generation) = (VecDeque::new(), 1);
    if let Some(last) = found.take() {
        before = last.before;
        before.push_front(last.material);
        before.truncate(REMEMBERED);
        generation = last.generation + 1;
    }
    let held = held.into_iter().map(|(_, held)| held).collect();
    *found = Some(Found { stamps, looked, material, generation, held, before });
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        path::{Path, PathBuf},
    };

    use super::*;

    fn folder() -> (tempfile::TempDir, AllowedSources) {
        let folder = tempfile::tempdir().unwrap();
        let (folders, variables) = (vec![folder.path().to_owned()], vec!["HOME".into()]);
        (folder, AllowedSources { folders, variables, ..AllowedSources::default() })
    }

    fn token(path: &Path) -> Sources {
        BTreeMap::from([("token".to_owned(), Source::File(path.to_owned()))])
    }

    fn nothing() -> Material {
        Material::new([] as [(&str, &[u8]); 0])
    }

    fn nobody(origin: &Origin) -> Result<Held, Missing> {
        Err(Missing::NotAsked(origin.clone()))
    }

    fn refused(allowed: &AllowedSources, sources: &Sources) -> String {
        match find(allowed, &nobody, &nothing(), sources, &mut None) {
            Err(Missing::Away(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_is_another_and_bridged_when_it_is_away() {
        let (folder, allowed) = folder();
        let (file, mut found) = (folder.path().join("token"), None);
        std::fs::write(&file, "one\n").unwrap();
        let look = |found: &mut _| find(&allowed, &nobody, &nothing(), &token(&file), found);
        let text = |found: &Option<Found>| found.as_ref().unwrap().material.text("token").unwrap().to_owned();
        assert_eq!((look(&mut found), text(&found)), (Ok(true), "one".to_owned()));
        assert_eq!(look(&mut found), Ok(false));
        std::fs::write(&file, "another\r\n").unwrap();
        assert_eq!((look(&mut found), text(&found)), (Ok(true), "another".to_owned()));
        let now = found.as_ref().unwrap();
        assert_eq!(now.generation, 2);
        assert_eq!(now.before[0].text("token"), Some("one"), "what it was may still come back");
        for broken in ["", "\n"] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!((look(&mut found), text(&found)), (Ok(false), "another".to_owned()));
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look(&mut found), Ok(false));
        assert!(refused(&allowed, &token(&file)).contains("there is no file"));
    }

    #[test]
    fn nothing_is_read_that_the_operator_did_not_name_whatever_leads_there() {
        let (folder, allowed) = folder();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        for path in [
            elsewhere.path().to_owned(),
            folder.path().join("link"),
            folder.path().join("..").join(elsewhere.path().file_name().unwrap()),
            PathBuf::from("/etc/passwd"),
            PathBuf::from("/nothing/there"),
            PathBuf::from("relative"),
        ] {
            let error = refused(&allowed, &token(&path));
            assert!(error.contains("--secrets-dir"), "{error}");
        }
        let error = refused(&allowed, &token(&folder.path().join("folder")));
        assert!(error.contains("no ordinary file"), "{error}");
        let env = |name: &str| BTreeMap::from([("token".to_owned(), Source::Env(name.into()))]);
        assert!(find(&allowed, &nobody, &nothing(), &env("HOME"), &mut None).is_ok());
        assert!(refused(&allowed, &env("PATH")).contains("--secrets-env"));
    }

    #[test]
    fn what_has_ended_is_not_bridged_by_its_last_value_and_stays_known() {
        let sources = BTreeMap::from([("token".to_owned(), "bao:main/db/creds/app#password".parse().unwrap())]);
        let allowed = AllowedSources::default();
        let held = Held::new(Material::new([("password", "of-a-lease")]), 7);
        let mut found = None;
        let there = |_: &Origin| Ok(held.clone());
        assert_eq!(find(&allowed, &there, &nothing(), &sources, &mut found), Ok(true));
        let ended = find(&allowed, &nobody, &nothing(), &sources, &mut found);
        assert!(matches!(ended, Err(Missing::NotAsked(_))));
        assert_eq!(found.unwrap().material.text("token"), Some("of-a-lease"));
    }
}
