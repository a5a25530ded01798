//! Where the status of a sink at work is written and read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{
    Sink, SinkState, SinkStatus,
    status::{SinkFailure, now_ms},
};

/// How a sink at work is. Clones are of the same.
#[derive(Clone, Debug)]
pub struct Progress {
    status: Arc<Mutex<SinkStatus>>,
    head: watch::Receiver<u64>,
}

impl Progress {
    pub(crate) fn new(sink: &Sink, head: watch::Receiver<u64>) -> Self {
        let status = SinkStatus {
            name: sink.name().to_owned(),
            kind: sink.kind().to_owned(),
            state: SinkState::Ok,
            since: now_ms(),
            sent: 0,
            head: 0,
            lost: 0,
            last_error: None,
        };
        Self { status: Arc::new(Mutex::new(status)), head }
    }

    /// How it is now.
    pub fn status(&self) -> SinkStatus {
        let head = *self.head.borrow();
        SinkStatus { head, ..self.lock().clone() }
    }

    pub(crate) fn show(&self, sent: u64, lost: u64) {
        let mut status = self.lock();
        (status.sent, status.lost) = (sent, lost);
    }

    pub(crate) fn turn(&self, state: SinkState) {
        let mut status = self.lock();
        (status.state, status.since) = (state, now_ms());
    }

    pub(crate) fn fail(&self, reason: &str) {
        self.lock().last_error = Some(SinkFailure::now(reason));
    }

    fn lock(&self) -> MutexGuard<'_, SinkStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
