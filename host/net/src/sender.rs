//! Sending requests to one endpoint over pooled connections. Each sender has its own pool: no integration is ever
//! given a connection on which another's requests, and later another's credentials, have travelled. A redirect is a
//! response like any other. What needs thought is the failure: hyper hands a request back when its connection was
//! closed before anything was written, and sends it on another; once a connection has begun to write it, a failure is
//! `Lost` and nothing is repeated, because no one can tell a server that died before from one that died after.

use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, uri::PathAndQuery};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout_at;

use crate::{
    Address, Body, ConnectError, SendError, SenderOptions,
    connect::{Connector, Route},
    error::plain_words,
    tls,
};

/// Bounds the head of a response; more is not HTTP but an attack on memory.
const MAX_HEAD: usize = 128 * 1024;

/// An HTTP/2 connection that answers no ping is dead, and so are the long reads on it that would never notice.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// A request as it is to be sent. The sender adds the `host` header and the body's length, nothing else.
#[derive(Debug)]
pub struct OutgoingRequest {
    /// The method.
    pub method: Method,
    /// Path and query, the address's base path included.
    pub target: PathAndQuery,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// By when what must have happened. An [`Instant`] alone means both.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// There must be a connection. A caller with another address to try sets it earlier than the other.
    pub connect: Instant,
    /// The response's head must have arrived.
    pub answer: Instant,
}

impl From<Instant> for Deadline {
    fn from(at: Instant) -> Self {
        Self { connect: at, answer: at }
    }
}

/// Sends requests to one address.
#[derive(Clone)]
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
    route: Arc<Route>,
}

impl Sender {
    pub(crate) fn new(route: Route, options: &SenderOptions) -> Self {
        let route = Arc::new(route);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.max_idle)
            .http1_max_buf_size(MAX_HEAD)
            .http2_max_header_list_size(MAX_HEAD as u32)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_PATIENCE)
            .build(Connector(route.clone()));
        Self { client, route }
    }

    /// The address it sends to.
    pub fn address(&self) -> &Address {
        &self.route.address
    }

    /// Sends a request and returns when the response's head has arrived, within `deadline`. Dropping the future gives
    /// the request up and frees its connection: HTTP/1.1 by closing it, HTTP/2 by resetting the stream.
    pub async fn send(
        &self,
        request: OutgoingRequest,
        deadline: impl Into<Deadline>,
    ) -> Result<Response<Body>, SendError> {
        let deadline = deadline.into();
        let mut request = self.assemble(request)?;
        let given = capture_connection(&mut request);
        let mut sending = self.client.request(request);
        let mut outcome = timeout_at(deadline.connect.min(deadline.answer).into(), &mut sending).await;
        if outcome.is_err() && was_given(&given) {
            outcome = timeout_at(deadline.answer.into(), &mut sending).await;
        }
        match outcome {
            Err(_) => Err(SendError::Timeout { sent: was_given(&given) }),
            Ok(Err(error)) => Err(self.explain(&error, was_given(&given))),
            // Nothing here asks for an upgrade, so the other side speaks something else now.
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(SendError::Garbled { reason: "it switches protocols unasked".into() })
            }
            Ok(Ok(response)) => Ok(response.map(Body::new)),
        }
    }

    fn assemble(&self, outgoing: OutgoingRequest) -> Result<Request<Full<Bytes>>, SendError> {
        let scheme = if self.address().is_tls() { "https" } else { "http" };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.address().authority())
            .path_and_query(outgoing.target)
            .build()
            .map_err(|error| SendError::Request { reason: error.to_string() })?;
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = outgoing.headers;
        Ok(request)
    }

    fn explain(&self, error: &hyper_util::client::legacy::Error, given: bool) -> SendError {
        if let Some(connect) = cause_of::<ConnectError>(error) {
            return connect.clone().into();
        }
        let hyper = cause_of::<hyper::Error>(error);
        let io = cause_of::<io::Error>(error).or_else(|| cause_of::<h2::Error>(error)?.get_io());
        if let Some(refused) = self.route.tls.as_ref().zip(io).and_then(|(tls, io)| tls::refused(io, &tls.verified)) {
            return ConnectError::from(refused).into();
        }
        let handed_back = hyper.is_some_and(hyper::Error::is_canceled);
        if handed_back || !given || error.is_connect() {
            let reason = hyper.map_or_else(|| error.to_string(), root_cause);
            return ConnectError::Closed { place: self.address().to_string(), reason }.into();
        }
        hyper.map_or_else(|| SendError::Lost { reason: error.to_string() }, explain_hyper)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("address", &self.route.address).finish_non_exhaustive()
    }
}

/// Whether a connection was given the request, so that it may have been written.
fn was_given(capture: &CaptureConnection) -> bool {
    capture.connection_metadata().is_some()
}

/// What a failure means once a connection has been given the request.
pub(crate) fn explain_hyper(error: &hyper::Error) -> SendError {
    let h2 = cause_of::<h2::Error>(error);
    if h2.is_some_and(|h2| h2.is_remote() && h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM)) {
        return SendError::Declined;
    }
    let protocol_fault = h2.is_some_and(|h2| h2.reason() == Some(h2::Reason::PROTOCOL_ERROR) && !h2.is_remote());
    if error.is_parse() || protocol_fault {
        return SendError::Garbled { reason: error.to_string() };
    }
    SendError::Lost { reason: root_cause(error) }
}

fn root_cause(error: &hyper::Error) -> String {
    match causes(error).skip(1).last() {
        None if error.is_incomplete_message() => "closed by the other side".into(),
        None => error.to_string(),
        Some(root) => root.downcast_ref::<std::io::Error>().map_or_else(|| root.to_string(), plain_words),
    }
}

/// An error, its cause, that one's cause, …
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn StdError + 'static)| (*cause).source())
}

fn cause_of<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}
