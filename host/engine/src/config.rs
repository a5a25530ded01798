//! The numbers: what an engine reserves and what a guest may use, each with its reason.

use std::{path::PathBuf, time::Duration};

use crate::Compiler;

/// What the whole engine reserves.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where compiled components are kept; none compiles each time.
    pub cache_dir: Option<PathBuf>,
    /// The program that compiles components, in a process with bounds of its own; none compiles them in this process.
    pub compiler: Option<Compiler>,
    /// The most instances alive at once, over all plugins. Each reserves address space (not memory): a little over 4 GiB
    /// a linear memory.
    pub max_instances: u32,
    /// The largest linear memory any plugin can be given, in bytes.
    pub max_memory_bytes: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { cache_dir: None, compiler: None, max_instances: 4000, max_memory_bytes: 512 << 20 }
    }
}

/// What one integration's guests may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// Processor time of one call.
    pub cpu: Duration,
    /// Wall-clock time of one call, if the caller allows more.
    pub call_timeout: Duration,
    /// Calls at once; further ones wait in order.
    pub concurrency: usize,
    /// Bytes of one response body the guest may read.
    pub response_bytes: usize,
    /// Bytes of the integration's state.
    pub state_bytes: u64,
    /// Bytes of one answer as JSON.
    pub result_bytes: usize,
    /// Bytes the host copies out of the guest for one call (wasmtime's hostcall fuel).
    pub copied_bytes: usize,
    /// Resources (bodies, streams) one instance may hold at once.
    pub resources: usize,
    /// Elements of all tables of one instance.
    pub table_elements: usize,
    /// Instances kept warm between calls.
    pub max_idle: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A Rust plugin needs 2 MiB; parsing a response of some megabytes needs ten times its size.
            memory_bytes: 64 << 20,
            cpu: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            concurrency: 32,
            response_bytes: 64 << 20,
            state_bytes: 1 << 20,
            result_bytes: 32 << 20,
            // wasmtime's default; a list of records costs a multiple of its size.
            copied_bytes: 128 << 20,
            // Half of what one integration may have under way: a call that lets go of nothing leaves the others theirs.
            resources: 128,
            table_elements: 20_000,
            // About 32 KiB resident each.
            max_idle: 4,
        }
    }
}
