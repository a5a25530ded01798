//! The one wasmtime engine of a process: its configuration, its clock, and loading components into it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wasmtime::{
    Config, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, Linker},
};

use crate::{EngineConfig, EngineError, GuestState, Plugin, cache::Cache, linker, pool::Pool};

/// How often guests are asked to yield, and so how late an exhausted processor budget is noticed. Spin and Fastly tick at
/// 10 ms too: rarer lets a spinning guest hold a thread, more often costs every guest.
const TICK: Duration = Duration::from_millis(10);

/// What the decoded parameters of all calls may take, in KiB: JSON grows up to thirtyfold when it becomes values, so many
/// large requests at once must take turns.
const DECODED_KIB: u32 = 512 << 10;
/// Parameters that take less than this many bytes when decoded need no room: they are as small as a call itself.
const SMALL: usize = 256 << 10;

/// Runs plugins. One a process suffices; each has its own clock thread.
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<GuestState>,
    cache: Option<Cache>,
    /// Components that are in use, by digest: two integrations of one plugin share its code.
    loaded: Mutex<HashMap<[u8; 32], Weak<Plugin>>>,
    /// One compilation at a time: it uses all processors by itself.
    compiling: tokio::sync::Mutex<()>,
    /// Room for the decoded parameters of all calls, a place a KiB.
    decoded: tokio::sync::Semaphore,
    pub(crate) pools: Mutex<Vec<Weak<Pool>>>,
    stop: Arc<AtomicBool>,
    stats: Counters,
}

#[derive(Default)]
struct Counters {
    compiled: AtomicU64,
    from_cache: AtomicU64,
}

/// What an engine has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Components compiled.
    pub compiled: u64,
    /// Components taken from the compile cache.
    pub from_cache: u64,
}

impl Engine {
    /// Starts an engine and its clock.
    pub fn new(config: EngineConfig) -> Result<Arc<Self>, EngineError> {
        let start = |e: wasmtime::Error| EngineError::Start(format!("{e:#}"));
        let wasmtime = match wasmtime::Engine::new(&wasmtime_config(&config, true)) {
            Ok(engine) => engine,
            // A container may not have the address space for the pool: instances are then made one by one, slower.
            Err(error) => {
                tracing::warn!(%error, "no pooling allocator: instances are allocated on demand");
                wasmtime::Engine::new(&wasmtime_config(&config, false)).map_err(start)?
            }
        };
        let linker = linker::linker(&wasmtime).map_err(start)?;
        let cache = config.cache_dir.map(|dir| Cache::open(&dir, &wasmtime)).transpose()?;
        let stop = Arc::new(AtomicBool::new(false));
        tick(wasmtime.weak(), stop.clone()).map_err(|e| EngineError::Start(e.to_string()))?;
        Ok(Arc::new(Self {
            wasmtime,
            linker,
            cache,
            loaded: Mutex::default(),
            compiling: tokio::sync::Mutex::default(),
            decoded: tokio::sync::Semaphore::new(DECODED_KIB as usize),
            pools: Mutex::default(),
            stop,
            stats: Counters::default(),
        }))
    }

    /// Makes a component ready to run: from memory, from the cache, or by compiling it (80 ms for a small one, a second
    /// for a large one, on a thread of its own). Checks its imports.
    pub async fn load(self: &Arc<Self>, wasm: Bytes) -> Result<Arc<Plugin>, EngineError> {
        let digest: [u8; 32] = Sha256::digest(&wasm).into();
        if let Some(plugin) = self.find(&digest) {
            return Ok(plugin);
        }
        let _one_at_a_time = self.compiling.lock().await;
        if let Some(plugin) = self.find(&digest) {
            return Ok(plugin);
        }
        let this = self.clone();
        let plugin = tokio::task::spawn_blocking(move || this.load_blocking(digest, &wasm))
            .await
            .map_err(|e| EngineError::Compile(e.to_string()))??;
        let plugin = Arc::new(plugin);
        if let Ok(mut loaded) = self.loaded.lock() {
            loaded.retain(|_, plugin| plugin.strong_count() > 0);
            loaded.insert(digest, Arc::downgrade(&plugin));
        }
        Ok(plugin)
    }

    fn find(&self, digest: &[u8; 32]) -> Option<Arc<Plugin>> {
        self.loaded.lock().ok()?.get(digest)?.upgrade()
    }

    fn load_blocking(self: Arc<Self>, digest: [u8; 32], wasm: &[u8]) -> Result<Plugin, EngineError> {
        let cached = self.cache.as_ref().and_then(|cache| cache.get(&self.wasmtime, &digest));
        let component = match cached {
            Some(component) => {
                self.stats.from_cache.fetch_add(1, Ordering::Relaxed);
                component
            }
            None => {
                let component =
                    Component::from_binary(&self.wasmtime, wasm).map_err(|e| EngineError::Compile(format!("{e:#}")))?;
                self.stats.compiled.fetch_add(1, Ordering::Relaxed);
                if let Some(cache) = &self.cache {
                    cache.put(&component, &digest);
                }
                component
            }
        };
        if let Some(error) = linker::missing_import(&self.wasmtime, &component) {
            return Err(error);
        }
        let pre = self.linker.instantiate_pre(&component).map_err(|e| EngineError::Link(format!("{e:#}")))?;
        Plugin::new(self, pre)
    }

    /// Room for parameters that take up to so many bytes when decoded, until the permit is dropped.
    pub(crate) async fn room(&self, bytes: usize) -> Option<tokio::sync::SemaphorePermit<'_>> {
        if bytes < SMALL {
            return None;
        }
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(DECODED_KIB);
        // It is never closed.
        self.decoded.acquire_many(kib).await.ok()
    }

    /// What it has done so far.
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            compiled: self.stats.compiled.load(Ordering::Relaxed),
            from_cache: self.stats.from_cache.load(Ordering::Relaxed),
        }
    }

    /// Drops the warm instances that no call has used since the last trim. Call it every half minute or so.
    pub fn trim(&self) {
        let pools: Vec<_> = match self.pools.lock() {
            Ok(mut pools) => {
                pools.retain(|pool| pool.strong_count() > 0);
                pools.iter().filter_map(Weak::upgrade).collect()
            }
            Err(_) => return,
        };
        for pool in pools {
            pool.trim();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The clock: one thread that holds the engine weakly and ends with it.
fn tick(engine: wasmtime::EngineWeak, stop: Arc<AtomicBool>) -> std::io::Result<()> {
    std::thread::Builder::new().name("jackfield-epoch".into()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    })?;
    Ok(())
}

fn wasmtime_config(config: &EngineConfig, pooling: bool) -> Config {
    let mut wasmtime = Config::new();
    wasmtime
        .wasm_component_model(true)
        // Measured: a call costs a quarter of what it does with the component model's own concurrency.
        .concurrency_support(false)
        .epoch_interruption(true)
        // wasmtime's default, written down: deep enough for any parser, and it traps long before the fiber's 2 MiB end.
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16))
        .memory_init_cow(true);
    if pooling {
        let instances = config.max_instances;
        // A component built by wasm-component-ld is up to four core instances and has one memory and two tables.
        let core = instances.saturating_mul(4);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(core)
            .total_memories(instances)
            .total_tables(instances.saturating_mul(2))
            .total_stacks(instances)
            .max_memories_per_component(1)
            .max_tables_per_component(8)
            .max_core_instances_per_component(16)
            .table_elements(20_000)
            .max_memory_size(config.max_memory_bytes)
            .max_unused_warm_slots(100)
            // Measured: instantiation takes half as long when this much stays mapped; more than most guests touch.
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(16 << 10)
            .async_stack_keep_resident(64 << 10);
        wasmtime.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    wasmtime
}
