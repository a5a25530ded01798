//! One call: JSON to values to the guest and back, the lifecycle's typed calls, and what a failure means.

use jackfield_reflect::{JsonLimits, Operation, Shape, encode};
use tokio::{sync::SemaphorePermit, time::timeout_at};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, component::Val};

use crate::{
    CallContext, CallError, Guest, GuestState, Limits, Pool,
    guest::OutOfCpu,
    lifecycle::{Description, Health},
    types::{Error, ErrorKind, ErrorSource, FieldViolation, RetryAfter},
};

impl Pool {
    /// Calls an operation with JSON parameters and returns its answer as JSON.
    pub async fn call(&self, operation: &Operation, params: &[u8], context: CallContext) -> Result<Vec<u8>, CallError> {
        let until = self.until(&context);
        // In this order: what waits is the text; only a call that is about to run is decoded.
        let place = self.place(until).await?;
        let limits = JsonLimits::default();
        let room = self.plugin.engine.room(limits.most_memory(params.len()));
        let _room = timeout_at(until, room).await.map_err(|_| CallError::Busy {
            reason: "the parameters of other calls take all the room there is".to_owned(),
        })?;
        let params = operation.decode_params(params, &limits).map_err(CallError::Params)?;
        let answer = self.run_values(place, operation, &params, context).await?;
        let mut json = Vec::with_capacity(256);
        match (&operation.ok, &answer) {
            (Some(shape), Some(value)) => {
                encode(shape, value, self.limits.result_bytes, &mut json).map_err(CallError::Answer)?;
            }
            _ => json.extend_from_slice(b"null"),
        }
        Ok(json)
    }

    /// Calls an operation with values: what [`Pool::call`] does between reading and writing JSON.
    pub async fn call_values(
        &self,
        operation: &Operation,
        params: &[Val],
        context: CallContext,
    ) -> Result<Option<Val>, CallError> {
        let place = self.place(self.until(&context)).await?;
        self.run_values(place, operation, params, context).await
    }

    async fn run_values(
        &self,
        place: SemaphorePermit<'_>,
        operation: &Operation,
        params: &[Val],
        context: CallContext,
    ) -> Result<Option<Val>, CallError> {
        let Some(index) = self.plugin.function(&operation.interface, &operation.name) else {
            return Err(CallError::NoSuchExport(format!("{}#{}", operation.interface, operation.name)));
        };
        let has_result = operation.fallible || operation.ok.is_some();
        let mut results = [Val::Bool(false)];
        let slots = if has_result { &mut results[..] } else { &mut [] };
        self.run(place, context, async |guest: &mut Guest| {
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

    /// What the plugin says of itself.
    pub async fn describe(&self, context: CallContext) -> Result<Description, CallError> {
        self.typed(context, async |guest: &mut Guest| {
            let plugin = self.plugin.lifecycle.load(&mut guest.store, &guest.instance)?;
            plugin.jackfield_plugin_lifecycle().call_describe(&mut guest.store).await
        })
        .await
    }

    /// Has the plugin judge a configuration.
    pub async fn validate_config(&self, context: CallContext, config: &str) -> Result<(), CallError> {
        self.typed(context, async |guest: &mut Guest| {
            let plugin = self.plugin.lifecycle.load(&mut guest.store, &guest.instance)?;
            plugin.jackfield_plugin_lifecycle().call_validate_config(&mut guest.store, config).await
        })
        .await?
        .map_err(CallError::Guest)
    }

    /// Has the plugin ask its outside system how it is.
    pub async fn check_health(&self, context: CallContext) -> Result<Health, CallError> {
        self.typed(context, async |guest: &mut Guest| {
            let plugin = self.plugin.lifecycle.load(&mut guest.store, &guest.instance)?;
            plugin.jackfield_plugin_lifecycle().call_check_health(&mut guest.store).await
        })
        .await?
        .map_err(CallError::Guest)
    }

    /// Has the plugin rewrite a configuration made for an older version of it.
    pub async fn migrate_config(&self, context: CallContext, from: &str, config: &str) -> Result<String, CallError> {
        self.typed(context, async |guest: &mut Guest| {
            let plugin = self.plugin.lifecycle.load(&mut guest.store, &guest.instance)?;
            plugin.jackfield_plugin_lifecycle().call_migrate_config(&mut guest.store, from, config).await
        })
        .await?
        .map_err(CallError::Guest)
    }
}

/// Makes an instance ready for its next call.
pub(crate) fn prepare(guest: &mut Guest, limits: &Limits, context: CallContext) {
    let state = guest.store.data_mut();
    state.current.begin(context);
    state.meter.reset();
    state.limiter.take_refused();
    guest.store.set_epoch_deadline(1);
    guest.store.set_hostcall_fuel(limits.copied_bytes);
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
        return CallError::CpuExceeded { limit_ms: u64::try_from(limits.cpu.as_millis()).unwrap_or(u64::MAX) };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::Busy { reason: "all instances of this host are in use".into() };
    }
    let state = store.data_mut();
    if state.limiter.take_refused() {
        return CallError::MemoryExceeded { limit_mib: limits.memory_bytes >> 20 };
    }
    let last_words = state.current.take_last_words();
    let cause = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
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
