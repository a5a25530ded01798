//! One call: JSON to the guest and back, and what a failure means.

use std::sync::Arc;

use bytes::Bytes;
use jackfield_reflect::{Answer, AnswerLimits, EncodeError, JsonLimits};
use tokio::time::timeout_at;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, component::ResourceTableError};

use crate::{
    CallContext, CallError, Callable, Guest, GuestState, Limit, Limits, Pool,
    direct::{self, Held},
    guest::OutOfCpu,
    guest_error::guest_error,
    meter::Meter,
    pool::Place,
    settings::MAX_WASM_STACK,
};

/// Parameters longer than this, in bytes, take long enough to read that it is not done on a thread that others wait for.
const LONG_PARAMS: usize = 256 << 10;
/// What one value of an answer counts as against the limit on copies, in bytes: as much as the canonical ABI's widest.
const VALUE_BYTES: usize = 16;

// wasmtime's words for two of its bounds, which have no type that others can name. `tests/crafted.rs` and `tests/limits.rs`
// run into both.
const OUT_OF_HANDLES: &str = "store handle limit exceeded";
const OUT_OF_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

impl Pool {
    /// Calls an operation with JSON parameters and returns its answer as JSON.
    pub async fn call(
        self: &Arc<Self>,
        callable: Callable,
        params: Bytes,
        context: CallContext,
    ) -> Result<Vec<u8>, CallError> {
        let until = self.until(&context);
        // In this order: what waits is the text; only a call that is about to run is decoded.
        let (place, meter) = Place::take(self.clone(), until, &context).await?;
        let limits = JsonLimits::default();
        let room = self.plugin.engine.room(limits.most_memory(params.len()));
        let room = timeout_at(until, room).await.map_err(|_| CallError::Busy {
            reason: "the parameters of other calls take all the room there is".to_owned(),
        })?;
        // Who had to wait for room begins only now.
        let meter = if room.is_some() { Arc::default() } else { meter };
        let long = params.len() > LONG_PARAMS;
        let times = meter.clone();
        let work = Box::pin(async move {
            let image = callable.operation.decode_params(&params, &limits).map_err(CallError::Params)?;
            drop(params);
            place.run(callable, Held { image, room }, context, &times).await
        });
        self.movable(until, meter, long, work).await
    }

    async fn run(
        &self,
        callable: Callable,
        held: Held,
        context: CallContext,
        meter: &Arc<Meter>,
    ) -> Result<Vec<u8>, CallError> {
        let limits =
            AnswerLimits { max_bytes: self.limits.result_bytes, max_values: self.limits.copied_bytes / VALUE_BYTES };
        let operation = callable.operation.clone();
        let call =
            async move |guest: &mut Guest| direct::call(&mut guest.store, guest.instance, callable, held, limits).await;
        match self.with_guest(context, meter, call).await? {
            Ok(Answer::Ok(json)) => Ok(json),
            Ok(Answer::Error(json)) => Err(CallError::Guest(guest_error(operation.error.as_ref(), &json))),
            Err(EncodeError::TooLong { most }) => Err(exceeded(Limit::Result, most >> 10)),
            Err(EncodeError::TooMany { .. }) => Err(exceeded(Limit::Copies, self.limits.copied_bytes >> 20)),
            Err(EncodeError::Invalid(error)) => Err(CallError::Internal(error.to_string())),
        }
    }
}

/// Makes an instance ready for its next call.
pub(crate) fn prepare(guest: &mut Guest, limits: &Limits, context: CallContext, meter: &Arc<Meter>) {
    let state = guest.store.data_mut();
    state.current.begin(context);
    state.meter = meter.clone();
    state.limiter.take_refused();
    guest.store.set_epoch_deadline(1);
    guest.store.set_hostcall_fuel(limits.copied_bytes);
}

fn exceeded(limit: Limit, most: usize) -> CallError {
    CallError::Exceeded { limit, most: most as u64 }
}

/// What a failed call means.
pub(crate) fn classify(guest: Option<&mut Guest>, error: wasmtime::Error, limits: &Limits) -> CallError {
    match guest {
        Some(guest) => classify_start(&mut guest.store, error, limits),
        None => CallError::Internal(format!("{error:#}")),
    }
}

/// What a failure in a store means, also while it was still being filled.
pub(crate) fn classify_start(store: &mut Store<GuestState>, error: wasmtime::Error, limits: &Limits) -> CallError {
    if error.is::<OutOfCpu>() {
        return exceeded(Limit::Cpu, usize::try_from(limits.cpu.as_millis()).unwrap_or(usize::MAX));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::Busy { reason: "all instances of this host are in use".into() };
    }
    let state = store.data_mut();
    match state.limiter.take_refused() {
        Some(Limit::Memory) => return exceeded(Limit::Memory, limits.memory_bytes >> 20),
        Some(limit) => return exceeded(limit, limits.table_elements),
        None => {}
    }
    if matches!(error.downcast_ref(), Some(Trap::StackOverflow)) {
        return exceeded(Limit::Stack, MAX_WASM_STACK >> 10);
    }
    // What it holds of the host's is in a table of ours. Its handles, those to what is its own among them, are wasmtime's.
    let cause = error.root_cause().to_string();
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) || cause.contains(OUT_OF_HANDLES) {
        return exceeded(Limit::Resources, limits.resources);
    }
    if cause.contains(OUT_OF_FUEL) {
        return exceeded(Limit::Copies, limits.copied_bytes >> 20);
    }
    let last_words = state.current.take_last_words();
    let cause = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => cause,
    };
    CallError::Trap {
        message: match last_words {
            Some(words) => format!("{words} ({cause})"),
            None => cause,
        },
    }
}
