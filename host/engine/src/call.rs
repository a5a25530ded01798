//! One call: JSON to values to the guest and back, and what a failure means.

use std::sync::Arc;

use bytes::Bytes;
use jackfield_reflect::{EncodeError, JsonLimits, Operation, Shape, encode};
use tokio::time::timeout_at;
use wasmtime::{
    PoolConcurrencyLimitError, Store, Trap,
    component::{ResourceTableError, Val},
};

use crate::{
    CallContext, CallError, Guest, GuestState, Limit, Limits, Pool,
    guest::OutOfCpu,
    meter::Meter,
    settings::MAX_WASM_STACK,
    types::{Error, ErrorKind, ErrorSource, FieldViolation, RetryAfter},
};

/// Parameters longer than this, in bytes, take long enough to decode that it is not done on a thread that others wait for.
const LONG_PARAMS: usize = 64 << 10;
/// An answer longer than this, as JSON, is written in the background for the same reason.
const LONG_ANSWER: usize = 256 << 10;

// wasmtime's words for two of its bounds, which have no type that others can name. `tests/crafted.rs` and `tests/limits.rs`
// run into both.
const OUT_OF_HANDLES: &str = "store handle limit exceeded";
const OUT_OF_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

impl Pool {
    /// Calls an operation with JSON parameters and returns its answer as JSON.
    pub async fn call(
        self: &Arc<Self>,
        operation: &Arc<Operation>,
        params: Bytes,
        context: CallContext,
    ) -> Result<Vec<u8>, CallError> {
        let until = self.until(&context);
        // In this order: what waits is the text; only a call that is about to run is decoded.
        let (place, meter) = self.place(until, &context).await?;
        let limits = JsonLimits::default();
        let room = self.plugin.engine.room(limits.most_memory(params.len()));
        let room = timeout_at(until, room).await.map_err(|_| CallError::Busy {
            reason: "the parameters of other calls take all the room there is".to_owned(),
        })?;
        // Who had to wait for room begins only now.
        let meter = if room.is_some() { Arc::default() } else { meter };
        let long = params.len() > LONG_PARAMS;
        let (this, operation, times) = (self.clone(), operation.clone(), meter.clone());
        let work = async move {
            let _held = (place, room);
            let params = operation.decode_params(&params, &limits).map_err(CallError::Params)?;
            let answer = this.run_values(&operation, &params, context, &times).await?;
            this.write(&operation, answer.as_ref(), &times).await
        };
        self.movable(until, meter, long, work).await
    }

    /// Calls an operation with values: what [`Pool::call`] does between reading and writing JSON.
    pub async fn call_values(
        self: &Arc<Self>,
        operation: &Arc<Operation>,
        params: Vec<Val>,
        context: CallContext,
    ) -> Result<Option<Val>, CallError> {
        let until = self.until(&context);
        let (place, meter) = self.place(until, &context).await?;
        let (this, operation, times) = (self.clone(), operation.clone(), meter.clone());
        let work = async move {
            let _place = place;
            this.run_values(&operation, &params, context, &times).await
        };
        self.movable(until, meter, false, work).await
    }

    async fn run_values(
        &self,
        operation: &Operation,
        params: &[Val],
        context: CallContext,
        meter: &Arc<Meter>,
    ) -> Result<Option<Val>, CallError> {
        let Some(index) = self.plugin.function(&operation.interface, &operation.name) else {
            return Err(CallError::NoSuchExport(format!("{}#{}", operation.interface, operation.name)));
        };
        let has_result = operation.fallible || operation.ok.is_some();
        let mut results = [Val::Bool(false)];
        let slots = if has_result { &mut results[..] } else { &mut [] };
        self.with_guest(context, meter, async |guest: &mut Guest| {
            let function = guest
                .instance
                .get_func(&mut guest.store, index)
                .ok_or_else(|| wasmtime::Error::msg("the export is not a function"))?;
            function.call_async(&mut guest.store, params, slots).await
        })
        .await?;
        let [result] = results;
        match result {
            _ if !has_result => Ok(None),
            Val::Result(Ok(value)) if operation.fallible => Ok(value.map(|v| *v)),
            Val::Result(Err(value)) if operation.fallible => {
                Err(CallError::Guest(guest_error(operation.error.as_ref(), value.as_deref())))
            }
            value => Ok(Some(value)),
        }
    }

    /// An answer as JSON.
    async fn write(&self, operation: &Operation, answer: Option<&Val>, meter: &Meter) -> Result<Vec<u8>, CallError> {
        let (Some(shape), Some(value)) = (&operation.ok, answer) else { return Ok(b"null".to_vec()) };
        let most = self.limits.result_bytes;
        let mut json = Vec::with_capacity(256);
        if most > LONG_ANSWER {
            match encode(shape, value, LONG_ANSWER, &mut json) {
                Ok(()) => return Ok(json),
                Err(EncodeError::TooLong { .. }) => {}
                Err(EncodeError::Mismatch(error)) => return Err(CallError::Internal(error.to_string())),
            }
            json.clear();
            meter.expect_long().await;
        }
        match encode(shape, value, most, &mut json) {
            Ok(()) => Ok(json),
            Err(EncodeError::TooLong { most }) => Err(exceeded(Limit::Result, most >> 10)),
            Err(EncodeError::Mismatch(error)) => Err(CallError::Internal(error.to_string())),
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

/// The error a guest answered, from its dynamic value. An error of another type than Jackfield's (a third party's
/// capability may have its own) is carried as JSON in the message.
fn guest_error(shape: Option<&Shape>, value: Option<&Val>) -> Error {
    if let (Some(Shape::Record(record)), Some(Val::Record(fields))) = (shape, value)
        && record.name.name == "error"
        && record.name.interface.starts_with("jackfield:types/types@")
        && let Some(error) = shared_error(fields)
    {
        return error;
    }
    let mut json = Vec::new();
    let message = match (shape, value) {
        (_, Some(Val::String(text))) => text.clone(),
        (Some(shape), Some(value)) if encode(shape, value, 8192, &mut json).is_ok() => {
            String::from_utf8_lossy(&json).into_owned()
        }
        _ => "the plugin gave no reason".to_owned(),
    };
    Error { kind: ErrorKind::Internal, message, source: ErrorSource::Plugin, code: None }
}

fn shared_error(fields: &[(String, Val)]) -> Option<Error> {
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    let Val::Variant(case, payload) = field("kind")? else { return None };
    let inner = |name: &str| match payload.as_deref() {
        Some(Val::Record(fields)) => fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()),
        _ => None,
    };
    let kind = match case.as_str() {
        "invalid" => ErrorKind::Invalid(FieldViolation {
            field: match inner("field") {
                Some(Val::String(field)) => field,
                _ => String::new(),
            },
        }),
        "unauthenticated" => ErrorKind::Unauthenticated,
        "permission-denied" => ErrorKind::PermissionDenied,
        "not-found" => ErrorKind::NotFound,
        "already-exists" => ErrorKind::AlreadyExists,
        "conflict" => ErrorKind::Conflict,
        "rate-limited" => ErrorKind::RateLimited(RetryAfter {
            delay_ms: match inner("delay-ms") {
                Some(Val::Option(Some(delay))) => match *delay {
                    Val::U64(ms) => Some(ms),
                    _ => None,
                },
                _ => None,
            },
        }),
        "unavailable" => ErrorKind::Unavailable,
        "deadline-exceeded" => ErrorKind::DeadlineExceeded,
        "unsupported" => ErrorKind::Unsupported,
        "outcome-unknown" => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::Internal,
    };
    let text = |value: &Val| match value {
        Val::String(text) => Some(text.clone()),
        _ => None,
    };
    Some(Error {
        kind,
        message: text(field("message")?)?,
        source: match field("source")? {
            Val::Enum(source) if source == "downstream" => ErrorSource::Downstream,
            _ => ErrorSource::Plugin,
        },
        code: match field("code")? {
            Val::Option(Some(code)) => text(code),
            _ => None,
        },
    })
}
