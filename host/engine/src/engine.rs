//! The one wasmtime engine of a process: its configuration, its clock, and loading components into it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};

use crate::{
    EngineConfig, EngineError, GuestState, Plugin, background::Background, cache::Cache, clock, compile,
    compile::Compiler, linker, meter, pool::Pool, settings::wasmtime_config, slots::Slots,
};

/// How often guests are asked to yield: so long may the first slice of a long call hold a thread that others wait for, and
/// so late is an exhausted processor budget noticed. Spin and Fastly tick at 10 ms; a tick costs two switches of stack.
const TICK: Duration = Duration::from_millis(5);

/// The least time between two rounds of dropping warm instances: a round asks every pool.
const MAKE_ROOM_MS: u64 = 10;

/// What the parameters of all calls may take, in KiB, between the text and the guest: an image is about as large as its text,
/// but may be sixty times as large, so many large requests at once must take turns.
const DECODED_KIB: u32 = 512 << 10;
/// Parameters that can take less than this many bytes need no room: they are as small as a call itself.
const SMALL: usize = 256 << 10;

/// Runs plugins. One a process suffices; each has its own clock thread.
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<GuestState>,
    cache: Option<Arc<Cache>>,
    compiler: Option<Compiler>,
    /// Components that are in use, by digest: two integrations of one plugin share its code.
    loaded: Mutex<HashMap<[u8; 32], Entry>>,
    compiling: tokio::sync::Mutex<()>,
    /// Room for the decoded parameters of all calls, a place a KiB.
    decoded: Arc<tokio::sync::Semaphore>,
    pub(crate) pools: Mutex<Vec<Weak<Pool>>>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) background: Background,
    /// When room was last made, in milliseconds of the clock; 0 before the first time.
    made_room: AtomicU64,
    stop: Arc<AtomicBool>,
    stats: Counters,
}

/// One component: locked while it is being loaded.
type Entry = Arc<tokio::sync::Mutex<Weak<Plugin>>>;

#[derive(Default)]
struct Counters {
    compiled: AtomicU64,
    from_cache: AtomicU64,
}

/// What an engine has done and does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Components compiled.
    pub compiled: u64,
    /// Components taken from the compile cache.
    pub from_cache: u64,
    /// Long calls that are in the background now.
    pub in_background: u64,
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
        let cache = config.cache_dir.map(|dir| Cache::open(&dir, &wasmtime)).transpose()?.map(Arc::new);
        let stop = Arc::new(AtomicBool::new(false));
        tick(wasmtime.weak(), stop.clone()).map_err(|e| EngineError::Start(e.to_string()))?;
        Ok(Arc::new(Self {
            wasmtime,
            linker,
            cache,
            compiler: config.compiler,
            loaded: Mutex::default(),
            compiling: tokio::sync::Mutex::default(),
            decoded: Arc::new(tokio::sync::Semaphore::new(DECODED_KIB as usize)),
            pools: Mutex::default(),
            slots: Slots::new(usize::try_from(config.max_instances).unwrap_or(usize::MAX)),
            background: Background::default(),
            made_room: AtomicU64::new(0),
            stop,
            stats: Counters::default(),
        }))
    }

    /// Makes a component ready to run: from memory, from the cache, or by compiling it (80 ms for a small one, a second
    /// for a large one, in a process or on a thread of its own). Checks its imports. However many ask for the same one at
    /// once, it is loaded once.
    pub async fn load(self: &Arc<Self>, wasm: Bytes) -> Result<Arc<Plugin>, EngineError> {
        let digest = Sha256::digest(&wasm).into();
        self.load_hashed(wasm, digest).await
    }

    /// As [`load`](Self::load), for who has the SHA-256 of these very bytes already: hashing them is a good part of
    /// loading them.
    pub async fn load_hashed(self: &Arc<Self>, wasm: Bytes, digest: [u8; 32]) -> Result<Arc<Plugin>, EngineError> {
        let loaded = self.entry(digest);
        let mut loaded = loaded.lock().await;
        if let Some(plugin) = loaded.upgrade() {
            return Ok(plugin);
        }
        let component = self.component(digest, wasm).await?;
        if let Some(error) = linker::missing_import(&self.wasmtime, &component) {
            return Err(error);
        }
        let pre = self.linker.instantiate_pre(&component).map_err(|e| EngineError::Link(format!("{e:#}")))?;
        let plugin = Arc::new(Plugin::new(self.clone(), pre)?);
        *loaded = Arc::downgrade(&plugin);
        Ok(plugin)
    }

    /// Where a component of this digest is or will be. Entries that nobody uses are dropped on the way.
    fn entry(&self, digest: [u8; 32]) -> Entry {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.try_lock().is_ok_and(|e| e.strong_count() > 0));
        loaded.entry(digest).or_default().clone()
    }

    async fn component(&self, digest: [u8; 32], wasm: Bytes) -> Result<Component, EngineError> {
        if let Some(component) = self.cached(digest).await {
            self.stats.from_cache.fetch_add(1, Ordering::Relaxed);
            return Ok(component);
        }
        // One at a time: it uses all processors by itself.
        let _turn = self.compiling.lock().await;
        let code = compile::compile(self.compiler.as_ref(), &self.wasmtime, wasm).await?;
        self.stats.compiled.fetch_add(1, Ordering::Relaxed);
        let (engine, cache) = (self.wasmtime.clone(), self.cache.clone());
        let keep = move || {
            if let Some(cache) = cache {
                cache.put(&code, &digest);
            }
            // SAFETY: these are the bytes that our own compiler made a moment ago.
            unsafe { Component::deserialize(&engine, &code) }.map_err(|e| EngineError::Compile(format!("{e:#}")))
        };
        tokio::task::spawn_blocking(keep).await.map_err(|e| EngineError::Compile(e.to_string()))?
    }

    async fn cached(&self, digest: [u8; 32]) -> Option<Component> {
        let cache = self.cache.clone()?;
        let engine = self.wasmtime.clone();
        tokio::task::spawn_blocking(move || cache.get(&engine, &digest)).await.ok()?
    }

    /// Room for parameters that take up to so many bytes when decoded, until the permit is dropped.
    pub(crate) async fn room(&self, bytes: usize) -> Option<tokio::sync::OwnedSemaphorePermit> {
        if bytes < SMALL {
            return None;
        }
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(DECODED_KIB);
        // It is never closed.
        self.decoded.clone().acquire_many_owned(kib).await.ok()
    }

    /// What it has done so far, and what it does now.
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            compiled: self.stats.compiled.load(Ordering::Relaxed),
            from_cache: self.stats.from_cache.load(Ordering::Relaxed),
            in_background: self.background.tasks(),
        }
    }

    /// Drops the warm instances that no call has used since the last trim. Call it every half minute or so.
    pub fn trim(&self) {
        for pool in self.pools() {
            pool.trim();
        }
    }

    /// Drops warm instances for the sake of calls that wait for one, unless that was done a moment ago.
    pub(crate) fn make_room(&self) {
        let now = clock::now_ms();
        let last = self.made_room.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= MAKE_ROOM_MS || last == 0;
        if due && self.made_room.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            for pool in self.pools() {
                pool.let_go();
            }
        }
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        let Ok(mut pools) = self.pools.lock() else { return Vec::new() };
        pools.retain(|pool| pool.strong_count() > 0);
        pools.iter().filter_map(Weak::upgrade).collect()
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
                Some(engine) => {
                    meter::tick();
                    engine.increment_epoch();
                }
                None => return,
            }
        }
    })?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_deep_stack_took_is_given_back() {
        let engine = Engine::new(EngineConfig::default()).unwrap();
        // An address space too small for the pool has no stacks to keep.
        let Some(pool) = engine.wasmtime.pooling_allocator_metrics() else { return };
        assert_eq!(
            pool.unused_stack_bytes_resident(),
            Some(0),
            "wasmtime keeps no account of stacks that it never empties"
        );
    }
}
