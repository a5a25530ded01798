//! The way out: the engine's [`Outbound`] over the integration's gateway.
//!
//! The gateway decides what may be sent and says typed what went wrong; here that becomes the error the guest sees. What
//! was surely not carried out is `unavailable`; what may have been is `outcome-unknown`, but for requests that change
//! nothing by their method. On the way it is remembered for the call who was waited for and whether something was sent,
//! since a guest that is stopped cannot say.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_engine::{CallContext, Outbound, OutboundBody, OutboundRequest, OutboundResponse, types};
use jackfield_registry::Manifest;

use jackfield_gateway::{
    Gateway, GatewayError, Request, ResponseBody,
    net::{ConnectError, SendError},
};

use crate::{Error, faults, names, track::Tracks};

/// What is kept back of a call's time, so that the guest can still say that time ran out.
const RESERVE: Duration = Duration::from_millis(100);

/// The gateway of one integration, for its guests.
pub(crate) struct GuestOutbound {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) tracks: Arc<Tracks>,
}

#[async_trait]
impl Outbound for GuestOutbound {
    async fn send(&self, call: &CallContext, request: OutboundRequest) -> Result<OutboundResponse, types::Error> {
        let left = call.deadline.saturating_duration_since(std::time::Instant::now());
        let deadline = call.deadline.checked_sub(RESERVE.min(left / 10)).unwrap_or(call.deadline);
        let mut wrote = false;
        let mut safe = is_safe(&request.method);
        self.tracks.update(call.id, |track| {
            safe |= !track.writes;
            wrote = track.wrote;
            track.waits = true;
            track.wrote |= !safe;
        });
        let OutboundRequest { endpoint, method, path_and_query, headers, body, timeout } = request;
        let request = Request { endpoint, method, path_and_query, headers, body, timeout };
        let answer = self.gateway.send(request, deadline).await;
        self.tracks.update(call.id, |track| {
            track.waits = false;
            if let Err(error) = &answer
                && !error.sent()
            {
                track.wrote = wrote;
            }
        });
        let response = answer.map_err(|error| fault(&error, safe))?;
        let body = GuestBody { body: response.body, call: call.id, safe, tracks: self.tracks.clone() };
        Ok(OutboundResponse { status: response.status, headers: response.headers, body: Box::new(body) })
    }
}

struct GuestBody {
    body: ResponseBody,
    call: u64,
    safe: bool,
    tracks: Arc<Tracks>,
}

#[async_trait]
impl OutboundBody for GuestBody {
    async fn read(&mut self, max: usize) -> Result<Option<Bytes>, types::Error> {
        self.tracks.update(self.call, |track| track.waits = true);
        let piece = self.body.read(max).await;
        self.tracks.update(self.call, |track| track.waits = false);
        // The head has arrived, so it was carried out or refused already; which of the two, the body may have told.
        piece.map_err(|error| fault(&error, self.safe))
    }
}

/// Methods that change nothing (RFC 9110).
fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// What a failed request is to the guest. What it may not ask for is its own fault; everything else is the outside
/// system's, and whether that may have acted decides between `unavailable` and `outcome-unknown`.
fn fault(error: &GatewayError, safe: bool) -> types::Error {
    use types::{ErrorKind, ErrorSource};
    let (kind, source) = match error {
        GatewayError::NoAddress { .. } => (ErrorKind::Unsupported, ErrorSource::Plugin),
        GatewayError::Connect { reason: ConnectError::Refused { .. }, .. } => {
            (ErrorKind::PermissionDenied, ErrorSource::Plugin)
        }
        error if error.is_refusal() => (ErrorKind::PermissionDenied, ErrorSource::Plugin),
        GatewayError::Busy { .. } => (ErrorKind::Unavailable, ErrorSource::Plugin),
        error if error.sent() && !safe => (ErrorKind::OutcomeUnknown, ErrorSource::Downstream),
        error if error.is_timeout() => (ErrorKind::DeadlineExceeded, ErrorSource::Downstream),
        GatewayError::TooLarge { .. } | GatewayError::Send { reason: SendError::Garbled { .. }, .. } => {
            (ErrorKind::Internal, ErrorSource::Downstream)
        }
        _ => (ErrorKind::Unavailable, ErrorSource::Downstream),
    };
    let refused = matches!(error, GatewayError::Connect { reason: ConnectError::Refused { .. }, .. });
    let code = refused.then(|| faults::ADDRESS_REFUSED.to_owned());
    types::Error { kind, message: error.to_string(), source, code }
}

/// An endpoint that cannot be set up as configured: the error names the property that holds its address.
pub(crate) fn misconfigured(manifest: &Manifest, error: &GatewayError) -> Error {
    let invalid = Error::invalid(error.to_string());
    let GatewayError::Address { endpoint, .. } = error else { return invalid };
    match manifest.endpoints.iter().find(|rule| &rule.name == endpoint) {
        Some(rule) => invalid.at(format!("/config/{}", names::pointer(&rule.address))),
        None => invalid,
    }
}
