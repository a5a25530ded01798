//! Verifying a trail: that every line follows the one before it, that what is signed is signed, and that it ends where its
//! end says. What is wrong is told with its place, which the line after it decides: a line that follows nothing was changed
//! itself, or what it followed was.

use std::io::{BufRead, Read as _};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Head, Header, MAX_LINE,
    chain::{End, FORMAT, hash, origin, statement},
    key::is_signed,
};

/// What the one who verifies knows already.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The key that the trail must be signed with, in hexadecimal.
    pub key: Option<String>,
    /// A head of an earlier day, which must be in the trail, or what it begins behind.
    pub head: Option<Head>,
    /// The trail goes on, like the file of a sink, and so need have no end. Then nothing but an expected head tells whether
    /// lines are missing at its end, and nothing tells whether those behind its last checkpoint are the host's.
    pub open: bool,
}

/// A trail that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The chain's name.
    pub chain: String,
    /// The key it is signed with, in hexadecimal.
    pub key: String,
    /// The number of its first line.
    pub first: u64,
    /// How many lines it has.
    pub records: u64,
    /// How many of them are signed checkpoints.
    pub checkpoints: u64,
    /// How far it comes.
    pub head: Head,
    /// How far a signature covers it: its end's, or, of a trail that is open, its last checkpoint's. 0 where there is none.
    pub signed: u64,
}

/// A trail that is not whole, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {what}", .seq.map(|seq| format!(" (record {seq})")).unwrap_or_default())]
pub struct Fault {
    /// The line of the text, from 1.
    pub line: u64,
    /// The record's number.
    pub seq: Option<u64>,
    /// What is wrong with it.
    pub what: What,
}

/// What can be wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// It cannot be read at all.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It does not begin like a trail.
    #[error("this is no audit trail of Jackfield's, or of a form that this version does not know")]
    NotATrail,
    /// It is signed with another key than it should be.
    #[error("it is signed with the key {0}, which is not the expected one")]
    OtherKey(String),
    /// The record was changed after it was written.
    #[error("it was changed after it was written")]
    Changed,
    /// One or more records are missing before this place.
    #[error("records are missing: {0} was to be next")]
    Missing(u64),
    /// The record stands at a place that is not its own, or stands there twice.
    #[error("it is out of its order, or there twice: {0} was to be next")]
    Misplaced(u64),
    /// A checkpoint's or the end's signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// The text ends before the trail does.
    #[error("the trail is cut off: its end is missing")]
    CutOff,
    /// Something stands behind the trail's end.
    #[error("there is more behind the end of the trail")]
    Beyond,
    /// The head that was expected is not part of it: it is older, or another one was put in its place.
    #[error("the record {0} that was expected is not part of this trail as it was")]
    NotOurs(u64),
}

/// A line's beginning, and of a checkpoint what is signed.
#[derive(Deserialize)]
struct Beginning {
    seq: u64,
    prev: String,
}

#[derive(Deserialize)]
struct Checkpoint {
    at: i64,
    signature: String,
}

/// Verifies a trail from its header to its end.
pub fn verify(source: impl BufRead, expected: &Expectations) -> Result<Verified, Fault> {
    let mut lines = Lines { source, line: 0 };
    let fault = |line: u64, seq: Option<u64>, what: What| Fault { line, seq, what };
    let header = lines.next()?.ok_or_else(|| fault(1, None, What::NotATrail))?;
    let header: Header = as_written(&header).ok_or_else(|| fault(1, None, What::NotATrail))?;
    let begins = header.first > 1 || header.prev == origin(&header.chain, &header.key);
    if header.jackfield_audit != FORMAT || header.first == 0 || !begins {
        return Err(fault(1, None, What::NotATrail));
    }
    if expected.key.as_ref().is_some_and(|key| *key != header.key) {
        return Err(fault(1, None, What::OtherKey(header.key.chars().take(64).collect())));
    }
    let mut head = Head { seq: header.first - 1, hash: header.prev.clone() };
    let mut wanted = expected.head.clone();
    let (mut checkpoints, mut signed_until) = (0, 0);
    let mut text = lines.next()?;
    loop {
        let line = lines.line;
        if wanted.as_ref().is_some_and(|wanted| wanted.seq == head.seq)
            && wanted.take().is_some_and(|w| w.hash != head.hash)
        {
            return Err(fault(line - 1, Some(head.seq), What::NotOurs(head.seq)));
        }
        let records = head.seq + 1 - header.first;
        let verified = |header: Header, head: Head, signed: u64| Verified {
            chain: header.chain,
            key: header.key,
            first: header.first,
            records,
            checkpoints,
            head,
            signed,
        };
        let current = match text {
            Some(current) => current,
            None if expected.open => {
                let wanted = wanted.map_or(Ok(()), |wanted| Err(fault(line, None, What::NotOurs(wanted.seq))));
                return wanted.map(|()| verified(header, head, signed_until));
            }
            None => return Err(fault(line + 1, Some(head.seq + 1), What::CutOff)),
        };
        if current.starts_with(b"{\"end\":") {
            let signed =
                |end: &End| is_signed(&header.key, &statement("end", &header.chain, &end.end, end.at), &end.signature);
            let end: End = match as_written(&current) {
                Some(end) if signed(&end) => end,
                _ => return Err(fault(line, None, What::Signature)),
            };
            if end.end != head {
                let what = if end.end.seq == head.seq { What::Changed } else { What::Missing(head.seq + 1) };
                let seq = if what == What::Changed { head.seq } else { head.seq + 1 };
                return Err(fault(line, Some(seq), what));
            }
            if lines.next()?.is_some() {
                return Err(fault(line + 1, None, What::Beyond));
            }
            let wanted = wanted.map_or(Ok(()), |wanted| Err(fault(line, None, What::NotOurs(wanted.seq))));
            let signed = head.seq;
            return wanted.map(|()| verified(header, head, signed));
        }
        let next = lines.next()?;
        let seq = head.seq + 1;
        let here = hash(&current);
        // Whether the line after this one, or the end, knows it as it is.
        let confirmed = next.as_deref().is_some_and(|next| follows(next, &here));
        let begins = serde_json::from_slice::<Beginning>(&current);
        match begins {
            Ok(begin) if begin.seq == seq && begin.prev == head.hash => {}
            // It is as it was written, so it does not belong here.
            Ok(begin) if begin.seq != seq && confirmed && begin.prev != head.hash => {
                let what = if begin.seq > seq { What::Missing(seq) } else { What::Misplaced(seq) };
                let at = if begin.seq > seq { seq } else { begin.seq };
                return Err(fault(line, Some(at), what));
            }
            // It is as it was written and in its place: what it follows is not.
            Ok(begin) if begin.seq == seq && confirmed => {
                return Err(fault(line - 1, Some(head.seq), What::Changed));
            }
            Ok(begin) if begin.seq > seq && begin.prev != head.hash => {
                return Err(fault(line, Some(seq), What::Missing(seq)));
            }
            Ok(begin) if begin.seq < seq && begin.prev != head.hash => {
                return Err(fault(line, Some(begin.seq), What::Misplaced(seq)));
            }
            _ => return Err(fault(line, Some(seq), What::Changed)),
        }
        if is_checkpoint(&current) {
            let signed = |checkpoint: &Checkpoint| {
                is_signed(
                    &header.key,
                    &statement("checkpoint", &header.chain, &head, checkpoint.at),
                    &checkpoint.signature,
                )
            };
            if !serde_json::from_slice(&current).is_ok_and(|checkpoint| signed(&checkpoint)) {
                return Err(fault(line, Some(seq), What::Signature));
            }
            checkpoints += 1;
            signed_until = head.seq;
        }
        head = Head { seq, hash: here };
        text = next;
    }
}

/// What no hash covers, the first line and the last: it is read only as it was written, to the byte, so that not even a space
/// can be put into a trail.
fn as_written<T: Serialize + DeserializeOwned>(line: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(line).ok()?;
    serde_json::to_vec(&read).is_ok_and(|written| written == line).then_some(read)
}

/// Whether a line, or a trail's end, says that it follows a line of this hash.
fn follows(line: &[u8], hash: &str) -> bool {
    match serde_json::from_slice::<End>(line) {
        Ok(end) => end.end.hash == hash,
        Err(_) => serde_json::from_slice::<Beginning>(line).is_ok_and(|begin| begin.prev == hash),
    }
}

/// The kind stands behind the time, which is a number, so nothing that a record quotes can pass for it.
fn is_checkpoint(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kinded<'a> {
        kind: &'a str,
    }
    // Looked for before it is parsed: nearly all lines are none.
    let may = memchr::memmem::find(line, b"\"checkpoint\",").is_some();
    may && serde_json::from_slice::<Kinded<'_>>(line).is_ok_and(|kinded| kinded.kind == "checkpoint")
}

struct Lines<R> {
    source: R,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end; none behind the last. A last line that has no end is cut off.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut line = Vec::with_capacity(512);
        self.line += 1;
        let fault = |what: What| Fault { line: self.line, seq: None, what };
        let unreadable = |error: std::io::Error| fault(What::Unreadable(error.to_string()));
        self.source.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line).map_err(unreadable)?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() >= MAX_LINE => Err(fault(What::Unreadable("it is longer than any record".into()))),
            Some(_) => Err(fault(What::CutOff)),
        }
    }
}
