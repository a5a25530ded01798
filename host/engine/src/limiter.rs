//! Memory and tables of one instance: bounded, counted for the integration, and remembered when refused, so that the
//! crash which follows a refused allocation can be told from any other.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use wasmtime::ResourceLimiter;

use crate::{Limit, settings};

/// The bounds of one store. A component is several core instances; they share these.
pub(crate) struct Limiter {
    memory_limit: usize,
    memory_used: usize,
    table_limit: usize,
    table_used: usize,
    refused: Option<Limit>,
    /// The memory of all instances of the integration, in bytes.
    total: Arc<AtomicU64>,
}

impl Limiter {
    pub(crate) fn new(memory_limit: usize, table_limit: usize, total: Arc<AtomicU64>) -> Self {
        Self { memory_limit, memory_used: 0, table_limit, table_used: 0, refused: None, total }
    }

    /// What was refused since this was last asked.
    pub(crate) fn take_refused(&mut self) -> Option<Limit> {
        self.refused.take()
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current);
        let used = self.memory_used.saturating_add(grown);
        if used > self.memory_limit {
            self.refused = Some(Limit::Memory);
            return Ok(false);
        }
        self.memory_used = used;
        self.total.fetch_add(grown as u64, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.table_used.saturating_add(desired.saturating_sub(current));
        if used > self.table_limit {
            self.refused = Some(Limit::Tables);
            return Ok(false);
        }
        self.table_used = used;
        Ok(true)
    }

    // What a component may be made of, for an engine without a pool, which would refuse it when it is loaded.

    fn instances(&self) -> usize {
        settings::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        settings::TABLES as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.total.fetch_sub(self.memory_used as u64, Ordering::Relaxed);
    }
}
