//! One instance and the store it lives in.

use std::{
    any::Any,
    sync::{Arc, atomic::AtomicU64},
};

use wasmtime::{
    Store, UpdateDeadline,
    component::{Instance, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::{
    Limits, LogLevel, Services,
    imports::BodyResource,
    limiter::Limiter,
    meter::Meter,
    slots::Slot,
    stdio::{Current, LogStream},
};

/// The largest answer of `wasi:random/random.get-random-bytes`: enough for keys and nonces. wasmtime's default is 64 MiB.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// An instance that one call has to itself.
pub struct Guest {
    /// The store, for wasmtime's typed functions.
    pub store: Store<GuestState>,
    /// The instance in it.
    pub instance: Instance,
    bindings: Vec<Box<dyn Any + Send>>,
    /// Given back after the store is gone: fields are dropped in this order.
    pub(crate) _slot: Slot,
}

impl Guest {
    pub(crate) fn new(store: Store<GuestState>, instance: Instance, slot: Slot) -> Self {
        Self { store, instance, bindings: Vec::new(), _slot: slot }
    }

    /// The bindings that `load` makes for this instance, with the store to call them with. They are made at the
    /// instance's first use and kept as long as it lives: looking functions up and checking their types costs about as
    /// much as a call.
    ///
    /// ```ignore
    /// let (store, kv) = guest.bindings(|store, instance| KeyValueHost::new(store, instance))?;
    /// kv.jackfield_key_value_key_value().call_get(store, "greeting").await
    /// ```
    pub fn bindings<T: Send + 'static>(
        &mut self,
        load: impl FnOnce(&mut Store<GuestState>, &Instance) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<(&mut Store<GuestState>, &T)> {
        let found = self.bindings.iter().position(|bindings| bindings.is::<T>());
        let index = match found {
            Some(index) => index,
            None => {
                self.bindings.push(Box::new(load(&mut self.store, &self.instance)?));
                self.bindings.len() - 1
            }
        };
        let bindings = self.bindings.get(index).and_then(|bindings| bindings.downcast_ref());
        Ok((&mut self.store, bindings.ok_or_else(|| wasmtime::Error::msg("the bindings are gone"))?))
    }
}

/// What the host keeps for one instance.
pub struct GuestState {
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) current: Arc<Current>,
    /// Of the call under way.
    pub(crate) meter: Arc<Meter>,
}

/// The guest used more processor time than it may.
#[derive(Debug, thiserror::Error)]
#[error("out of processor time")]
pub(crate) struct OutOfCpu;

impl GuestState {
    /// A store with everything bounded, in which nothing runs yet.
    pub(crate) fn store(
        engine: &wasmtime::Engine,
        services: Arc<Services>,
        limits: &Limits,
        memory: Arc<AtomicU64>,
        meter: Arc<Meter>,
    ) -> Store<Self> {
        let current = Arc::new(Current::new(services));
        let stream = |level| LogStream { current: current.clone(), level };
        // Nothing is given: no files, no environment, no arguments, no sockets (those are not even linked).
        let wasi = WasiCtx::builder()
            .stdout(stream(LogLevel::Info))
            .stderr(stream(LogLevel::Error))
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resources);
        let limiter = Limiter::new(limits.memory_bytes, limits.table_elements, memory);
        let mut store = Store::new(engine, Self { wasi, table, limiter, current, meter });
        store.limiter(|state| &mut state.limiter);
        store.set_max_component_handles(limits.resources);
        store.set_hostcall_fuel(limits.copied_bytes);
        store.set_epoch_deadline(1);
        let cpu = limits.cpu;
        store.epoch_deadline_callback(move |store| {
            if store.data().meter.is_over(cpu) { Err(OutOfCpu.into()) } else { Ok(UpdateDeadline::Yield(1)) }
        });
        store
    }
}

impl GuestState {
    /// Whether the guest still holds the body of a response.
    pub(crate) fn holds_a_body(&mut self) -> bool {
        !self.table.is_empty() && self.table.iter_mut().any(|entry| entry.is::<BodyResource>())
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
