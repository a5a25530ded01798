//! What the host knows of a call while it runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// One call: which operation it is and until when it may run. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Names the call within this process.
    pub id: u64,
    /// What is called, e.g. `metrics.query`.
    pub operation: Arc<str>,
    /// When it began.
    pub started: Instant,
    /// When it must have ended.
    pub deadline: Instant,
}

impl CallContext {
    /// A call that starts now and may take `timeout`.
    pub fn new(operation: impl Into<Arc<str>>, timeout: Duration) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let started = Instant::now();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            operation: operation.into(),
            started,
            deadline: started + timeout,
        }
    }
}
