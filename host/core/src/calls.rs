//! One call, from a name to an answer: which operation is meant, how long it may take, who is to blame if it fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::OptionFuture;
use jackfield_engine::{CallContext, CallError, Guest, Limits};
use jackfield_reflect::OperationKind;

use crate::{
    Answer, CallRequest, Error, ErrorKind, EventKind, Result,
    audit::{Asks, Of, Recorded},
    breaker::Turned,
    faults,
    idempotency::{self, Named},
    integrations::{Integration, Runtime, Served, shadow::Read},
    journal::{self, Intent},
    metrics::TYPED,
    retries::Attempts,
    shared::Shared,
    track::{Asked, Track, Tracked},
    versions::{self, Target},
    waiting,
};

/// How long a guest that was stopped may still run: its slice of a processor, and as much again.
const LAST_MOMENT: Duration = Duration::from_millis(20);

/// Calls an operation, JSON in and JSON out.
pub(crate) async fn call(shared: &Shared, request: CallRequest) -> Result<Answer> {
    let CallRequest { integration, capability, operation, params, timeout, idempotency_key } = request;
    shared.open()?;
    let view = shared.view.load_full();
    let integration = view.integration(&integration)?.clone();
    let target = versions::target(&view, &integration, integration.running()?, &capability, &operation)?;
    let next = integration.share.as_ref().and_then(|share| share.target(&view, &target, &capability, &operation));
    drop(view);
    let params = if params.is_empty() { Bytes::from_static(b"{}") } else { params };
    let key = idempotency_key.as_deref();
    let (chosen, target, params) = version_for(shared, &integration, (target, next), params, key).await?;
    let answer = answered(shared, chosen, chosen.running()?, target.served, params, timeout, key).await?;
    let json = target.answer(answer.json, answer.idempotency_key.as_deref()).await?;
    Ok(Answer { json, deprecated: target.deprecated(), ..answer })
}

/// The version that a call goes to, where another one may have a share of them, with what the call means there and its
/// parameters as that version takes them. `next`: what it means in the new version, where that can be asked.
async fn version_for<'i>(
    shared: &Shared,
    integration: &'i Arc<Integration>,
    (target, next): (Target<'i>, Option<Target<'i>>),
    params: Bytes,
    idempotency_key: Option<&str>,
) -> Result<(&'i Arc<Integration>, Target<'i>, Bytes)> {
    let served = target.served.operation();
    let Some((share, next)) = integration.share.as_ref().zip(next).filter(|_| !served.feed) else {
        let params = target.request(params).await?;
        return Ok((integration, target, params));
    };
    let chosen = if served.kind == OperationKind::Write {
        let named = idempotency::name(served, target.request(params.clone()).await?, idempotency_key)?;
        integration.for_write(shared, share, &named).await?
    } else {
        integration.for_read(share)
    };
    // Where the new version has nothing for what is asked, the old one is asked.
    if !Arc::ptr_eq(chosen, integration)
        && let Ok(params) = next.request(params.clone()).await
    {
        return Ok((chosen, next, params));
    }
    let params = target.request(params).await?;
    Ok((integration, target, params))
}

/// Calls an operation, in the version that the integration speaks.
async fn answered(
    shared: &Shared,
    integration: &Arc<Integration>,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    timeout: Option<Duration>,
    idempotency_key: Option<&str>,
) -> Result<Answer> {
    if served.operation().kind == OperationKind::Write {
        let named = idempotency::name(served.operation(), params, idempotency_key)?;
        return write(shared, integration, runtime, served, named, timeout).await;
    }
    let Some(shadow) = &integration.shadow else {
        let json = run(shared, integration, runtime, served, params, timeout).await?;
        return Ok(Answer { json, idempotency_key: None, replayed: false, deprecated: None });
    };
    let answer = run(shared, integration, runtime, served, params.clone(), timeout).await;
    let operation = served.operation();
    if !operation.feed {
        // As every version of the plugin understands it.
        let (capability, operation) = (operation.capability.package(), operation.name.clone());
        let read = Read { capability, operation, action: &served.action, params, answer: &answer };
        shadow.follow(&shared.shadows, integration, read);
    }
    Ok(Answer { json: answer?, idempotency_key: None, replayed: false, deprecated: None })
}

/// Calls a write, unless that has been done already.
async fn write(
    shared: &Shared,
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    named: Named,
    timeout: Option<Duration>,
) -> Result<Answer> {
    let Named { params, key, fresh, dry_run } = named;
    // What is replayed is not carried out, and must not be remembered as if it had been.
    if dry_run || integration.live.replays() {
        let json = run(shared, integration, runtime, served, params, timeout).await?;
        return Ok(Answer { json, idempotency_key: None, replayed: false, deprecated: None });
    }
    let named = |error| Error { idempotency_key: Some(key.clone()), ..error };
    let wait = allowed(&runtime.limits, timeout);
    let until = Instant::now() + wait;
    let action = &*served.action;
    let asked = journal::Write {
        integration,
        action,
        capability: &served.operation().capability,
        params: &params,
        key: &key,
        fresh,
        once_by_key: served.once_by_key,
    };
    let begun = match journal::begin(shared, asked, wait).await {
        Ok(journal::Begun::CarryOut(intent)) => intent,
        Ok(journal::Begun::Before(result)) => {
            let context = CallContext::new(action, wait);
            let nothing = Arc::default();
            if let Some(recorded) = recorded(shared, integration, served, &context, Some(&key), params.clone(), nothing)
            {
                recorded.replayed(&result).await;
            }
            let json = result.map_err(named)?;
            return Ok(Answer { json, idempotency_key: Some(key), replayed: true, deprecated: None });
        }
        Err(error) => return Err(named(error)),
    };
    let again = begun.is_again();
    let measured = served.metrics.begin();
    let left = Some(until.saturating_duration_since(Instant::now()));
    let result = carried_out(shared, integration, runtime, served, params, left, Some((&key, begun))).await;
    let result = result.map_err(|error| if again { journal::still_unknown(error) } else { error });
    measured.ended(&result);
    watched(runtime, timeout, &result);
    let json = result.map_err(named)?;
    Ok(Answer { json, idempotency_key: Some(key), replayed: false, deprecated: None })
}

/// Calls an operation that was found already, and that the journal need not remember.
pub(crate) async fn run(
    shared: &Shared,
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    timeout: Option<Duration>,
) -> Result<Bytes> {
    let measured = served.metrics.begin();
    let result = carried_out(shared, integration, runtime, served, params, timeout, None).await;
    measured.ended(&result);
    watched(runtime, timeout, &result);
    result
}

/// Counts what came of a call of a version that is watched.
fn watched<T>(runtime: &Runtime, timeout: Option<Duration>, result: &Result<T>) {
    if let Some(watch) = &runtime.watch {
        watch.ended(result, timeout.is_none_or(|timeout| timeout >= runtime.limits.call_timeout));
    }
}

/// Carries a call out, records it and notes it in the journal. Of a write both are on the disk before it is sent, and what
/// came of it before that is told.
async fn carried_out(
    shared: &Shared,
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    timeout: Option<Duration>,
    journalled: Option<(&str, Box<Intent>)>,
) -> Result<Bytes> {
    let operation = served.operation();
    let allowed = allowed(&runtime.limits, timeout);
    let params = waiting::within(operation, params, allowed);
    let context = CallContext::new(served.action.clone(), allowed);
    let tracked = integration.live.tracks.begin(context.id, operation.kind == OperationKind::Write);
    let (key, intent) = journalled.unzip();
    let mut noted = intent.map(|intent| Noted { intent, tracked: &tracked, began: false });
    let mut recorded = recorded(shared, integration, served, &context, key, params.clone(), tracked.asked.clone());
    // Side by side: the disk is waited for once.
    let (record, note) = tokio::join!(
        OptionFuture::from(recorded.as_mut().map(Recorded::begin)),
        OptionFuture::from(noted.as_mut().map(|noted| noted.intent.note()))
    );
    let result = match record.unwrap_or(Ok(())).and(note.unwrap_or(Ok(()))) {
        Ok(()) => {
            if let Some(noted) = &mut noted {
                noted.began = true;
            }
            attempts(integration, runtime, served, params, context, &tracked).await
        }
        Err(error) => Err(error),
    };
    tokio::join!(
        OptionFuture::from(recorded.map(|recorded| recorded.end(&result))),
        OptionFuture::from(noted.as_mut().map(|noted| noted.intent.end(&result)))
    );
    if operation.kind == OperationKind::Write
        && let Err(error) = &result
        && error.kind == ErrorKind::OutcomeUnknown
    {
        let message = format!("nobody knows whether `{}` was carried out: {}", served.action, error.message);
        integration.live.tell(EventKind::WriteUnknown, &message);
    }
    result
}

/// A write that is noted; dropped before its end, it was given up.
struct Noted<'t> {
    intent: Box<Intent>,
    tracked: &'t Tracked,
    /// The plugin was called.
    began: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        // A guest that runs for another moment sends nothing more; what it changed in its state is seen by then.
        let track = self.tracked.close();
        self.intent.given_up(self.began || track.wrote);
    }
}

/// The record of a call, where records are kept.
fn recorded<'a>(
    shared: &'a Shared,
    integration: &'a Integration,
    served: &'a Served,
    context: &CallContext,
    key: Option<&str>,
    params: Bytes,
    asked: Arc<Asked>,
) -> Option<Recorded<'a>> {
    let of = Of {
        integration: &integration.name,
        plugin_digest: integration.record.plugin_digest.to_string(),
        revision: integration.revision,
        action: &served.action,
        call: context.id,
        key,
    };
    let audit = shared.audit.as_ref()?;
    let asks = Asks { operation: served.operation(), open: served.open, leaks: &integration.live.leaks };
    let recorded = Recorded::new(audit, of, asks, params, asked);
    Some(if integration.live.aside { recorded.compared() } else { recorded })
}

/// Tries a call, again where that is worth it and does no harm. A feed is polled again by whoever follows it.
async fn attempts(
    integration: &Integration,
    runtime: &Runtime,
    served: &Served,
    params: Bytes,
    context: CallContext,
    tracked: &Tracked,
) -> Result<Bytes> {
    let operation = served.operation();
    let writes = operation.kind == OperationKind::Write;
    let mut attempts = Attempts::new();
    loop {
        let result = attempt(integration, runtime, served, params.clone(), context.clone(), tracked).await;
        let error = match result {
            Ok(answer) => return Ok(answer.into()),
            Err(error) if operation.feed => return Err(error),
            Err(error) => error,
        };
        let retries = &integration.live.retries;
        let Some(wait) = attempts.again(retries, &error, writes, tracked.so_far(), context.deadline) else {
            return Err(error);
        };
        tokio::time::sleep(wait).await;
    }
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
            let write = operation.kind == OperationKind::Write;
            let track = match &error {
                CallError::Guest(_) | CallError::Params(_) | CallError::Busy { .. } => tracked.so_far(),
                // The guest was stopped. What it may still have begun in that moment is seen when that is over.
                CallError::DeadlineExceeded if write => {
                    let then = tracked.close();
                    tokio::time::sleep(LAST_MOMENT).await;
                    Track { waits: then.waits, ..tracked.so_far() }
                }
                _ => tracked.close(),
            };
            let mut error = faults::call(error, write, track);
            let clean = |text: String| live.leaks.text(action, "an error", &text).into_owned();
            (error.message, error.field) = (clean(error.message), error.field.map(clean));
            error.code = error.code.map(clean);
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
    watched(runtime, None, &result);
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
