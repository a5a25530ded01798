//! The host's tasks have one owner, who tells them to stop and waits until they have.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};

/// How long a task may take to stop before it is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tasks of a host.
#[derive(Debug)]
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Tasks {
    pub(crate) fn new(stop: watch::Sender<bool>) -> Self {
        Self { stop, handles: Mutex::default() }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(tokio::spawn(task));
    }

    /// Tells all tasks to stop and waits for them.
    pub(crate) async fn join(&self) {
        self.stop.send_replace(true);
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for mut handle in handles {
            match tokio::time::timeout(PATIENCE, &mut handle).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a task of the host panicked"),
                Err(_) => {
                    tracing::warn!("a task of the host did not stop in time and was cut off");
                    handle.abort();
                }
            }
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Returns when the host stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the host.
    let _ = stop.wait_for(|stop| *stop).await;
}
