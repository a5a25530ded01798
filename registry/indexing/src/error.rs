//! Why a file of an index is not taken.

use std::fmt;

use jackfield_registry::Digest;

use crate::Timestamp;

/// A file of an index, as errors name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexFile {
    /// The root.
    Root,
    /// The page of a plugin.
    Page(String),
    /// A file that an index is built from, by its path.
    Source(String),
}

impl fmt::Display for IndexFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str(crate::ROOT_FILE),
            Self::Page(name) => f.write_str(&crate::page_path(name)),
            Self::Source(path) => f.write_str(path),
        }
    }
}

/// Why a file of an index is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is too large.
    #[error("{file}: it has {size} bytes; at most {most} are read")]
    TooLarge {
        /// The file.
        file: IndexFile,
        /// How large it is.
        size: usize,
        /// How large it may be.
        most: usize,
    },
    /// It is not JSON, or TOML where that is wanted, or not with these members.
    #[error("{file}{}: {reason}", at(place))]
    Form {
        /// The file.
        file: IndexFile,
        /// The member, or the line; empty for the whole file.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// It is of a later format.
    #[error("{file}: its format is {found}, and this Jackfield reads format {}; use a later Jackfield", crate::FORMAT)]
    Format {
        /// The file.
        file: IndexFile,
        /// What it says.
        found: String,
    },
    /// It is not the page that the root names.
    #[error(
        "{file}: its digest is {found}, and the index's root names {expected}; fetch both again, and if it stays so ask whoever hosts the index"
    )]
    OtherPage {
        /// The file.
        file: IndexFile,
        /// What the root names.
        expected: Digest,
        /// What was read.
        found: Digest,
    },
    /// The root lists no such plugin.
    #[error("the index `{index}` has no plugin `{plugin}`; `jackfield registry search` shows those there are")]
    NoSuchPlugin {
        /// The index, as it calls itself.
        index: String,
        /// The plugin.
        plugin: String,
    },
    /// It is another index than before.
    #[error(
        "the index calls itself `{found}`, and was `{expected}` before; if it is right, remove it with `jackfield registry remove` and add it again"
    )]
    OtherIndex {
        /// What it was called.
        expected: String,
        /// What it is called now.
        found: String,
    },
    /// It is older than one that was seen.
    #[error(
        "the index `{index}` has the serial {found}, and {seen} was seen before; it is an old copy, so nothing of it is taken: ask whoever hosts it"
    )]
    RolledBack {
        /// The index.
        index: String,
        /// The highest serial that was seen.
        seen: u64,
        /// Its serial.
        found: u64,
    },
    /// It has the serial of one that was seen, and says something else.
    #[error(
        "the index `{index}` has the serial {serial} as before and says something else ({found}, before {seen}); somebody gives different readers different indexes, so nothing of it is taken: ask whoever hosts it"
    )]
    Forked {
        /// The index.
        index: String,
        /// The serial of both.
        serial: u64,
        /// The digest of the root that was seen.
        seen: Digest,
        /// The digest of this one.
        found: Digest,
    },
    /// It is past its time.
    #[error(
        "the index `{index}` expired on {expires}; nothing new is installed by it until there is a newer one: `jackfield registry sync`, or ask whoever hosts it"
    )]
    Expired {
        /// The index.
        index: String,
        /// When.
        expires: Timestamp,
    },
    /// It has no signature.
    #[error(
        "the index has no signature ({} is not there), and its signers are named; ask whoever hosts it",
        crate::SIGNATURE_FILE
    )]
    Unsigned,
    /// Its signature is not by one of those who are expected.
    #[error("the index's signature is by none of the signers that are named for it: {}", reasons.join("; "))]
    NotBySigner {
        /// Why it does not count, for each of them.
        reasons: Vec<String>,
    },
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(": {place}") }
}

/// A reason that strangers had a part in, as an error has it: one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 300;
    let mut out: String = text.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
