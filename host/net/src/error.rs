//! Why a request brought no answer. The question that decides what a caller may do next is whether the request may
//! have been carried out, so everything that fails before a connection is given the request is told apart from what
//! fails after. In doubt it is "may have been sent".

use std::io;

use crate::{Refusal, TlsError};

/// Why there is no connection. Nothing was sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name could not be resolved.
    #[error("the name {name} could not be resolved: {reason}")]
    Dns {
        /// The name.
        name: String,
        /// The resolver's words.
        reason: String,
    },
    /// The host has only addresses that may not be dialled.
    #[error("{host} may not be dialled: {}", listed(refusals))]
    Refused {
        /// The host as the address names it.
        host: String,
        /// One for each address that was found; never empty.
        refusals: Vec<Refusal>,
    },
    /// No address took the connection.
    #[error("no connection: {}", listed(attempts))]
    Unreachable {
        /// One for each address that was tried; never empty.
        attempts: Vec<Attempt>,
    },
    /// TLS was not agreed on.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection was closed before it could be given a request.
    #[error("the connection to {place} was closed before a request could be sent: {reason}")]
    Closed {
        /// The endpoint's address.
        place: String,
        /// What was seen.
        reason: String,
    },
}

/// One address that did not take the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Attempt {
    /// Address and port, or the socket's path.
    pub place: String,
    /// Why not, in plain words.
    pub reason: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// There was no connection to send it on.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request cannot be expressed in HTTP.
    #[error("the request is not one: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// Time ran out.
    #[error("time ran out {}", if *sent { "before the answer was complete" } else { "before there was a connection" })]
    Timeout {
        /// Whether the request may have been sent by then.
        sent: bool,
    },
    /// The other side said that it did not touch the request (HTTP/2 REFUSED_STREAM).
    #[error("the server refused the request unprocessed")]
    Declined,
    /// The connection broke after the request may have been sent.
    #[error("the connection broke before the answer was complete: {reason}")]
    Lost {
        /// What was seen.
        reason: String,
    },
    /// What came back is not HTTP.
    #[error("the answer is not HTTP: {reason}")]
    Garbled {
        /// What is wrong with it.
        reason: String,
    },
}

impl SendError {
    /// Whether the request may have been carried out. False only where it surely was not.
    pub fn sent(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Request { .. } | Self::Declined => false,
            Self::Timeout { sent } => *sent,
            Self::Lost { .. } | Self::Garbled { .. } => true,
        }
    }
}

/// A system's error in plain words, without error numbers.
pub(crate) fn plain_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by the other side".into(),
        io::ErrorKind::HostUnreachable => "host unreachable".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        io::ErrorKind::TimedOut => "no answer in time".into(),
        io::ErrorKind::UnexpectedEof => "closed by the other side".into(),
        io::ErrorKind::NotFound => "no such socket".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    const SHOWN: usize = 3;
    let mut text = items.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if items.len() > SHOWN {
        text.push_str(&format!("; and {} more", items.len() - SHOWN));
    }
    text
}
