//! A file of lines, in the form that `jackfield audit verify` reads: a header, then every record as it is chained. It never
//! has an end that is signed, since it goes on; so what it proves is that its lines follow one another, and that whatever
//! stands before its last checkpoint is what the host signed.
//!
//! Lines are appended whole and flushed to the disk before they count as sent. The file itself says how far it has come,
//! so after a crash nothing is in it twice: a line that was torn is cut off and written again, what is there already is not.
//! A file that was moved away, or emptied, is begun anew. What does not continue a file, because records between were let
//! go of or because the trail is another one, does not go into it: the file is set aside and a new one begun.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jackfield_audit::{Head, Header, MAX_LINE};

use super::{Deliver, Failed, Taken};
use crate::{entry::Entry, trail::Batch};

/// Names that are tried for a file that is set aside.
const NAMES: u32 = 100;

pub(super) struct ToFile(Arc<Mutex<Target>>);

struct Target {
    path: PathBuf,
    open: Option<Open>,
}

/// The file as it was left.
struct Open {
    file: File,
    identity: Identity,
    holds: Holds,
}

/// What tells a file from another that has its name by now, or from what somebody else made of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: (u64, u64),
    len: u64,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holds {
    Nothing,
    /// A trail that begins so, as far as this.
    Until(Header, Head),
    /// A trail that has an end, or one whose last line is no record.
    Ended,
}

impl ToFile {
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(Mutex::new(Target { path: path.to_owned(), open: None })))
    }
}

#[async_trait]
impl Deliver for ToFile {
    async fn deliver(&mut self, batch: &Batch<'_>) -> Result<Taken, Failed> {
        let (target, entries) = (self.0.clone(), batch.entries.to_vec());
        let header = header(batch.chain, &batch.before);
        let write = move || {
            let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
            let written = target.write(&header, &entries);
            if written.is_err() {
                // Looked at again, and what was torn cut off.
                target.open = None;
            }
            written.map_err(|error| format!("{}: {error}", target.path.display()))
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
        written.map(|()| Taken::default()).map_err(Failed::from)
    }
}

/// What a trail of this chain begins with that follows a head.
fn header((chain, key): (&str, &str), before: &Head) -> Header {
    Header::new(chain, key, before)
}

impl Target {
    fn write(&mut self, header: &Header, entries: &[Entry]) -> io::Result<()> {
        let mut open = self.opened()?;
        let before = Head { seq: header.first - 1, hash: header.prev.clone() };
        let rest = match open.holds.clone() {
            Holds::Nothing => None,
            Holds::Until(begun, head) if (&begun.chain, &begun.key) != (&header.chain, &header.key) => {
                return self.anew(open, Some(head.seq), header, entries);
            }
            Holds::Until(_, head) if head == before => Some(entries),
            // The cursor was not stored before the host went: these are in it already, some or all. If they are these: a
            // trail that was put back from a backup has others of the same numbers.
            Holds::Until(begun, head) if head.seq > before.seq => {
                let (there, rest) = entries.split_at(entries.partition_point(|entry| entry.seq <= head.seq));
                match there.last() {
                    Some(last) if has(&mut open.file, &begun, last)? => Some(rest),
                    _ => return self.anew(open, Some(head.seq), header, entries),
                }
            }
            Holds::Until(_, head) => return self.anew(open, Some(head.seq), header, entries),
            Holds::Ended => return self.anew(open, None, header, entries),
        };
        let mut text = String::with_capacity(entries.iter().map(|entry| entry.line.len() + 1).sum::<usize>() + 512);
        if rest.is_none() {
            text.push_str(&header.to_line());
        }
        let rest = rest.unwrap_or(entries);
        for entry in rest {
            text.push_str(&entry.line);
            text.push('\n');
        }
        if let Err(error) = open.append(&text) {
            // So that no half line stays where another program reads it; what stays is cut off at the next opening.
            let _ = open.file.set_len(open.identity.len);
            return Err(error);
        }
        open.identity.len += text.len() as u64;
        if let Some(last) = rest.last() {
            let begun = match open.holds {
                Holds::Until(begun, _) => begun,
                _ => header.clone(),
            };
            open.holds = Holds::Until(begun, last.head());
        }
        self.open = Some(open);
        Ok(())
    }

    /// Sets the file aside and begins another.
    fn anew(&mut self, open: Open, until: Option<u64>, header: &Header, entries: &[Entry]) -> io::Result<()> {
        drop(open);
        let end = until.map_or_else(|| "ended".to_owned(), |seq| format!("until-{seq}"));
        let free = (1..=NAMES).map(|n| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{end}"));
            if n > 1 {
                name.push(format!(".{n}"));
            }
            PathBuf::from(name)
        });
        let aside = free.into_iter().find(|path| fs::symlink_metadata(path).is_err());
        let aside =
            aside.ok_or_else(|| io::Error::other(format!("too many files were set aside (.{end}); move them away")))?;
        fs::rename(&self.path, &aside)?;
        tracing::info!(file = %self.path.display(), aside = %aside.display(), "a file of the audit trail was set aside; what comes does not continue it");
        self.write(header, entries)
    }

    /// The file, as it was left or opened anew.
    fn opened(&mut self) -> io::Result<Open> {
        if let Some(open) = self.open.take()
            && fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == open.identity)
        {
            return Ok(open);
        }
        let mut file = match fs::symlink_metadata(&self.path) {
            // A link could stand for any file of this user's.
            Ok(found) if !found.is_file() => {
                return Err(io::Error::other("it is a link or a device, not a file; name another, or remove it"));
            }
            Ok(_) => options().open(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options().create_new(true).open(&self.path)?;
                sync_folder(&self.path)?;
                file
            }
            Err(error) => return Err(error),
        };
        let holds = look(&mut file)?;
        let identity = identity(&file.metadata()?);
        Ok(Open { file, identity, holds })
    }
}

impl Open {
    fn append(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    Identity { inode: (found.dev(), found.ino()), len: found.len() }
}

#[cfg(not(unix))]
fn identity(found: &fs::Metadata) -> Identity {
    Identity { inode: (0, 0), len: found.len() }
}

/// So that the file's name survives a crash as what is in it does.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        #[cfg(unix)]
        Some(folder) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// What is in a file; a line that was torn is cut off, if the file is a trail. What is none is left as it is.
fn look(file: &mut File) -> io::Result<Holds> {
    let foreign =
        || io::Error::other("something else than an audit trail is in it; name another file, or move it away");
    let len = file.metadata()?.len();
    if len == 0 {
        return Ok(Holds::Nothing);
    }
    file.rewind()?;
    let mut first = Vec::new();
    BufReader::new(&mut *file).take(MAX_LINE as u64).read_until(b'\n', &mut first)?;
    if first.pop_if(|last| *last == b'\n').is_none() {
        // Nothing but a header that was torn.
        if !first.starts_with(b"{\"jackfield-audit\":") {
            return Err(foreign());
        }
        file.set_len(0)?;
        return Ok(Holds::Nothing);
    }
    let header: Header = serde_json::from_slice(&first).map_err(|_| foreign())?;
    // Two lines and what may be torn behind them.
    let from = len.saturating_sub(2 * MAX_LINE as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(2 * MAX_LINE as u64).read_to_end(&mut tail)?;
    let whole = last_end(&tail).map_or(0, |end| end + 1);
    if whole < tail.len() {
        file.set_len(from + whole as u64)?;
    }
    let lines = tail.get(..whole.saturating_sub(1)).unwrap_or_default();
    let last = lines.get(last_end(lines).map_or(0, |end| end + 1)..).unwrap_or_default();
    if last == first {
        let before = Head { seq: header.first.saturating_sub(1), hash: header.prev.clone() };
        return Ok(Holds::Until(header, before));
    }
    let last = std::str::from_utf8(last).ok().and_then(Entry::read);
    Ok(last.map_or(Holds::Ended, |last| Holds::Until(header, last.head())))
}

/// Whether a record is in a file, where it belongs.
fn has(file: &mut File, begun: &Header, entry: &Entry) -> io::Result<bool> {
    let Some(lines_before) = entry.seq.checked_sub(begun.first) else { return Ok(false) };
    file.rewind()?;
    let mut reader = BufReader::new(file);
    // The header is one more.
    for _ in 0..=lines_before {
        reader.skip_until(b'\n')?;
    }
    let mut line = Vec::new();
    reader.take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    Ok(line.strip_suffix(b"\n") == Some(entry.line.as_bytes()))
}

fn last_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n')
}
