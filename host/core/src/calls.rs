//! One call, from a name to an answer: which operation is meant, how long it may take, who is to blame if it fails.

use std::time::Duration;

use bytes::Bytes;
use jackfield_engine::{CallContext, CallError, Guest, Limits};
use jackfield_reflect::OperationKind;

use crate::{
    CallRequest, Error, EventKind, Result,
    audit::{Of, Recorded},
    breaker::Turned,
    faults, idempotency,
    integrations::{Integration, Runtime, Served},
    metrics::TYPED,
    shared::Shared,
    track::Tracked,
    waiting,
};

/// Calls an operation, JSON in and JSON out.
pub(crate) async fn call(shared: &Shared, request: CallRequest) -> Result<Bytes> {
    let CallRequest { integration, capability, operation, params, timeout, idempotency_key } = request;
    shared.open()?;
    let integration = shared.view.load().integration(&integration)?.clone();
    let runtime = integration.running()?;
    let served = runtime.capability(&capability)?.operation(&operation)?;
    let params = if params.is_empty() { Bytes::from_static(b"{}") } else { params };
    let params = idempotency::with_key(served.operation(), &params, idempotency_key.as_deref())?;
    let params = waiting::within(served.operation(), params, allowed(&runtime.limits, timeout));
    run(shared, &integration, runtime, served, params, timeout).await.map(Bytes::from)
}

/// Calls an operation that was found already.
pub(crate) async fn run(
    shared: &Shared,
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    timeout: Option<Duration>,
) -> Result<Vec<u8>> {
    let measured = served.metrics.begin();
    let result = recorded(shared, integration, runtime, served, params, timeout).await;
    measured.ended(&result);
    result
}

/// Carries a call out and records it: a write is not carried out unless it is recorded that it will be.
async fn recorded(
    shared: &Shared,
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    timeout: Option<Duration>,
) -> Result<Vec<u8>> {
    let context = CallContext::new(served.action.clone(), allowed(&runtime.limits, timeout));
    let operation = served.operation();
    let tracked = integration.live.tracks.begin(context.id, operation.kind == OperationKind::Write);
    let Some(audit) = &shared.audit else {
        return attempt(integration, runtime, served, params, context, &tracked).await;
    };
    let of = Of {
        integration: &integration.name,
        plugin_digest: integration.record.plugin_digest.to_string(),
        revision: integration.revision,
        action: &served.action,
        call: context.id,
    };
    let recorded =
        Recorded::begin(audit, of, operation, &params, &integration.live.leaks, tracked.asked.clone()).await?;
    let result = attempt(integration, runtime, served, params, context, &tracked).await;
    recorded.end(&result).await;
    result
}

async fn attempt(
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    context: CallContext,
    tracked: &Tracked,
) -> Result<Vec<u8>> {
    let Served { callable, action, breaker, .. } = served;
    let operation = callable.operation();
    let pass = breaker.enter().map_err(|left| faults::breaker(action, left))?;
    let live = &integration.live;
    let answer = runtime.pool(operation).call(callable.clone(), params, context).await;
    let crashed = answer.as_ref().is_err_and(|error| live.failed(action, error));
    match pass.ended(crashed) {
        Some(Turned::Opened) => live.tell(
            EventKind::BreakerOpened,
            &format!("`{action}` crashed again and again, so it is not run for a while; other operations are"),
        ),
        Some(Turned::Closed) => live.tell(EventKind::BreakerClosed, &format!("`{action}` answered and is run again")),
        None => {}
    }
    match answer {
        Ok(answer) => Ok(live.leaks.bytes(action, "an answer", answer)),
        Err(error) => {
            let mut error = faults::call(error, operation.kind == OperationKind::Write, tracked.so_far());
            error.message = live.leaks.text(action, "an error", &error.message).into_owned();
            Err(error)
        }
    }
}

/// An embedder's own call, with functions that `bindgen!` made for it.
pub(crate) async fn typed<F, R>(shared: &Shared, integration: &str, call: F) -> Result<R>
where
    F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
{
    shared.open()?;
    let integration = shared.view.load().integration(integration)?.clone();
    let runtime = integration.running()?;
    let measured = integration.live.calls.of(TYPED.0, TYPED.1).begin();
    let context = CallContext::new("typed", runtime.limits.call_timeout);
    // What the embedder calls is not known here: it may be a write.
    let tracked = integration.live.tracks.begin(context.id, true);
    let result = runtime.calls.typed(context, call).await.map_err(|error: CallError| {
        integration.live.failed("typed", &error);
        faults::call(error, true, tracked.so_far())
    });
    measured.ended(&result);
    result
}

/// The caller's timeout within the integration's.
fn allowed(limits: &Limits, timeout: Option<Duration>) -> Duration {
    timeout.map_or(limits.call_timeout, |timeout| timeout.min(limits.call_timeout))
}

/// An answer that should be JSON of a known form and is not.
pub(crate) fn malformed(what: &str, error: &serde_json::Error) -> Error {
    Error::internal(format!("{what} cannot be read: {error}"))
}
