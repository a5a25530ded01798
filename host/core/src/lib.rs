//! The embeddable host: plugins, integrations, calls, health, events.

mod builder;
mod error;
mod host;
mod model;
mod requests;

pub use builder::{HostBuilder, server_of};
pub use error::{Error, ErrorKind, ErrorSource, Result};
pub use host::Host;
pub use model::*;
pub use requests::{CallRequest, ChangeBatch, Readiness, WatchRequest};
