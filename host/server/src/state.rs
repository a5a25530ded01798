//! What every handler shares.

use std::sync::Arc;

use jackfield_core::Host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ServerOptions, problem::Problem};

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) options: Arc<ServerOptions>,
    streams: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(host: Host, options: ServerOptions) -> Self {
        let streams = Arc::new(Semaphore::new(options.max_streams));
        Self { host, options: Arc::new(options), streams }
    }

    /// The right to hold one stream open, until it is dropped.
    pub(crate) fn open_stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            Problem::unavailable(format!(
                "{} streams are open, which is the most this server holds; close one, or try again later",
                self.options.max_streams
            ))
        })
    }
}
