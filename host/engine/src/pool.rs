//! The instances of one integration: warm ones first, fresh ones when those are taken, none when too many calls run.
//!
//! A call borrows an instance for as long as it runs. An instance that answered goes back; one whose call trapped, ran
//! out of time or was dropped by its caller is dropped with it, because wasmtime will not let it be entered again and
//! nobody could say what state it was left in.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::{CallContext, CallError, Guest, GuestState, Limits, Plugin, Services, call};

/// The instances of one integration.
pub struct Pool {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) services: Arc<Services>,
    pub(crate) limits: Limits,
    /// First in, first out: a caller that waits is never overtaken.
    places: Semaphore,
    idle: Mutex<Vec<Guest>>,
    /// The fewest idle instances since the last trim: so many were not needed.
    spare: AtomicUsize,
    memory: Arc<AtomicU64>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    busy: AtomicU64,
    created: AtomicU64,
    discarded: AtomicU64,
    waited: AtomicU64,
}

/// How a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Instances that wait for a call.
    pub idle: u64,
    /// Calls that run.
    pub busy: u64,
    /// Instances made so far.
    pub created: u64,
    /// Instances dropped because their call trapped, ran out of time or was cancelled.
    pub discarded: u64,
    /// Calls that had to wait for a place.
    pub waited: u64,
    /// Linear memory of all instances, in bytes.
    pub memory_bytes: u64,
}

impl Pool {
    /// A pool with no instance in it: the first call makes one.
    pub fn new(plugin: Arc<Plugin>, services: Services, limits: Limits) -> Arc<Self> {
        let pool = Arc::new(Self {
            places: Semaphore::new(limits.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            services: Arc::new(services),
            limits,
            idle: Mutex::default(),
            spare: AtomicUsize::new(0),
            memory: Arc::default(),
            counters: Counters::default(),
            plugin,
        });
        if let Ok(mut pools) = pool.plugin.engine.pools.lock() {
            pools.push(Arc::downgrade(&pool));
        }
        pool
    }

    /// How it is.
    pub fn stats(&self) -> PoolStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStats {
            idle: self.idle.lock().map_or(0, |idle| idle.len() as u64),
            busy: load(&self.counters.busy),
            created: load(&self.counters.created),
            discarded: load(&self.counters.discarded),
            waited: load(&self.counters.waited),
            memory_bytes: load(&self.memory),
        }
    }

    /// Runs `call` with an instance of its own: the path for embedders, with the functions that `bindgen!` made for them.
    /// The instance is kept when `call` returns `Ok`, and discarded otherwise.
    pub async fn typed<F, R>(&self, context: CallContext, call: F) -> Result<R, CallError>
    where
        F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
    {
        let place = self.place(self.until(&context)).await?;
        self.run(place, context, call).await
    }

    /// When a call must have ended.
    pub(crate) fn until(&self, context: &CallContext) -> Instant {
        Instant::from_std(context.deadline.min(std::time::Instant::now() + self.limits.call_timeout))
    }

    /// The right to run one call, in turn.
    pub(crate) async fn place(&self, until: Instant) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        self.counters.waited.fetch_add(1, Ordering::Relaxed);
        let busy = || CallError::Busy { reason: format!("{} calls run already", self.limits.concurrency) };
        timeout_at(until, self.places.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Runs a call that has its place.
    pub(crate) async fn run<F, R>(
        &self,
        _place: SemaphorePermit<'_>,
        context: CallContext,
        call: F,
    ) -> Result<R, CallError>
    where
        F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
    {
        let until = self.until(&context);
        let mut lease = Lease { pool: self, guest: None };
        self.counters.busy.fetch_add(1, Ordering::Relaxed);
        let guest = match self.take() {
            Some(guest) => guest,
            None => timeout_at(until, self.instantiate(&context)).await.map_err(|_| CallError::DeadlineExceeded)??,
        };
        let guest = lease.guest.insert(guest);
        call::prepare(guest, &self.limits, context);
        let meter = guest.store.data().meter.clone();
        let running = crate::meter::Metered { inner: call(guest), meter };
        match timeout_at(until, running).await {
            Ok(Ok(answer)) => {
                lease.give_back();
                Ok(answer)
            }
            Ok(Err(error)) => Err(call::classify(lease.guest.as_mut(), error, &self.limits)),
            Err(_) => Err(CallError::DeadlineExceeded),
        }
    }

    fn take(&self) -> Option<Guest> {
        let mut idle = self.idle.lock().ok()?;
        let guest = idle.pop();
        self.spare.fetch_min(idle.len(), Ordering::Relaxed);
        guest
    }

    async fn instantiate(&self, context: &CallContext) -> Result<Guest, CallError> {
        let engine = &self.plugin.engine.wasmtime;
        let mut store = GuestState::store(engine, self.services.clone(), &self.limits, self.memory.clone());
        store.data().current.begin(context.clone());
        let meter = store.data().meter.clone();
        let made = crate::meter::Metered { inner: self.plugin.pre.instantiate_async(&mut store), meter }.await;
        match made {
            Ok(instance) => {
                self.counters.created.fetch_add(1, Ordering::Relaxed);
                Ok(Guest { store, instance })
            }
            Err(error) => Err(call::classify_start(&mut store, error, &self.limits)),
        }
    }

    /// Drops the instances that were idle all the time since the last trim.
    pub(crate) fn trim(&self) {
        let dropped = match self.idle.lock() {
            Ok(mut idle) => {
                let spare = self.spare.swap(idle.len(), Ordering::Relaxed).min(idle.len());
                let kept = idle.split_off(spare);
                self.spare.store(kept.len(), Ordering::Relaxed);
                std::mem::replace(&mut *idle, kept)
            }
            Err(_) => return,
        };
        // Unmapping takes a while: not under the lock.
        drop(dropped);
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("integration", &self.services.integration)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// An instance that is out of the pool. Dropped without being given back, it is gone.
struct Lease<'a> {
    pool: &'a Pool,
    guest: Option<Guest>,
}

impl Lease<'_> {
    fn give_back(mut self) {
        let Some(mut guest) = self.guest.take() else { return };
        if guest.store.data_mut().holds_a_body() {
            // Left open by its call, it would hold a connection and a place of the gateway's as long as the instance lives.
            self.pool.counters.discarded.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Declared before the lock, so that a surplus instance is unmapped after it.
        let mut surplus = None;
        if let Ok(mut idle) = self.pool.idle.lock() {
            if idle.len() < self.pool.limits.max_idle {
                idle.push(guest);
            } else {
                surplus = Some(guest);
            }
        }
        drop(surplus);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.counters.busy.fetch_sub(1, Ordering::Relaxed);
        if self.guest.is_some() {
            self.pool.counters.discarded.fetch_add(1, Ordering::Relaxed);
        }
    }
}
