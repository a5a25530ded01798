//! The instances of one integration: warm ones first, fresh ones when those are taken, none when too many calls run.
//!
//! A call borrows an instance for as long as it runs. An instance that answered goes back; one whose call trapped, ran
//! out of time or was dropped by its caller is dropped with it, because wasmtime will not let it be entered again and
//! nobody could say what state it was left in.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    CallContext, CallError, Guest, GuestState, Limits, Plugin, Services, call,
    idle::Idle,
    meter::Meter,
    running::{InTurn, Running, Work, until},
    share::Share,
    slots::Slot,
};

/// How often a call that waits for room for its instance looks again. Only the first of each pool looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The instances of one integration.
pub struct Pool {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) services: Arc<Services>,
    pub(crate) limits: Limits,
    /// First in, first out: a caller that waits is never overtaken.
    places: Semaphore,
    idle: Idle,
    memory: Arc<AtomicU64>,
    share: Arc<Share>,
    /// Held by the call that is the next to have an instance made.
    next: tokio::sync::Mutex<()>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
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
        Self::with(plugin, Arc::new(services), limits, Share::new())
    }

    /// Another pool of the same integration, with limits of its own. Of what all integrations share, the two count as one.
    pub fn beside(&self, limits: Limits) -> Arc<Self> {
        Self::with(self.plugin.clone(), self.services.clone(), limits, self.share.clone())
    }

    /// The plugin whose instances it has.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    fn with(plugin: Arc<Plugin>, services: Arc<Services>, limits: Limits, share: Arc<Share>) -> Arc<Self> {
        let pool = Arc::new(Self {
            places: Semaphore::new(places(&limits)),
            services,
            idle: Idle::new(limits.max_idle),
            limits,
            memory: Arc::default(),
            share,
            next: tokio::sync::Mutex::default(),
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
            idle: self.idle.len() as u64,
            busy: places(&self.limits).saturating_sub(self.places.available_permits()) as u64,
            created: load(&self.counters.created),
            discarded: load(&self.counters.discarded),
            waited: load(&self.counters.waited),
            memory_bytes: load(&self.memory),
        }
    }

    /// Runs `call` with an instance of its own: the path for embedders, with the functions that `bindgen!` made for them.
    /// The instance is kept when `call` returns `Ok`, and discarded otherwise.
    ///
    /// It runs where it is polled, however long it takes; a long one yields at every tick of the engine's clock and takes
    /// turns with the other long calls of its integration.
    pub async fn typed<F, R>(&self, context: CallContext, call: F) -> Result<R, CallError>
    where
        F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
    {
        let at = self.until(&context);
        let (_place, meter) = Place::take(self, at, &context).await?;
        let work = self.with_guest(context, &meter, call);
        let work = InTurn { work, meter: &meter, share: &self.share, turns: None };
        until(at, work).await.ok_or(CallError::DeadlineExceeded)?
    }

    /// Runs work that owns all it needs, and so can go on in the background when it takes long. `long`: it will.
    pub(crate) async fn movable<R: Send + 'static>(
        &self,
        at: Instant,
        meter: Arc<Meter>,
        long: bool,
        work: Work<Result<R, CallError>>,
    ) -> Result<R, CallError> {
        let mut running = Running::new(work, meter, &self.share, &self.plugin.engine.background);
        if long || self.share.expects_long() {
            running.go();
        }
        until(at, running).await.ok_or(CallError::DeadlineExceeded)?
    }

    /// When a call must have ended.
    pub(crate) fn until(&self, context: &CallContext) -> Instant {
        Instant::from_std(context.deadline.min(context.started + self.limits.call_timeout))
    }

    /// Runs a call in an instance, which is kept if it answers and discarded if not, or if this future is dropped.
    pub(crate) async fn with_guest<F, R>(
        &self,
        context: CallContext,
        meter: &Arc<Meter>,
        call: F,
    ) -> Result<R, CallError>
    where
        F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
    {
        let mut lease = Lease { pool: self, guest: None };
        let guest = match self.idle.take() {
            Some(guest) => guest,
            // Boxed, since it is rare and large: it would make every call's future as large.
            None => Box::pin(self.instantiate(&context, meter)).await.inspect_err(|error| self.crashed(error))?,
        };
        let guest = lease.guest.insert(guest);
        call::prepare(guest, &self.limits, context, meter);
        match call(guest).await {
            Ok(answer) => {
                lease.give_back();
                Ok(answer)
            }
            Err(error) => {
                let error = call::classify(lease.guest.as_mut(), error, &self.limits);
                self.crashed(&error);
                Err(error)
            }
        }
    }

    /// A crash costs an instance, which is far more than a call: who crashes again and again does so in the background.
    fn crashed(&self, error: &CallError) {
        if error.is_guest_fault() {
            self.share.was_long();
        }
    }

    async fn instantiate(&self, context: &CallContext, meter: &Arc<Meter>) -> Result<Guest, CallError> {
        let slot = self.slot().await;
        let engine = &self.plugin.engine.wasmtime;
        let mut store =
            GuestState::store(engine, self.services.clone(), &self.limits, self.memory.clone(), meter.clone());
        store.data().current.begin(context.clone());
        match self.plugin.pre.instantiate_async(&mut store).await {
            Ok(instance) => {
                self.counters.created.fetch_add(1, Ordering::Relaxed);
                Ok(Guest::new(store, instance, slot))
            }
            Err(error) => Err(call::classify_start(&mut store, error, &self.limits)),
        }
    }

    /// Room for one more instance, as soon as it is this pool's turn to have it.
    async fn slot(&self) -> Slot {
        let engine = &self.plugin.engine;
        if let Some(slot) = engine.slots.take(&self.share) {
            return slot;
        }
        let _next = self.next.lock().await;
        loop {
            engine.make_room();
            if let Some(slot) = engine.slots.take(&self.share) {
                return slot;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Drops all warm instances.
    pub(crate) fn let_go(&self) {
        self.idle.let_go();
    }

    /// Drops the instances that were idle all the time since the last trim.
    pub(crate) fn trim(&self) {
        self.idle.trim();
    }
}

/// Calls at once, as a semaphore can count them.
fn places(limits: &Limits) -> usize {
    limits.concurrency.clamp(1, Semaphore::MAX_PERMITS)
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("integration", &self.services.integration)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The right to run one call of a pool, which it holds on to as long: borrowed, or shared where the call can move. Whatever
/// is counted here is written by every thread that calls, so nothing is counted twice.
pub(crate) struct Place<P: Deref<Target = Pool>>(P);

impl<P: Deref<Target = Pool>> Place<P> {
    /// The right to run one call, in turn, and the meter it runs on.
    pub(crate) async fn take(pool: P, until: Instant, context: &CallContext) -> Result<(Self, Arc<Meter>), CallError> {
        let (permit, meter) = match pool.places.try_acquire() {
            Ok(permit) => (permit, Arc::new(pool.share.meter(context.started))),
            Err(_) => {
                pool.counters.waited.fetch_add(1, Ordering::Relaxed);
                let busy = || CallError::Busy { reason: format!("{} calls run already", pool.limits.concurrency) };
                let permit = timeout_at(until, pool.places.acquire()).await.map_err(|_| busy())?;
                (permit.map_err(|_| busy())?, Arc::default())
            }
        };
        permit.forget();
        Ok((Self(pool), meter))
    }
}

impl<P: Deref<Target = Pool>> Deref for Place<P> {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.0
    }
}

impl<P: Deref<Target = Pool>> Drop for Place<P> {
    fn drop(&mut self) {
        self.0.places.add_permits(1);
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
        if self.pool.plugin.engine.slots.are_scarce() {
            return;
        }
        self.pool.idle.keep(guest);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.guest.is_some() {
            self.pool.counters.discarded.fetch_add(1, Ordering::Relaxed);
        }
    }
}
