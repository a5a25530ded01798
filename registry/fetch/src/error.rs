//! Why nothing was fetched.

use jackfield_net::{ConnectError, SendError};
use jackfield_oci::OciError;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A registry did not give it.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// A web server cannot be reached.
    #[error("{place}: {source}")]
    Connect {
        /// What was asked for.
        place: String,
        /// Why.
        source: ConnectError,
    },
    /// A web server did not give it.
    #[error("{place}: {source}")]
    Send {
        /// What was asked for.
        place: String,
        /// Why.
        source: SendError,
    },
    /// A web server answers with another status.
    #[error(
        "{place}: the server answers {status}; give the address of the file itself, which needs neither a login nor a redirect"
    )]
    Status {
        /// What was asked for.
        place: String,
        /// The status.
        status: u16,
    },
    /// It takes too long.
    #[error("{place}: it did not come within {seconds} seconds")]
    Slow {
        /// What was asked for.
        place: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It would come without TLS.
    #[error(
        "{place}: without TLS only this machine is asked, and what `--registry-plain-http HOST:PORT` names; write `https://`"
    )]
    Plain {
        /// What was asked for.
        place: String,
    },
    /// It is too large.
    #[error("{place}: it has more than {most} bytes, which is the most that is taken")]
    TooLarge {
        /// What was asked for.
        place: String,
        /// The most that is taken.
        most: usize,
    },
    /// A file here cannot be read.
    #[error("{place} cannot be read: {source}")]
    Read {
        /// The file.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A mirror's copy is not what it should be.
    #[error("{place}: the mirror's copy is damaged: {reason}; make it again with `jackfield registry mirror`")]
    Kept {
        /// The copy.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

impl FetchError {
    /// Whether there is no such thing there.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_not_found(),
            Self::Status { status, .. } => *status == 404,
            _ => self.is_missing_file(),
        }
    }
}
