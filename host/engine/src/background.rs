//! Threads for guests that compute for long: of low priority, so that the operating system gives way to everybody else at
//! once, and so many that a machine with nothing better to do is used in full.

use std::{sync::OnceLock, thread::available_parallelism};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::give_way;

/// How far the threads' priority is lowered (nice value; 0 is normal, 19 the lowest): a tenth of a normal thread's share
/// when both want the processor, so long work is slowed by short work but never starved.
const NICENESS: i32 = 10;

/// A runtime of its own, started at its first use.
#[derive(Default)]
pub(crate) struct Background {
    runtime: OnceLock<Option<Runtime>>,
}

impl Background {
    /// The runtime; none where its threads cannot be made, which is not worth failing a call for.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        let runtime = self.runtime.get_or_init(|| {
            let built = Builder::new_multi_thread()
                .worker_threads(processors())
                .thread_name("jackfield-long")
                .on_thread_start(|| give_way(NICENESS))
                .build();
            built
                .inspect_err(|error| tracing::warn!(%error, "no threads for long calls; they run among the others"))
                .ok()
        });
        runtime.as_ref().map(Runtime::handle)
    }

    /// How many calls are there now.
    pub(crate) fn tasks(&self) -> u64 {
        let runtime = self.runtime.get().and_then(Option::as_ref);
        runtime.map_or(0, |runtime| runtime.metrics().num_alive_tasks() as u64)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The plain drop would wait, and panics on a thread that must not.
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Processors that this process may use.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}
