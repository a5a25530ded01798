//! What is wrong with a cassette, and why it has no answer.

use std::path::PathBuf;

/// Why a cassette cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    /// Its file cannot be read or written.
    #[error("the cassette {} cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// What is in its file is no cassette.
    #[error("the cassette {}, {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where, what, and what to do.
        reason: Malformed,
    },
    /// It was recorded of something else.
    #[error("the cassette {} is of {what} `{found}`, not of `{wanted}`; name another file", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// In what it differs.
        what: &'static str,
        /// What it is of.
        found: String,
        /// What was to be recorded or replayed.
        wanted: String,
    },
}

/// A line that is not one of a cassette's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Malformed {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Why a request is not answered from a cassette. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The next exchange that was recorded is another one.
    #[error(
        "line {line} of the cassette has another {what}: recorded was `{expected}`, asked is `{came}`; record it anew, or replay by the best match"
    )]
    Differs {
        /// The line.
        line: usize,
        /// `method`, `path and query`, `header` or `body`.
        what: &'static str,
        /// What was recorded.
        expected: String,
        /// What was asked.
        came: String,
    },
    /// Everything that was recorded has been replayed.
    #[error(
        "everything was replayed that the cassette has of `{operation}`, {recorded} in all, and `{came}` is asked besides; record it anew"
    )]
    Exhausted {
        /// The operation.
        operation: String,
        /// How many exchanges there are.
        recorded: usize,
        /// What was asked.
        came: String,
    },
    /// Nothing was recorded that has the method and path.
    #[error("the cassette has nothing like `{came}`; record it")]
    Nothing {
        /// What was asked.
        came: String,
    },
    /// A secret would come to be in it.
    #[error("what issues credentials is never recorded, and nothing recorded is an answer to it")]
    Private,
    /// A body was too long to be recorded.
    #[error(
        "line {line} of the cassette has no {what} body, since it was {len} bytes long; ask for less when recording"
    )]
    TooLong {
        /// The line.
        line: usize,
        /// `request` or `response`.
        what: &'static str,
        /// How long it was.
        len: u64,
    },
    /// Nobody waited for the answer when it was recorded.
    #[error("line {line} of the cassette has no answer, since it was not waited for when it was recorded")]
    GivenUp {
        /// The line.
        line: usize,
    },
    /// The body was not read to its end when it was recorded.
    #[error("line {line} of the cassette has no more of the body, since no more was read when it was recorded")]
    Cut {
        /// The line.
        line: usize,
    },
}
