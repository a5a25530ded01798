//! What writes a cassette: a thread with a bounded queue, so that no call waits for a disk.
//!
//! A line is appended whole or not at all. Where one cannot be, for want of space or since something secret was found in it,
//! what was begun of it is taken back, and the cassette says in its first line that it is not complete: it says so from its
//! first moment on, in fact, and is declared complete when recording has ended and everything is in it. So a crash needs no
//! last words.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender},
    },
};

use super::{Exchange, file};
use crate::Known;

/// Exchanges that wait to be written.
pub(super) const QUEUE: usize = 1024;
/// Bytes of bodies that may be held at once: of responses that are being read, and of exchanges that wait to be written.
const MOST_HELD: usize = 64 << 20;

/// What all who record to one cassette share.
pub(super) struct Desk {
    pub(super) path: PathBuf,
    pub(super) integration: Arc<str>,
    pub(super) known: Arc<Known>,
    /// The number of the next exchange.
    pub(super) next: AtomicU64,
    /// Exchanges that have begun and are not handed in.
    open: AtomicUsize,
    held: AtomicUsize,
    queue: Mutex<Option<SyncSender<(Exchange, usize)>>>,
    /// Why something is missing.
    missing: OnceLock<&'static str>,
}

impl Desk {
    pub(super) fn new(
        path: PathBuf,
        integration: Arc<str>,
        known: Arc<Known>,
        next: u64,
        queue: SyncSender<(Exchange, usize)>,
    ) -> Self {
        Self {
            path,
            integration,
            known,
            next: AtomicU64::new(next),
            open: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            queue: Mutex::new(Some(queue)),
            missing: OnceLock::new(),
        }
    }

    /// An exchange begins.
    pub(super) fn begin(&self) -> u64 {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// An exchange has ended: it is handed in, or was none. `held`: what was held for it.
    pub(super) fn end(&self, exchange: Option<Exchange>, held: usize) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let handed_in = match exchange {
            None => false,
            Some(exchange) => {
                let sent = queue.as_ref().is_some_and(|queue| queue.try_send((exchange, held)).is_ok());
                if !sent {
                    self.miss("the disk is too slow, or recording has ended");
                }
                sent
            }
        };
        if !handed_in {
            self.release(held);
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        // Not before: once nobody can hand in anything more, the writer looks whether something is open still.
        drop(queue);
    }

    /// Takes room for so many bytes, or says that there is none.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= MOST_HELD {
            return true;
        }
        self.release(bytes);
        false
    }

    pub(super) fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Something is not recorded. Told once; calls go on.
    pub(super) fn miss(&self, why: &'static str) {
        if self.missing.set(why).is_ok() {
            let (integration, path) = (&*self.integration, self.path.display());
            tracing::warn!(integration, %path, "the cassette is not complete: {why}");
        }
    }

    /// Nothing more is handed in from now on.
    pub(super) fn close(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(queue);
    }

    /// Why something is missing, if it is.
    pub(super) fn missing(&self) -> Option<&'static str> {
        self.missing.get().copied()
    }
}

/// Writes what is handed in until nothing more can be. `whole`: nothing was missing before. `place`: where the first line says
/// whether that is so. `most`: the longest that the file may be.
pub(super) fn run(desk: &Desk, jobs: &Receiver<(Exchange, usize)>, mut file: File, whole: bool, place: u64, most: u64) {
    let mut len = file.seek(SeekFrom::End(0)).unwrap_or(u64::MAX);
    let mut writable = true;
    while let Ok((exchange, held)) = jobs.recv() {
        let line = file::line(&exchange);
        drop(exchange);
        if writable {
            if len.saturating_add(line.len() as u64) > most {
                writable = false;
                desk.miss("its file is as long as it may be");
            } else if desk.known.redact(line.as_bytes()).is_some() {
                desk.miss("a secret was found in what a plugin asked, in a form that cannot be redacted there");
            } else if let Err(error) = append(&mut file, len, line.as_bytes()) {
                writable = false;
                tracing::warn!(integration = &*desk.integration, %error, "the cassette cannot be written");
                desk.miss("it cannot be written; see that the disk is healthy and has space");
            } else {
                len += line.len() as u64;
            }
        }
        desk.release(held);
    }
    if desk.open.load(Ordering::Acquire) > 0 {
        desk.miss("requests were under way when recording ended");
    }
    let end = |file: &mut File| -> io::Result<()> {
        if whole && desk.missing().is_none() {
            file.seek(SeekFrom::Start(place))?;
            file.write_all(file::completeness(true).as_bytes())?;
        }
        file.sync_all()
    };
    if let Err(error) = end(&mut file) {
        tracing::warn!(integration = &*desk.integration, %error, "the cassette cannot be written");
    }
}

/// Appends a line at the file's end, or leaves it as it was.
fn append(file: &mut File, end: u64, line: &[u8]) -> io::Result<()> {
    file.write_all(line).inspect_err(|_| {
        // Where this fails too, a reader will find the line that was cut.
        let _ = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)).map(drop));
    })
}
