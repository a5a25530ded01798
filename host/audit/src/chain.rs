//! Appending: a record becomes the next line.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Key, Kind, Record, key::hex};

/// The form of trails; another is not read.
pub(crate) const FORMAT: u32 = 1;

/// What a trail begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Header {
    /// The form of what follows.
    pub jackfield_audit: u32,
    /// The chain's random name.
    pub chain: String,
    /// What its signatures are verified with, in hexadecimal.
    pub key: String,
    /// The number of the first line that follows.
    pub first: u64,
    /// The hash of the line before that.
    pub prev: String,
}

impl Header {
    /// What a trail of this chain begins with that follows a head; the key is that of its signatures, in hexadecimal.
    pub fn new(chain: impl Into<String>, key: impl Into<String>, before: &Head) -> Self {
        Self {
            jackfield_audit: FORMAT,
            chain: chain.into(),
            key: key.into(),
            first: before.seq + 1,
            prev: before.hash.clone(),
        }
    }

    /// The header as a line, its end included.
    pub fn to_line(&self) -> String {
        // Numbers and texts always have a form in JSON.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// How far a chain has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Head {
    /// The number of its last line; 0 before the first.
    pub seq: u64,
    /// That line's hash; before the first, that of the chain's name and key.
    pub hash: String,
}

/// A line that was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// The line, its end included.
    pub text: String,
}

/// A chain that grows.
#[derive(Clone, Debug)]
pub struct Chain {
    name: String,
    key: String,
    head: Head,
}

impl Chain {
    /// A new chain of this name, whose signatures are this key's.
    pub fn begin(name: impl Into<String>, key: &Key) -> Self {
        let (name, key) = (name.into(), key.public());
        let head = Head { seq: 0, hash: origin(&name, &key) };
        Self { name, key, head }
    }

    /// A chain that has come so far already.
    pub fn resume(name: impl Into<String>, key: &Key, head: Head) -> Self {
        Self { name: name.into(), key: key.public(), head }
    }

    /// How far it has come.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What a trail of what follows begins with.
    pub fn header(&self) -> Header {
        self.header_after(&self.head)
    }

    /// What a trail begins with that follows an earlier head.
    pub fn header_after(&self, head: &Head) -> Header {
        Header::new(self.name.as_str(), self.key.as_str(), head)
    }

    /// Appends a record.
    pub fn append(&mut self, record: &Record) -> Line {
        self.push(record, None)
    }

    /// Appends the statement, signed, how far it has come.
    pub fn checkpoint(&mut self, at: i64, key: &Key) -> Line {
        let signature = key.sign(&statement("checkpoint", &self.name, &self.head, at));
        let record = Record { at, subject: "host".into(), ..Record::new(Kind::Checkpoint, "audit.checkpoint") };
        self.push(&record, Some(&signature))
    }

    /// What a trail ends with that comes as far as this chain: a line that belongs to the trail, not to the chain.
    pub fn close(&self, at: i64, key: &Key) -> String {
        close(&self.name, &self.head, at, key)
    }

    fn push(&mut self, record: &Record, signature: Option<&str>) -> Line {
        let seq = self.head.seq + 1;
        // A record's values all have a form in JSON: numbers that have none are written as null.
        let record = serde_json::to_string(record).unwrap_or_default();
        // One object, made of its parts: its number and what it follows come first. What is put together here, a number and
        // two texts of hexadecimal digits, needs no escapes.
        let members = record.strip_prefix("{").and_then(|record| record.strip_suffix("}")).unwrap_or_default();
        let mut text = format!("{{\"seq\":{seq},\"prev\":\"{}\",{members}", self.head.hash);
        if let Some(signature) = signature {
            text.extend([",\"signature\":\"", signature, "\""]);
        }
        text.push('}');
        self.head = Head { seq, hash: hash(text.as_bytes()) };
        text.push('\n');
        Line { seq, text }
    }
}

/// The last line of a trail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct End {
    pub(crate) end: Head,
    pub(crate) at: i64,
    pub(crate) signature: String,
}

fn close(name: &str, head: &Head, at: i64, key: &Key) -> String {
    let signature = key.sign(&statement("end", name, head, at));
    serde_json::to_string(&End { end: head.clone(), at, signature }).unwrap_or_default() + "\n"
}

/// What is signed: how far the chain of this name has come.
pub(crate) fn statement(what: &str, name: &str, head: &Head, at: i64) -> String {
    format!("jackfield/audit-{what}/1\n{name}\n{}\n{}\n{at}", head.seq, head.hash)
}

/// What the first line of a chain follows.
pub(crate) fn origin(name: &str, key: &str) -> String {
    hash(format!("jackfield/audit/1\n{name}\n{key}").as_bytes())
}

/// The hash of a line, which is given without its end.
pub fn hash_of(line: &str) -> String {
    hash(line.as_bytes())
}

/// The hash of a line, without its end.
pub(crate) fn hash(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}
