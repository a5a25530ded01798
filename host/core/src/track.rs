//! What the host must remember of a call while it runs and its guest cannot be asked: whether it waited for the outside
//! system when time ran out, whether something may have been written when it crashed, and how much it has logged.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jackfield_audit::Request;

/// What is known of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Track {
    /// The operation may change something. What a read sends changes nothing, whatever HTTP method it takes: etcd is
    /// read with `POST`.
    pub(crate) writes: bool,
    /// Lines logged.
    pub(crate) lines: u32,
    /// Bytes sent and received.
    pub(crate) traffic: u64,
    /// Something that can change the outside system was sent, or may have been.
    pub(crate) wrote: bool,
    /// Of something that was sent and can change the outside system the answer was lost.
    pub(crate) lost: bool,
    /// It waits for the outside system.
    pub(crate) waits: bool,
    /// It has been judged: nothing more may be sent for it, even if its guest runs for another moment.
    pub(crate) closed: bool,
}

/// The most requests of one call that are listed.
const MOST_REQUESTS: usize = 64;

/// What a call asked of outside systems.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<(Vec<Request>, u64)>);

impl Asked {
    /// Adds a request; where it stands, if it is listed.
    pub(crate) fn add(&self, request: Request) -> Option<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.0.len() == MOST_REQUESTS {
            all.1 += 1;
            return None;
        }
        all.0.push(request);
        Some(all.0.len() - 1)
    }

    /// Counts bytes of the answer to a request.
    pub(crate) fn received(&self, request: usize, bytes: usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = all.0.get_mut(request) {
            request.received += bytes as u64;
        }
    }

    /// All of them, and how many more there were.
    pub(crate) fn take(&self) -> (Vec<Request>, u64) {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that runs now.
#[derive(Debug, Default)]
struct Now {
    track: Track,
    asked: Arc<Asked>,
}

/// The calls of one integration that run now.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    /// By the call's number, in parts, so that calls on several threads rarely want the same lock.
    running: [Mutex<HashMap<u64, Now>>; 16],
    /// Commits to the integration's state. Those are not told by call, so a change of this number stands for "maybe".
    state_commits: AtomicU64,
    /// Commits to it that were refused, since what runs may keep nothing.
    refused_commits: AtomicU64,
    refused_changes: AtomicU64,
}

impl Tracks {
    /// Begins to remember a call that `writes` or only reads, until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, call: u64, writes: bool) -> Tracked {
        let now = Now { track: Track { writes, ..Track::default() }, asked: Arc::default() };
        let asked = now.asked.clone();
        self.with(call, |running| running.insert(call, now));
        Tracked { tracks: self.clone(), call, asked, state_commits: self.state_commits.load(Ordering::Acquire) }
    }

    /// Changes what is known of a call, if it runs.
    pub(crate) fn update<R>(&self, call: u64, change: impl FnOnce(&mut Track) -> R) -> Option<R> {
        self.with(call, |running| running.get_mut(&call).map(|now| change(&mut now.track)))
    }

    /// What a call asks of outside systems, if it runs.
    pub(crate) fn asked(&self, call: u64) -> Option<Arc<Asked>> {
        self.with(call, |running| running.get(&call).map(|now| now.asked.clone()))
    }

    /// The numbers of the calls that run.
    pub(crate) fn running(&self) -> Vec<u64> {
        let part = |part: &Mutex<HashMap<u64, Now>>| {
            part.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect::<Vec<_>>()
        };
        self.running.iter().flat_map(part).collect()
    }

    /// Whether a call runs.
    pub(crate) fn is_running(&self, call: u64) -> bool {
        self.with(call, |running| running.contains_key(&call))
    }

    /// Something is about to be written to the integration's state.
    pub(crate) fn state_commit(&self) {
        self.state_commits.fetch_add(1, Ordering::Release);
    }

    /// Something was not written to the integration's state, since what runs may keep nothing.
    pub(crate) fn refuse_commit(&self) {
        self.refused_commits.fetch_add(1, Ordering::Release);
    }

    /// A request was refused that could have changed something, since what runs is only rehearsed.
    pub(crate) fn refuse_change(&self) {
        self.refused_changes.fetch_add(1, Ordering::Release);
    }

    /// How often that was so.
    pub(crate) fn refused_changes(&self) -> u64 {
        self.refused_changes.load(Ordering::Acquire)
    }

    /// How often that was so.
    pub(crate) fn refused_commits(&self) -> u64 {
        self.refused_commits.load(Ordering::Acquire)
    }

    fn with<R>(&self, call: u64, run: impl FnOnce(&mut HashMap<u64, Now>) -> R) -> R {
        let [first, ..] = &self.running;
        let part = usize::try_from(call % self.running.len() as u64).ok().and_then(|part| self.running.get(part));
        run(&mut part.unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that runs.
pub(crate) struct Tracked {
    tracks: Arc<Tracks>,
    call: u64,
    /// What it asks of outside systems.
    pub(crate) asked: Arc<Asked>,
    state_commits: u64,
}

impl Tracked {
    /// What is known of it, for good: nothing is sent for it any more.
    pub(crate) fn close(&self) -> Track {
        self.tracks.update(self.call, |track| track.closed = true);
        self.so_far()
    }

    /// What is known of it by now.
    pub(crate) fn so_far(&self) -> Track {
        let track =
            self.tracks.with(self.call, |running| running.get(&self.call).map(|now| now.track)).unwrap_or_default();
        let state = self.tracks.state_commits.load(Ordering::Acquire) != self.state_commits;
        Track { wrote: track.wrote || state, ..track }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.tracks.with(self.call, |running| running.remove(&self.call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_remembered_as_long_as_it_runs() {
        let tracks = Arc::new(Tracks::default());
        let call = tracks.begin(7, false);
        tracks.update(7, |track| track.wrote = true);
        assert!(call.so_far().wrote && !call.so_far().waits);
        drop(call);
        assert_eq!(tracks.update(7, |_| ()), None);
        let other = tracks.begin(8, false);
        assert_eq!(other.so_far(), Track::default());
        tracks.state_commit();
        assert!(other.so_far().wrote, "a commit while it ran may have been its own");
    }
}
