//! What is in a plugin folder, and which of its files are whole. A file is copied bit by bit, and nobody says when that is over:
//! it is taken for whole once it has stayed as it is for a while.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use jackfield_fetch::SIGNATURE_SUFFIX;

/// What the names of plugins end in.
const ENDING: &str = "wasm";
/// What is behind a plugin's name in that of the file with what is accepted.
pub(super) const ACCEPT_SUFFIX: &str = ".accept";
/// How long a file must have stayed as it is before it is read.
pub(super) const QUIET: Duration = Duration::from_secs(2);
/// How long one that is no plugin may still become one: a copy over a network may pause.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What tells one state of a file, and of those beside it, from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    plugin: (u64, SystemTime),
    accept: Option<(u64, SystemTime)>,
    signature: Option<(u64, SystemTime)>,
}

impl Stamp {
    /// When any of them was last written.
    fn written(&self) -> SystemTime {
        let times = [Some(self.plugin), self.accept, self.signature];
        times.into_iter().flatten().map(|(_, at)| at).max().unwrap_or(self.plugin.1)
    }
}

/// A file beside a plugin's.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The plugins of a folder; what is hidden is none.
pub(super) fn scan(folder: &Path) -> io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        if let Some(stamp) = stamp(&path) {
            found.insert(path, stamp);
        }
    }
    Ok(found)
}

/// The state of a plugin's file; none where it is no file, or not there any more.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let of = |path: &Path| {
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((about.len(), about.modified().ok()?))
    };
    Some(Stamp {
        plugin: of(path)?,
        accept: of(&beside(path, ACCEPT_SUFFIX)),
        signature: of(&beside(path, SIGNATURE_SUFFIX)),
    })
}

/// A file of the folder, as far as it is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    /// Since when it is so, or was found to be so.
    since: Instant,
    /// There is nothing more to do with it as it is.
    pub(super) settled: bool,
}

impl Known {
    pub(super) fn new(stamp: Stamp, now: Instant) -> Self {
        Self { stamp, since: now, settled: false }
    }

    /// Takes note of how it is now.
    pub(super) fn see(&mut self, stamp: Stamp, now: Instant) {
        if self.stamp != stamp {
            *self = Self::new(stamp, now);
        }
    }

    /// Whether it is to be read now: it is as it is for long enough, by our clock or by the file's.
    pub(super) fn is_due(&self, now: Instant, clock: SystemTime) -> bool {
        !self.settled && self.quiet_for(now, clock) >= QUIET
    }

    /// For how long nothing has been written.
    pub(super) fn quiet_for(&self, now: Instant, clock: SystemTime) -> Duration {
        // A file that says it is from the future is believed nothing.
        let by_file = clock.duration_since(self.stamp.written()).unwrap_or_default();
        by_file.max(now.saturating_duration_since(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_that_are_named_like_plugins_are_found_with_what_is_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), name).unwrap();
        for name in ["a.wasm", "a.wasm.accept", ".b.wasm", "c.wasm.part", "d.txt"] {
            write(name);
        }
        fs::create_dir(folder.path().join("e.wasm")).unwrap();
        let found = scan(folder.path()).unwrap();
        let names: Vec<_> = found.keys().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["a.wasm"]);
        let before = found.into_values().next().unwrap();
        assert!(before.accept.is_some() && before.signature.is_none());
        write("a.wasm.sigstore.json");
        assert_ne!(stamp(&folder.path().join("a.wasm")), Some(before), "what is beside it counts");
        assert!(scan(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_file_that_still_grows_is_waited_for_and_one_from_long_ago_is_not() {
        let (now, clock) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let at = |size: u64, ago: Duration| Stamp { plugin: (size, clock - ago), accept: None, signature: None };
        let old = Known::new(at(9, Duration::from_secs(60)), now);
        assert!(old.is_due(now, clock));
        let mut grows = Known::new(at(1, Duration::ZERO), now);
        assert!(!grows.is_due(now, clock));
        let later = now + QUIET;
        grows.see(at(2, Duration::ZERO), later);
        assert!(!grows.is_due(later, clock), "it changed meanwhile");
        grows.see(at(2, Duration::ZERO), later + QUIET);
        assert!(grows.is_due(later + QUIET, clock));
        grows.settled = true;
        assert!(!grows.is_due(later + PATIENCE, clock), "once is enough");
        grows.see(at(3, Duration::ZERO), later + PATIENCE);
        assert!(!grows.settled, "another file is looked at anew");
        let future = Known::new(Stamp { plugin: (1, clock + PATIENCE), accept: None, signature: None }, now);
        assert!(!future.is_due(now, clock) && future.is_due(now + QUIET, clock));
    }
}
