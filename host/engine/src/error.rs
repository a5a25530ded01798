//! What can go wrong with the engine, and with one call.

use jackfield_reflect::JsonError;

use crate::{Limit, types};

/// Why the engine could not start or a component could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime could not be set up on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Start(String),
    /// The component is not valid WebAssembly or uses features that are switched off.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// The component imports something the host does not offer.
    #[error("the component imports `{import}`, which the host does not offer; {remedy}")]
    Import {
        /// The import.
        import: String,
        /// What to do instead.
        remedy: String,
    },
    /// The component imports or exports something in another form than the host expects.
    #[error("the component does not fit this host: {0}")]
    Link(String),
    /// The compile cache cannot be used.
    #[error("the compile cache in {path} cannot be used: {reason}")]
    Cache {
        /// The folder.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The plugin answered with an error.
    #[error("{}", .0.message)]
    Guest(types::Error),
    /// The parameters are wrong.
    #[error("{0}")]
    Params(JsonError),
    /// The plugin crashed. Its instance was discarded.
    #[error("the plugin crashed: {message}")]
    Trap {
        /// wasmtime's word for it and the last thing the plugin said.
        message: String,
    },
    /// Time ran out. The instance was discarded.
    #[error("the call did not end in time")]
    DeadlineExceeded,
    /// The plugin ran into one of its bounds. Its instance was discarded, unless its answer was all that was too long.
    #[error("{}", limit.sentence(*most))]
    Exceeded {
        /// Which.
        limit: Limit,
        /// The bound, in the limit's unit.
        most: u64,
    },
    /// Too many calls at once: neither a place nor an instance came free in time.
    #[error("the integration is busy: {reason}")]
    Busy {
        /// What there is too little of.
        reason: String,
    },
    /// The plugin does not export the operation.
    #[error("the plugin does not export `{0}`")]
    NoSuchExport(String),
    /// A fault of the host.
    #[error("{0}")]
    Internal(String),
}

impl CallError {
    /// Whether the guest is to blame and its instance is gone.
    pub fn is_guest_fault(&self) -> bool {
        matches!(self, Self::Trap { .. } | Self::Exceeded { .. })
    }
}
