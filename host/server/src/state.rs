//! What every handler shares.

use std::{ops::Deref, sync::Arc};

use jackfield_core::Host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ServerOptions, problem::Problem};

/// Cloned several times a request, so it is one count: counts that several processors write are what clones cost.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) host: Host,
    pub(crate) options: ServerOptions,
    streams: Arc<Semaphore>,
    /// Room for bodies, a place a KiB.
    room: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(host: Host, options: ServerOptions) -> Self {
        let streams = Arc::new(Semaphore::new(options.max_streams));
        let room = Arc::new(Semaphore::new(kib(options.all_bodies_bytes as u64) as usize));
        Self(Arc::new(Inner { host, options, streams, room }))
    }

    /// Room for a body of so many bytes, until it is dropped.
    pub(crate) async fn room_for(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Problem> {
        // A body that is larger than all the room there is takes all of it.
        let places = kib(bytes).min(kib(self.options.all_bodies_bytes as u64));
        let room = self.room.clone().acquire_many_owned(places);
        let full = || Problem::unavailable("the bodies of other requests take all the room there is; try again later");
        tokio::time::timeout(self.options.body_timeout, room).await.map_err(|_| full())?.map_err(|_| full())
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

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Whole KiB, rounded up, as many as a semaphore can count.
fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(1 << 28)
}
