//! The way out: the engine's [`Outbound`] over the integration's gateway.
//!
//! The gateway decides what may be sent and says typed what went wrong; here that becomes the error the guest sees. What
//! was surely not carried out is `unavailable`; what may have been is `outcome-unknown`, but for requests that change
//! nothing by their method. On the way it is remembered for the call who was waited for and whether something was sent,
//! since a guest that is stopped cannot say.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_audit::CredentialUse;
use jackfield_engine::{self as engine, CallContext, Outbound, OutboundBody, OutboundRequest, OutboundResponse, types};
use jackfield_registry::{Limits, Manifest};

use jackfield_gateway::{
    Gateway, GatewayError, Request, ResponseBody, Sent,
    net::{ConnectError, SendError},
};

use crate::{
    Error,
    bounds::{Bound, Bounds},
    clock::ms_since,
    faults,
    integrations::Live,
    issuing,
    leaks::Watch,
    limits, names,
    pauses::Pauses,
    spending::{Budgets, Refusal},
    token_bucket::TokenBucket,
    track::{Asked, Tracks},
};

/// How many seconds' worth of requests may be sent at once.
const BURST_SECONDS: f64 = 2.0;

/// What is kept back of a call's time, so that the guest can still say that time ran out.
const RESERVE: Duration = Duration::from_millis(100);

/// The gateway of one integration, for its guests.
pub(crate) struct GuestOutbound {
    gateway: Arc<Gateway>,
    meter: Arc<Meter>,
    /// What is sent is answered from a cassette.
    replays: bool,
    /// Endpoints that may be asked for nothing that changes anything, only since a version is rehearsed.
    restrained: Vec<String>,
}

/// What is counted and bounded of an integration's requests.
struct Meter {
    tracks: Arc<Tracks>,
    bounds: Arc<Bounds>,
    leaks: Arc<Watch>,
    /// Requests, by time.
    requests: TokenBucket,
    /// Endpoints that asked for none.
    pauses: Arc<Pauses>,
    /// What is billed.
    budgets: Arc<Budgets>,
    /// Bytes that one call may send and receive.
    traffic: u64,
}

impl GuestOutbound {
    /// A way out for an integration with these limits.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        budgets: Arc<Budgets>,
        granted: &Limits,
        limits: &engine::Limits,
        live: &Live,
    ) -> Self {
        let requests = TokenBucket::new(granted.requests_per_second.unwrap_or(1).into(), BURST_SECONDS);
        let (tracks, bounds, leaks) = (live.tracks.clone(), live.bounds.clone(), live.leaks.clone());
        let (pauses, traffic) = (live.pauses.clone(), limits::traffic(limits));
        let meter = Arc::new(Meter { tracks, bounds, leaks, requests, pauses, budgets, traffic });
        Self { gateway, meter, replays: live.replays(), restrained: Vec::new() }
    }

    /// The same for a version that is rehearsed, with the endpoints of which it would be allowed more were it not.
    pub(crate) fn restrained(self, endpoints: Vec<String>) -> Self {
        Self { restrained: endpoints, ..self }
    }

    /// What a rehearsed version is told of a request that is refused for that alone.
    fn kept_back<T>(&self, answer: &Result<T, GatewayError>) -> Option<String> {
        match answer {
            Err(GatewayError::NotAllowed { endpoint, asked, rule: "read-only", .. })
                if self.restrained.contains(endpoint) =>
            {
                Some(format!(
                    "`{asked}` may change the outside system, and a version that is rehearsed sends nothing that does; a `POST` that \
                     changes nothing belongs to `safe-posts` of its endpoint in the plugin's manifest"
                ))
            }
            _ => None,
        }
    }
}

impl Meter {
    /// Counts a request, or says when there may be one.
    fn request(&self, call: &CallContext) -> Result<(), types::Error> {
        self.requests.take().map_err(|wait| {
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            let message = format!(
                "the integration sends more requests than it may; come again in {wait} ms, or raise `requests-per-second` in its limits"
            );
            self.bounds.hit(Bound::Requests, || format!("`{}`: {message}", call.operation));
            let kind = types::ErrorKind::RateLimited(types::RetryAfter { delay_ms: Some(wait) });
            refusal(kind, message, "requests-limit")
        })
    }

    /// Sees that an endpoint has not asked to be left alone.
    fn awaited(&self, endpoint: &str) -> Result<(), types::Error> {
        let Some(left) = self.pauses.left(endpoint) else { return Ok(()) };
        let wait = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        let message = format!(
            "the outside system at `{endpoint}` has asked to be left alone (`Retry-After`), for {wait} ms more; nothing is sent there until then"
        );
        let kind = types::ErrorKind::RateLimited(types::RetryAfter { delay_ms: Some(wait) });
        Err(types::Error { source: types::ErrorSource::Downstream, ..refusal(kind, message, "retry-after") })
    }

    /// Pays for a request, where it costs anything.
    async fn pay(&self, call: &CallContext, endpoint: &str) -> Result<(), types::Error> {
        let Some(budget) = self.budgets.get(endpoint) else { return Ok(()) };
        match budget.take().await {
            Ok(()) => Ok(()),
            Err(Refusal::Spent(left)) => {
                let wait = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
                let message = format!(
                    "what requests to `{endpoint}` may cost today is spent; it begins anew in {} minutes, or raise `spend` there",
                    wait / 60_000
                );
                self.bounds.hit(Bound::Spending, || format!("`{}`: {message}", call.operation));
                let kind = types::ErrorKind::RateLimited(types::RetryAfter { delay_ms: Some(wait) });
                Err(refusal(kind, message, "spend-limit"))
            }
            Err(Refusal::Unnoted(error)) => {
                let message = format!("what it costs cannot be noted, so nothing is sent: {}", error.message);
                Err(refusal(types::ErrorKind::Unavailable, message, "spend-limit"))
            }
        }
    }

    /// Counts bytes that a call sends or receives.
    fn traffic(&self, call: &CallContext, bytes: usize) -> Result<(), types::Error> {
        let sum = self.tracks.update(call.id, |track| {
            track.traffic = track.traffic.saturating_add(bytes as u64);
            track.traffic
        });
        if sum.unwrap_or(0) <= self.traffic {
            return Ok(());
        }
        let message = format!(
            "one call sends and receives at most {} MiB; ask for less at once, or raise `response-mib` in the limits",
            self.traffic >> 20
        );
        self.bounds.hit(Bound::Traffic, || format!("`{}`: {message}", call.operation));
        Err(refusal(types::ErrorKind::Internal, message, "traffic-limit"))
    }

    /// Counts what kept a request from being answered, where that is a bound.
    fn failed(&self, call: &CallContext, error: &GatewayError) {
        let bound = match error {
            GatewayError::Busy { .. } => Bound::Requests,
            GatewayError::TooLarge { .. } => Bound::Response,
            _ => return,
        };
        self.bounds.hit(bound, || format!("`{}`: {error}", call.operation));
    }
}

fn refusal(kind: types::ErrorKind, message: String, code: &str) -> types::Error {
    types::Error { kind, message, source: types::ErrorSource::Plugin, code: Some(code.to_owned()) }
}

#[async_trait]
impl Outbound for GuestOutbound {
    async fn send(&self, call: &CallContext, request: OutboundRequest) -> Result<OutboundResponse, types::Error> {
        // What is asked while a credential is issued, renewed or taken back is no traffic to play again.
        self.ask(call, request, call.operation.starts_with(issuing::OPERATIONS)).await
    }
}

impl GuestOutbound {
    /// Sends a request. `private`: a secret comes to be in it.
    pub(crate) async fn ask(
        &self,
        call: &CallContext,
        request: OutboundRequest,
        private: bool,
    ) -> Result<OutboundResponse, types::Error> {
        let meter = &self.meter;
        let asked = meter.tracks.asked(call.id);
        let mut told = jackfield_audit::Request {
            endpoint: request.endpoint.chars().take(64).collect(),
            method: request.method.chars().take(32).collect(),
            sent: request.body.len() as u64,
            ..Default::default()
        };
        if let Err(error) = self.admit(call, &request).await {
            // It was tried all the same.
            told.refused = Some(error.message.clone());
            if let Some(asked) = asked {
                asked.add(told);
            }
            return Err(error);
        }
        let left = call.deadline.saturating_duration_since(Instant::now());
        let deadline = call.deadline.checked_sub(RESERVE.min(left / 10)).unwrap_or(call.deadline);
        let mut wrote = false;
        let mut safe = is_safe(&request.method);
        let open = meter.tracks.update(call.id, |track| {
            safe |= !track.writes;
            wrote = track.wrote;
            track.waits = true;
            track.wrote |= !safe && !track.closed;
            !track.closed
        });
        if open != Some(true) {
            let message = "the call has ended, so nothing is sent for it any more".to_owned();
            return Err(refusal(types::ErrorKind::DeadlineExceeded, message, "call-ended"));
        }
        let OutboundRequest { endpoint, method, path_and_query, headers, body, timeout } = request;
        let operation = call.operation.clone();
        let request =
            Request { endpoint: endpoint.clone(), operation, method, path_and_query, headers, body, timeout, private };
        let began = Instant::now();
        let answer = self.gateway.send(request, deadline).await;
        let kept_back = self.kept_back(&answer);
        match &answer {
            Ok(response) => {
                let Sent { host, pattern, credential, replayed } = response.sent.clone();
                // One that was recorded may be anything.
                let host = host.chars().take(300).collect();
                (told.host, told.path, told.status) = (Some(host), Some(pattern), Some(response.status));
                told.replayed = replayed;
                told.ms = Some(ms_since(began));
                told.credential = credential.map(|(name, version)| CredentialUse { name: name.to_string(), version });
            }
            Err(error) => {
                let reason = kept_back.clone().unwrap_or_else(|| error.to_string());
                let reason: String = reason.chars().take(200).collect();
                told.replayed = self.replays;
                told.refused = Some(meter.leaks.text(&call.operation, "a refusal", &reason).into_owned());
            }
        }
        let place = asked.as_ref().and_then(|asked| asked.add(told));
        meter.tracks.update(call.id, |track| {
            track.waits = false;
            match &answer {
                Err(error) if !error.sent() => track.wrote = wrote,
                Err(_) => track.lost |= !safe,
                // Whoever stands between says that it lost the answer.
                Ok(response) => track.lost |= !safe && matches!(response.status, 502 | 504),
            }
        });
        let response = answer.map_err(|error| {
            meter.failed(call, &error);
            let Some(message) = kept_back else { return fault(&error, safe) };
            meter.tracks.refuse_change();
            refusal(types::ErrorKind::PermissionDenied, message, faults::NOT_ALLOWED)
        })?;
        meter.leaks.found(&call.operation, "the headers of a response", response.redacted);
        if let Some(wait) = meter.pauses.heard(&endpoint, response.status, &response.headers) {
            tracing::info!(endpoint, status = response.status, ?wait, "the outside system asks to be left alone");
        }
        let asked = asked.zip(place);
        let body = GuestBody { body: response.body, call: call.clone(), safe, meter: meter.clone(), asked };
        Ok(OutboundResponse { status: response.status, headers: response.headers, body: Box::new(body) })
    }
}

impl GuestOutbound {
    /// Whether there may be one more request of this kind now.
    async fn admit(&self, call: &CallContext, request: &OutboundRequest) -> Result<(), types::Error> {
        let meter = &self.meter;
        meter.awaited(&request.endpoint)?;
        meter.request(call)?;
        meter.traffic(call, request.body.len())?;
        if self.replays { Ok(()) } else { meter.pay(call, &request.endpoint).await }
    }
}

struct GuestBody {
    body: ResponseBody,
    call: CallContext,
    safe: bool,
    meter: Arc<Meter>,
    /// Where what it asked is listed.
    asked: Option<(Arc<Asked>, usize)>,
}

#[async_trait]
impl OutboundBody for GuestBody {
    async fn read(&mut self, max: usize) -> Result<Option<Bytes>, types::Error> {
        let Self { body, call, safe, meter, asked } = self;
        meter.tracks.update(call.id, |track| track.waits = true);
        let before = body.redacted();
        let piece = body.read(max).await;
        meter.leaks.found(&call.operation, "a response", body.redacted() - before);
        meter.tracks.update(call.id, |track| {
            track.waits = false;
            track.lost |= piece.is_err() && !*safe;
        });
        // The head has arrived, so it was carried out or refused already; which of the two, the body may have told.
        let piece = piece.map_err(|error| {
            meter.failed(call, &error);
            fault(&error, *safe)
        })?;
        let len = piece.as_ref().map_or(0, Bytes::len);
        if let Some((asked, place)) = asked {
            asked.received(*place, len);
        }
        meter.traffic(call, len)?;
        Ok(piece)
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
        GatewayError::Credential { .. } | GatewayError::NeedsReauthorization { .. } => {
            (ErrorKind::Unauthenticated, ErrorSource::Plugin)
        }
        GatewayError::Connect { reason: ConnectError::Refused { .. }, .. } => {
            (ErrorKind::PermissionDenied, ErrorSource::Plugin)
        }
        error if error.is_refusal() => (ErrorKind::PermissionDenied, ErrorSource::Plugin),
        GatewayError::Busy { .. } => (ErrorKind::Unavailable, ErrorSource::Plugin),
        // To be tried again by nobody: the cassette has no more.
        GatewayError::Replay { .. } => (ErrorKind::Internal, ErrorSource::Downstream),
        error if error.sent() && !safe => (ErrorKind::OutcomeUnknown, ErrorSource::Downstream),
        error if error.is_timeout() => (ErrorKind::DeadlineExceeded, ErrorSource::Downstream),
        GatewayError::TooLarge { .. } | GatewayError::Send { reason: SendError::Garbled { .. }, .. } => {
            (ErrorKind::Internal, ErrorSource::Downstream)
        }
        _ => (ErrorKind::Unavailable, ErrorSource::Downstream),
    };
    let code = match error {
        GatewayError::Connect { reason: ConnectError::Refused { .. }, .. } => Some(faults::ADDRESS_REFUSED),
        GatewayError::Busy { .. } => Some("requests-limit"),
        GatewayError::NotAllowed { .. } => Some(faults::NOT_ALLOWED),
        GatewayError::Credential { .. } => Some(faults::CREDENTIAL),
        GatewayError::NeedsReauthorization { .. } => Some(faults::NEEDS_REAUTHORIZATION),
        GatewayError::TooLarge { .. } => Some("response-limit"),
        GatewayError::Replay { .. } => Some("replay"),
        _ => None,
    };
    types::Error { kind, message: error.to_string(), source, code: code.map(str::to_owned) }
}

/// An endpoint that cannot be set up as configured: the error names the property that holds its address.
pub(crate) fn misconfigured(manifest: &Manifest, error: &GatewayError) -> Error {
    let invalid = Error::invalid(error.to_string());
    let endpoint = match error {
        GatewayError::Address { endpoint, .. } => endpoint,
        GatewayError::PlainHttp { endpoint, .. } | GatewayError::Credential { endpoint, .. } => {
            return invalid.at(format!("/endpoints/{}/credential", names::pointer(endpoint)));
        }
        _ => return invalid,
    };
    match manifest.endpoints.iter().find(|rule| &rule.name == endpoint) {
        Some(rule) => invalid.at(format!("/config/{}", names::pointer(&rule.address))),
        None => invalid,
    }
}
