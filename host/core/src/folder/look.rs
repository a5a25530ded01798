//! What is in a plugin folder, and which of its files are whole. A file is copied bit by bit, and nobody says when that is over:
//! it is taken for whole once it has stayed as it is for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// In how many looks one after another a file must not be there before it counts as gone.
const LOOKS: u32 = 3;
/// How soon what failed for no fault of the file's is tried again; each time after that it takes twice as long.
const AGAIN: Duration = Duration::from_secs(5);
/// How often that is, at most: about every five minutes.
const MOST_DOUBLED: u32 = 6;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    written: SystemTime,
    /// When the system saw it change, which nobody can set back; where there is such a time.
    changed: Option<(i64, i64)>,
}

/// What tells one state of a plugin's file, and of those beside it, from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    plugin: State,
    accept: Option<State>,
    signature: Option<State>,
}

/// What there is in a folder.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) found: BTreeMap<PathBuf, Stamp>,
    /// What is named like a plugin and is a link, a pipe or the like.
    pub(super) strange: BTreeSet<PathBuf>,
    /// What was there before and certainly is not there now; of others that were not found it is not known.
    pub(super) absent: BTreeSet<PathBuf>,
    /// Which folder it is, whatever it is called: a disk that is mounted there is another. None where nobody can tell.
    pub(super) home: Option<(u64, u64)>,
}

impl Stamp {
    pub(super) fn has_accept(&self) -> bool {
        self.accept.is_some()
    }

    pub(super) fn has_signature(&self) -> bool {
        self.signature.is_some()
    }

    /// When any of them was last written.
    fn written(&self) -> SystemTime {
        let times = [Some(self.plugin), self.accept, self.signature];
        times.into_iter().flatten().map(|state| state.written).max().unwrap_or(self.plugin.written)
    }
}

/// A file beside a plugin's.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The plugins of a folder, and which of those that are known are gone; what is hidden is none.
pub(super) fn scan(folder: &Path, known: &BTreeSet<PathBuf>) -> io::Result<Scan> {
    let mut scan = Scan { home: home(&fs::metadata(folder)?), ..Scan::default() };
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        match stamp(&path) {
            Ok(Some(stamp)) => drop(scan.found.insert(path, stamp)),
            Ok(None) => drop(scan.strange.insert(path)),
            // It went away meanwhile, which the next look sees, or its disk is in trouble.
            Err(_) => {}
        }
    }
    let is_absent = |path: &&PathBuf| {
        !scan.found.contains_key(*path)
            && fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    scan.absent = known.iter().filter(is_absent).cloned().collect();
    Ok(scan)
}

/// The state of a plugin's file; none where it is no file. What lies beside it and is no file counts as not there.
pub(super) fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let beside = |suffix: &str| match state(&self::beside(path, suffix)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        state => state,
    };
    let Some(plugin) = state(path)? else { return Ok(None) };
    Ok(Some(Stamp { plugin, accept: beside(ACCEPT_SUFFIX)?, signature: beside(SIGNATURE_SUFFIX)? }))
}

/// The state of a file; none of a link, a pipe and whatever else may lead anywhere or never end.
fn state(path: &Path) -> io::Result<Option<State>> {
    let about = fs::symlink_metadata(path)?;
    if !about.is_file() {
        return Ok(None);
    }
    Ok(Some(State { size: about.len(), written: about.modified()?, changed: changed(&about) }))
}

#[cfg(unix)]
fn changed(about: &fs::Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((about.ctime(), about.ctime_nsec()))
}

#[cfg(not(unix))]
fn changed(_about: &fs::Metadata) -> Option<(i64, i64)> {
    None
}

#[cfg(unix)]
fn home(about: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn home(_about: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

/// A file of the folder, as far as it is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    /// Since when it is so, or was found to be so.
    since: Instant,
    /// There is nothing more to do with it as it is.
    pub(super) settled: bool,
    /// What was told of it last: it is not told again.
    pub(super) told: Option<String>,
    /// When it is tried again, and how often it failed for no fault of its own.
    again: Option<(Instant, u32)>,
    /// In how many looks it has not been there.
    looked_for: u32,
}

impl Known {
    pub(super) fn new(stamp: Stamp, now: Instant) -> Self {
        Self { stamp, since: now, settled: false, told: None, again: None, looked_for: 0 }
    }

    /// Takes note of how it is now.
    pub(super) fn see(&mut self, stamp: Stamp, now: Instant) {
        self.looked_for = 0;
        if self.stamp != stamp {
            *self = Self::new(stamp, now);
        }
    }

    /// Takes note that it is not there; whether it is gone.
    pub(super) fn miss(&mut self) -> bool {
        self.looked_for = self.looked_for.saturating_add(1);
        self.looked_for >= LOOKS
    }

    /// Takes note that it failed for no fault of its own.
    pub(super) fn try_later(&mut self, now: Instant) {
        let failed = self.again.map_or(0, |(_, failed)| failed);
        self.again = Some((now + AGAIN * 2_u32.pow(failed.min(MOST_DOUBLED)), failed.saturating_add(1)));
    }

    /// Has it looked at anew: what it was judged by is another.
    pub(super) fn unsettle(&mut self) {
        (self.settled, self.again) = (false, None);
    }

    /// Whether it is to be read now: it is as it is for long enough, by our clock or by the file's.
    pub(super) fn is_due(&self, now: Instant, clock: SystemTime) -> bool {
        let waits = self.again.is_some_and(|(at, _)| now < at);
        !self.settled && !waits && self.looked_for == 0 && self.quiet_for(now, clock) >= QUIET
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
        let path = |name: &str| folder.path().join(name);
        let known = BTreeSet::from([path("a.wasm"), path("f.wasm")]);
        let Scan { found, strange, absent, home } = scan(folder.path(), &known).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [&path("a.wasm")]);
        assert_eq!((strange, absent), (BTreeSet::from([path("e.wasm")]), BTreeSet::from([path("f.wasm")])));
        assert_eq!(home.is_some(), cfg!(unix));
        let before = found.into_values().next().unwrap();
        assert!(before.accept.is_some() && before.signature.is_none());
        write("a.wasm.sigstore.json");
        assert_ne!(stamp(&path("a.wasm")).unwrap(), Some(before), "what is beside it counts");
        assert!(scan(&path("none"), &BTreeSet::new()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_no_plugin_and_the_time_of_a_change_cannot_be_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.wasm"), "1").unwrap();
        std::os::unix::fs::symlink(path("a.wasm"), path("b.wasm")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("a.wasm.accept")).unwrap();
        let Scan { found, strange, .. } = scan(folder.path(), &BTreeSet::new()).unwrap();
        assert_eq!(strange, BTreeSet::from([path("b.wasm")]));
        let before = &found[&path("a.wasm")];
        assert!(before.accept.is_none(), "it leads elsewhere");
        let written = before.plugin.written;
        std::thread::sleep(Duration::from_millis(20));
        fs::write(path("a.wasm"), "2").unwrap();
        fs::File::options().write(true).open(path("a.wasm")).unwrap().set_modified(written).unwrap();
        assert_ne!(stamp(&path("a.wasm")).unwrap().as_ref(), Some(before));
    }

    fn state_of(size: u64, written: SystemTime) -> Stamp {
        Stamp { plugin: State { size, written, changed: None }, accept: None, signature: None }
    }

    #[test]
    fn what_is_missed_thrice_is_gone_and_what_failed_is_tried_later_and_later() {
        let (now, clock) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let stamp = state_of(1, SystemTime::UNIX_EPOCH);
        let mut known = Known::new(stamp.clone(), now);
        assert!(!known.miss() && !known.miss());
        known.see(stamp, now);
        assert!(!known.miss() && !known.miss() && known.miss(), "one after another");
        known.looked_for = 0;
        known.try_later(now);
        assert!(!known.is_due(now, clock) && known.is_due(now + AGAIN, clock));
        (0..100).for_each(|_| known.try_later(now));
        assert!(!known.is_due(now + AGAIN * 60, clock) && known.is_due(now + AGAIN * 64, clock));
        known.unsettle();
        assert!(known.is_due(now, clock));
    }

    #[test]
    fn a_file_that_still_grows_is_waited_for_and_one_from_long_ago_is_not() {
        let (now, clock) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let at = |size: u64, ago: Duration| state_of(size, clock - ago);
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
        let future = Known::new(state_of(1, clock + PATIENCE), now);
        assert!(!future.is_due(now, clock) && future.is_due(now + QUIET, clock));
    }
}
