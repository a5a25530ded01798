//! Change feeds: the host asks `poll-changes` again and again, each time from where the last answer ended, and hands on
//! what came.
//!
//! Who drops the stream ends the loop. The integration is looked up anew for each poll, so a feed goes on through changes
//! of its configuration. While the outside system cannot be reached the loop waits and tries again from the same cursor:
//! nothing is lost or told twice. Any other error, above all a cursor that is no longer good, ends the stream, since only
//! the listener can know what that means for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    ChangeBatch, Error, ErrorKind, ErrorSource, Result, WatchRequest, calls,
    clock::Backoff,
    integrations::{Integration, Runtime},
    shared::Shared,
    tasks, versions,
    waiting::{self, WAIT_MS},
};

/// The longest the plugin is asked to wait for a change.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// The longest pause, whatever an outside system or a plugin asks for: somebody listens.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// What the loop sets itself.
const OWN: [&str; 2] = ["cursor", WAIT_MS];

/// Watches a feed. What is wrong with the request is told at once; what happens later comes in the stream.
pub(crate) fn watch(
    shared: &Arc<Shared>,
    request: WatchRequest,
) -> Result<impl Stream<Item = Result<ChangeBatch>> + Send + 'static + use<>> {
    shared.open()?;
    let view = shared.view.load_full();
    let integration = view.integration(&request.integration)?;
    let runtime = integration.running()?;
    let target = versions::feed(&view, integration, runtime, &request.capability, request.operation.as_deref())?;
    if let Some(own) = OWN.iter().find(|own| request.params.contains_key(**own)) {
        return Err(
            Error::invalid(format!("`{own}` is set by the host while it watches; leave it out")).at(format!("/{own}"))
        );
    }
    let feed = Feed {
        integration: request.integration,
        capability: request.capability,
        operation: target.operation().name.clone(),
        params: request.params,
        cursor: request.cursor,
        fault: Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
        idle: Backoff::new(Duration::from_millis(10), Duration::from_secs(1)),
        pause: Duration::ZERO,
        ended: false,
        shared: shared.clone(),
    };
    let params = feed.params(Duration::ZERO)?;
    target.may_ask(&params)?;
    Ok(stream::unfold(feed, |mut feed| async move {
        if feed.ended {
            return None;
        }
        let next = feed.next().await?;
        feed.ended = next.is_err();
        Some((next, feed))
    }))
}

struct Feed {
    shared: Arc<Shared>,
    integration: String,
    capability: String,
    operation: String,
    params: Map<String, Value>,
    cursor: Option<String>,
    /// Pauses after failed polls.
    fault: Backoff,
    /// Pauses after polls that should have waited for a change and did not.
    idle: Backoff,
    /// Before the next poll.
    pause: Duration,
    ended: bool,
}

/// What a feed answers.
#[derive(Deserialize)]
struct Batch {
    changes: Vec<Box<RawValue>>,
    next: String,
}

impl Feed {
    /// The next batch that holds something new; none once the host ends.
    async fn next(&mut self) -> Option<Result<ChangeBatch>> {
        let mut stop = self.shared.stop.subscribe();
        loop {
            let pause = std::mem::take(&mut self.pause);
            let paused_poll = async {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                self.poll().await
            };
            let polled = tokio::select! {
                () = tasks::stopped(&mut stop) => return None,
                polled = paused_poll => polled,
            };
            match polled {
                Ok((batch, early)) => {
                    self.fault.reset();
                    if batch.changes.is_empty() && early {
                        // However eager the plugin is, a feed without changes is no reason to work all the time.
                        self.pause = self.idle.next();
                    } else {
                        self.idle.reset();
                    }
                    let moved = self.cursor.as_ref() != Some(&batch.next);
                    self.cursor = Some(batch.next.clone());
                    if moved || !batch.changes.is_empty() {
                        return Some(Ok(ChangeBatch { changes: batch.changes, next: batch.next }));
                    }
                }
                Err(error) if passes(&error) => {
                    tracing::debug!(integration = self.integration, feed = self.operation, %error, "a feed waits");
                    self.pause = error.retry_after.unwrap_or_default().min(MAX_PAUSE).max(self.fault.next());
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Asks once. Returns whether the answer came before the time the plugin was asked to wait.
    async fn poll(&self) -> Result<(Batch, bool)> {
        let view = self.shared.view.load_full();
        let integration: Arc<Integration> = view.integration(&self.integration)?.clone();
        let runtime: &Runtime = integration.running()?;
        let target = versions::feed(&view, &integration, runtime, &self.capability, Some(&self.operation))?;
        drop(view);
        // Without a cursor the first poll only asks where the feed is now: who is cut off before the first change then
        // knows where to resume.
        let wait = if self.cursor.is_none() {
            Duration::ZERO
        } else {
            MAX_WAIT.min(waiting::longest(runtime.limits.call_timeout))
        };
        let params = target.request(self.params(wait)?).await?;
        let started = Instant::now();
        let answer = calls::run(&self.shared, &integration, runtime, target.served, params, None).await?;
        let answer = target.answer(answer, None).await?;
        let batch = serde_json::from_slice(&answer).map_err(|e| calls::malformed("a batch of changes", &e))?;
        Ok((batch, started.elapsed() < wait / 2))
    }

    fn params(&self, wait: Duration) -> Result<Bytes> {
        let mut params = self.params.clone();
        params.insert("cursor".into(), self.cursor.clone().map_or(Value::Null, Value::String));
        params.insert(WAIT_MS.into(), u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).into());
        let json = serde_json::to_vec(&params).map_err(|e| calls::malformed("the feed's parameters", &e))?;
        Ok(json.into())
    }
}

/// Whether it may be better in a while.
fn passes(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::RateLimited => true,
        // A plugin that overruns the wait it was asked for will do so again, but costs nothing meanwhile.
        ErrorKind::DeadlineExceeded => error.source_of_fault != ErrorSource::Caller,
        _ => false,
    }
}
