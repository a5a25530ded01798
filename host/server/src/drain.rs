//! The signal that the server is about to stop: streams end, readiness turns false, connections close after their
//! answer. A stream never ends by itself, so without this signal one idle watcher would hold up every shutdown.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells a router that its server is stopping. Clones share one signal.
#[derive(Clone, Debug)]
pub struct Drain(Arc<watch::Sender<bool>>);

impl Default for Drain {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Drain {
    /// Starts draining. It cannot be taken back.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Whether draining has started.
    pub fn has_started(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until draining starts. May be dropped and called again at will.
    pub async fn started(&self) {
        // The sender lives in `self`, so the only outcome is that the value became true.
        let _ = self.0.subscribe().wait_for(|started| *started).await;
    }
}
