//! Traffic on its way into a cassette. A call hands over what it has when its response has ended, and never waits.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use super::{
    Answer, Asked, Cassette, CassetteError, Content, End, Exchange, Failure, Label, Reply,
    file::{START, completeness, first_line, place_of_completeness},
    writer::{self, Desk, QUEUE},
};
use crate::{GatewayError, Known, Request, Response};

/// Bounds of what is recorded.
#[derive(Clone, Copy, Debug)]
pub struct RecordLimits {
    /// The longest body that is kept, in bytes; of a longer one it is said how long it was.
    pub body_bytes: usize,
    /// The longest file, in bytes.
    pub file_bytes: u64,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { body_bytes: 8 << 20, file_bytes: 128 << 20 }
    }
}

/// A cassette that is recorded. What is under way when it is dropped is missing in it.
pub struct Recorder {
    label: Label,
    limits: RecordLimits,
    desk: Arc<Desk>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Records to this file, which only its owner may read: to a new one, or on in one that was recorded of the same integration
    /// and the same plugin file.
    pub fn open(path: &Path, label: Label, known: Arc<Known>, limits: RecordLimits) -> Result<Self, CassetteError> {
        let fail = |reason: String| CassetteError::File { path: path.to_owned(), reason };
        let unusable = |error: io::Error| fail(error.to_string());
        let (mut file, is_new) = open(path).map_err(unusable)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => fail("it is being recorded to already; name another file".to_owned()),
            TryLockError::Error(error) => unusable(error),
        })?;
        let (mut whole, mut next) = (true, 1);
        if is_new {
            file.write_all(first_line(&label, false).as_bytes()).map_err(unusable)?;
        } else {
            let before = Cassette::load_from(path, &file)?;
            differs(path, &before.label, &label)?;
            whole = before.complete;
            next = before.exchanges.iter().map(|exchange| exchange.number).max().unwrap_or(0).saturating_add(1);
        }
        let place = place(&mut file).map_err(unusable)?;
        let place = place.ok_or_else(|| fail("its first line was written by hand; record to a new file".to_owned()))?;
        if !is_new {
            file.seek(SeekFrom::Start(place)).map_err(unusable)?;
            file.write_all(completeness(false).as_bytes()).map_err(unusable)?;
        }
        let (queue, jobs) = mpsc::sync_channel(QUEUE);
        let desk = Desk::new(path.to_owned(), label.integration.as_str().into(), known, next, queue);
        let desk = Arc::new(desk);
        if !whole {
            desk.miss("it was not when recording to it ended before");
        }
        let at_work = desk.clone();
        let work = move || writer::run(&at_work, &jobs, file, whole, place, limits.file_bytes);
        let writer = std::thread::Builder::new().name("jackfield-cassette".to_owned()).spawn(work).map_err(unusable)?;
        Ok(Self { label, limits, desk, writer: Mutex::new(Some(writer)) })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.desk.path
    }

    /// Whether everything was recorded so far.
    pub fn is_complete(&self) -> bool {
        self.desk.missing().is_none()
    }

    /// Fails where it records something else.
    pub fn judge(&self, label: &Label) -> Result<(), CassetteError> {
        differs(self.path(), &self.label, label)
    }

    /// Ends recording: when this returns, everything is in the file. It waits for the disk.
    pub fn close(&self) {
        self.desk.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("what writes a cassette has crashed; the cassette says that it is not complete");
        }
    }

    /// A request begins.
    pub(crate) fn take(&self, request: &Request, target: &str) -> Take {
        let needles = self.desk.known.needles();
        let mut take = Take {
            desk: self.desk.clone(),
            most: self.limits.body_bytes,
            held: 0,
            body: Vec::new(),
            body_len: 0,
            exchange: Some(Exchange {
                number: self.desk.begin(),
                operation: request.operation.to_string(),
                endpoint: request.endpoint.clone(),
                request: Asked::of(request, target, &needles, self.limits.body_bytes),
                answer: Answer::GivenUp,
            }),
        };
        take.hold(request.body.len().min(self.limits.body_bytes));
        take
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The thread ends when it has written what it was given.
        self.desk.close();
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("path", &self.desk.path).finish_non_exhaustive()
    }
}

/// One exchange while it goes on. Dropped before its end, it is recorded as far as it came.
pub(crate) struct Take {
    desk: Arc<Desk>,
    most: usize,
    held: usize,
    /// What was read of the response's body; nothing once it is too long.
    body: Vec<u8>,
    body_len: u64,
    /// None once it was handed in or is lost.
    exchange: Option<Exchange>,
}

impl Take {
    /// The response's head is there.
    pub(crate) fn answered(&mut self, response: &Response) {
        // A body that is known to be empty has ended, whether anybody looks or not.
        let end = if response.body.is_known_empty() { End::Whole } else { End::Cut };
        let Response { status, headers, sent, .. } = response;
        let reply =
            Reply { host: sent.host.clone(), status: *status, headers: headers.clone(), body: Content::default(), end };
        if let Some(exchange) = &mut self.exchange {
            exchange.answer = Answer::Response(reply);
        }
    }

    /// The guest is given this piece of the body.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        self.body_len += piece.len() as u64;
        if self.body_len > self.most as u64 {
            self.body = Vec::new();
        } else if self.hold(piece.len()) {
            self.body.extend_from_slice(piece);
        }
    }

    /// The body has ended.
    pub(crate) fn ended(&mut self) {
        self.end(End::Whole);
    }

    /// There is no response, or no more of it.
    pub(crate) fn failed(&mut self, error: &GatewayError) {
        let failure = Failure::of(error);
        match (&mut self.exchange, failure) {
            (Some(Exchange { answer: Answer::Response(_), .. }), Some(failure)) => self.end(End::Failed(failure)),
            (Some(exchange), Some(failure)) => {
                exchange.answer = Answer::Failure(failure);
                self.hand_in();
            }
            // The host's own affair.
            (Some(_), None) => {
                self.exchange = None;
                self.desk.end(None, std::mem::take(&mut self.held));
            }
            (None, _) => {}
        }
    }

    fn end(&mut self, how: End) {
        if let Some(Exchange { answer: Answer::Response(Reply { end, .. }), .. }) = &mut self.exchange {
            *end = how;
        }
        self.hand_in();
    }

    fn hand_in(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        if let Answer::Response(Reply { body, .. }) = &mut exchange.answer {
            *body = match self.body_len > self.most as u64 {
                true => Content::TooLong(self.body_len),
                false => Content::Bytes(std::mem::take(&mut self.body).into()),
            };
        }
        self.desk.end(Some(exchange), std::mem::take(&mut self.held));
    }

    /// Takes room for so much more, or loses the whole exchange: half of one would be taken for one.
    fn hold(&mut self, bytes: usize) -> bool {
        if self.exchange.is_none() {
            return false;
        }
        if self.desk.hold(bytes) {
            self.held += bytes;
            return true;
        }
        self.exchange = None;
        self.body = Vec::new();
        self.desk.miss("more was under way at once than is held for it");
        self.desk.end(None, std::mem::take(&mut self.held));
        false
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        self.hand_in();
    }
}

/// Opens a file to record to, which only its owner may read, and says whether it was made. A link or a device is refused: in a
/// folder that others may write to, it could stand for any file of this user's.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is a link or a device, not a file; name a file")),
        Ok(_) => Ok((options.open(path)?, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((options.create_new(true).open(path)?, true)),
        Err(error) => Err(error),
    }
}

/// Where the first line says whether everything was recorded.
fn place(file: &mut File) -> io::Result<Option<u64>> {
    let mut start = [0; START];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut start)?;
    Ok(place_of_completeness(&start))
}

fn differs(path: &Path, found: &Label, wanted: &Label) -> Result<(), CassetteError> {
    let parts = [
        ("the integration", &found.integration, &wanted.integration),
        ("the plugin", &found.plugin, &wanted.plugin),
        ("the plugin's version", &found.plugin_version, &wanted.plugin_version),
        ("the plugin's file", &found.plugin_digest, &wanted.plugin_digest),
    ];
    match parts.into_iter().find(|(_, found, wanted)| found != wanted) {
        None => Ok(()),
        Some((what, found, wanted)) => {
            let (found, wanted) = (found.clone(), wanted.clone());
            Err(CassetteError::Other { path: path.to_owned(), what, found, wanted })
        }
    }
}
