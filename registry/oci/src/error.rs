//! Why a registry did not do what it was asked. Each error names the place and what to do; a place is a URL without its
//! query, since storage services sign URLs in the query. What a registry or a stranger's document says is shown escaped
//! and shortened, and nothing here ever holds a credential.

use std::time::Duration;

use jackfield_net::{ConnectError, SendError};
use jackfield_registry::Digest;

use crate::ReferenceError;

/// Why a registry did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OciError {
    /// The reference is not one.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The client cannot be made of these options.
    #[error("the option `{option}` cannot be used: {reason}")]
    Options {
        /// Which one.
        option: &'static str,
        /// What is wrong with it, and what to write.
        reason: String,
    },
    /// The credentials for a registry could not be read.
    #[error("no credentials for {registry} from {place}: {reason}")]
    Credentials {
        /// For which registry.
        registry: String,
        /// The file, or the program that keeps them.
        place: String,
        /// Why not.
        reason: String,
    },
    /// There was no answer.
    #[error("{place}: {source}")]
    Send {
        /// What was asked.
        place: String,
        /// Why.
        source: SendError,
    },
    /// The answer did not come, or not to its end, in time.
    #[error("{place}: no complete answer within {} s; try again, or allow more time", after.as_secs_f32())]
    Timeout {
        /// What was asked.
        place: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The registry wants to know who asks, and the answer was not enough or there was none.
    #[error("{registry} does not let us {action}: {reason}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// What was to be done there.
        action: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The registry asks for credentials in a way that would give them away, or in one that is not known.
    #[error("{registry} asks for credentials in a way that is not followed: {reason}")]
    Challenge {
        /// The registry.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such thing there.
    #[error("{place}: there is nothing of that name{words}; check repository and tag, or whether a login is needed")]
    NotFound {
        /// What was asked.
        place: String,
        /// The registry's own words, with a colon before them, or nothing.
        words: String,
    },
    /// The registry answers with another status.
    #[error("{place}: the registry answers {status}{words}")]
    Status {
        /// What was asked.
        place: String,
        /// The status.
        status: u16,
        /// The registry's own words, with a colon before them, or nothing.
        words: String,
    },
    /// It leads to a place that is not followed to.
    #[error("{place}: it leads on to {to}, which is not followed: {reason}")]
    Redirect {
        /// What was asked.
        place: String,
        /// Scheme and host of where it leads, or what it is instead.
        to: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The answer is longer than it may be.
    #[error("{place}: the answer is longer than the {most} bytes that it may have")]
    TooLarge {
        /// What was asked.
        place: String,
        /// How many it may have.
        most: u64,
    },
    /// The content is larger than it may be, by what describes it.
    #[error("{digest} has {size} bytes; at most {most} are taken")]
    TooLargeToPull {
        /// What was to be pulled.
        digest: Digest,
        /// How large it is said to be.
        size: u64,
        /// How large it may be.
        most: u64,
    },
    /// The content has another length than was announced.
    #[error("{place}: {found} bytes came where {expected} are described; the content is damaged or was tampered with")]
    Length {
        /// What was asked.
        place: String,
        /// How many were described.
        expected: u64,
        /// How many came, or are announced.
        found: u64,
    },
    /// The content is not what the digest says.
    #[error("{place}: the content is {found} where {expected} was asked for; it is damaged or was tampered with")]
    Digest {
        /// What was asked.
        place: String,
        /// The digest that was expected.
        expected: Digest,
        /// That of what came.
        found: Digest,
    },
    /// The answer is not what the protocol says.
    #[error("{place}: the answer is not one of an OCI registry: {reason}")]
    Malformed {
        /// What was asked.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is there is not a single WebAssembly component.
    #[error(
        "{place} is {found}; expected is an image manifest with exactly one layer of the type application/wasm, as \
         `jackfield plugin push`, wkg, or `oras push … plugin.wasm:application/wasm` make it"
    )]
    NotWasm {
        /// What was pulled.
        place: String,
        /// What it is instead.
        found: String,
    },
    /// What is to be pushed is not what it is to be pushed as.
    #[error("{place} cannot be pushed: {reason}")]
    Push {
        /// Where to.
        place: String,
        /// Why not.
        reason: String,
    },
}

impl OciError {
    pub(crate) fn malformed(place: &str, reason: impl Into<String>) -> Self {
        Self::Malformed { place: place.to_owned(), reason: reason.into() }
    }

    pub(crate) fn connect(place: &str, error: ConnectError) -> Self {
        Self::Send { place: place.to_owned(), source: error.into() }
    }

    /// Whether the registry says that what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// A stranger's text for an error: escaped and kept short.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let visible = |c: char| match c {
        ' '..='~' => vec![c],
        other => other.escape_default().collect(),
    };
    let mut shown: String = text.chars().take(MOST).flat_map(visible).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
