//! Why there is no peer: a machine that cannot have it is told apart from one that has it and cannot start it, because
//! the first skips a test and the second fails it.

/// Why a peer is not there.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The machine neither has the program nor a way to get it.
    #[error("{peer} is not to be had here: {why}")]
    Missing {
        /// The program.
        peer: String,
        /// What was tried and what would help.
        why: String,
    },
    /// The program is there and does not do what it should.
    #[error("{peer}: {why}")]
    Failed {
        /// The program.
        peer: String,
        /// What happened.
        why: String,
    },
}

impl PeerError {
    /// A program that the machine cannot have.
    pub fn missing(peer: &str, why: impl std::fmt::Display) -> PeerError {
        PeerError::Missing { peer: peer.into(), why: why.to_string() }
    }

    /// A program that misbehaves.
    pub fn failed(peer: &str, why: impl std::fmt::Display) -> PeerError {
        PeerError::Failed { peer: peer.into(), why: why.to_string() }
    }

    /// Whether the machine cannot have the program, as opposed to a program that fails.
    pub fn is_missing(&self) -> bool {
        matches!(self, PeerError::Missing { .. })
    }
}
