//! One request, from what a plugin asked to what is sent: endpoint, method, path, headers, size, budget, address.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http::Method;
use jackfield_net::{Body, Dialer, OutgoingRequest, Sender};
use jackfield_vault::{CredentialKind, InUse, Lease};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::{
    EndpointSpec, GatewayError, Known, Needles, Player, Recorder, ReplayError, Request, Response, ResponseBody, Sent,
    Uses,
    authority::Signed,
    body::Source,
    cassette::{Deck, Played},
    endpoint::Endpoint,
    headers,
    leaks::Filter,
    normalize,
    tokens::{self, Exchange, Token, User},
};

/// How many tokens a request is sent with at most: what makes a system refuse one may happen several times in a row.
const TOKENS: u32 = 5;

/// Bounds of one integration's requests.
#[derive(Clone, Copy, Debug)]
pub struct GatewayLimits {
    /// The longest request body, in bytes.
    pub request_bytes: usize,
    /// The longest response body, in bytes.
    pub response_bytes: usize,
    /// Requests under way at once, responses that are still being read among them.
    pub in_flight: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self { request_bytes: 16 << 20, response_bytes: 64 << 20, in_flight: 256 }
    }
}

/// What a gateway has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayStats {
    /// Requests sent.
    pub requests: u64,
    /// Requests refused before anything was sent.
    pub refused: u64,
    /// Bytes of request bodies sent.
    pub sent_bytes: u64,
    /// Bytes of response bodies received.
    pub received_bytes: u64,
}

/// The way out of one integration.
pub struct Gateway {
    endpoints: Vec<Endpoint>,
    limits: GatewayLimits,
    known: Option<Arc<Known>>,
    integration: Arc<str>,
    uses: Arc<Uses>,
    deck: Deck,
    places: Arc<Semaphore>,
    requests: AtomicU64,
    refused: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: Arc<AtomicU64>,
}

impl Gateway {
    /// A gateway to the given endpoints and nothing else. No connection is made yet.
    pub fn new(endpoints: Vec<EndpointSpec>, limits: GatewayLimits, dialer: Arc<Dialer>) -> Result<Self, GatewayError> {
        let endpoints = endpoints.into_iter().map(|spec| Endpoint::new(spec, &dialer)).collect::<Result<_, _>>()?;
        Ok(Self {
            endpoints,
            limits,
            known: None,
            integration: "".into(),
            uses: Arc::default(),
            deck: Deck::default(),
            places: Arc::new(Semaphore::new(limits.in_flight.clamp(1, Semaphore::MAX_PERMITS))),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: Arc::default(),
        })
    }

    /// The same, which looks for these secrets in everything that comes back.
    pub fn looking_for(mut self, known: Arc<Known>) -> Self {
        self.known = Some(known);
        self
    }

    /// The same for an integration of this name, whose requests are counted there.
    pub fn of(mut self, integration: Arc<str>, uses: Arc<Uses>) -> Self {
        (self.integration, self.uses) = (integration, uses);
        self
    }

    /// The same, whose traffic is recorded.
    pub fn recorded_by(mut self, recorder: Arc<Recorder>) -> Self {
        self.deck = Deck::Recording(recorder);
        self
    }

    /// The same, which sends nothing: what is granted is answered from a recording.
    pub fn replayed_by(mut self, player: Arc<Player>) -> Self {
        self.deck = Deck::Replaying(player);
        self
    }

    /// Sees that each credential can be used where it is bound, as far as that can be told without sending anything: one that
    /// names its own place, a kubeconfig, is for no other. Each request sees to it again, since a credential may change.
    pub fn judge_credentials(&self) -> Result<(), GatewayError> {
        self.endpoints.iter().try_for_each(Endpoint::fits)
    }

    /// The names of its endpoints.
    pub fn endpoints(&self) -> Vec<&str> {
        self.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect()
    }

    /// Which rule decides about a request: the pattern that grants it, and why it would be refused, were it not only
    /// counted; or why it is refused. Nothing is sent or counted.
    pub fn explain(
        &self,
        endpoint: &str,
        method: &str,
        path: &str,
    ) -> Result<(String, Option<GatewayError>), GatewayError> {
        let (endpoint, method) = (self.endpoint(endpoint)?, sendable(method)?);
        let (path, _) = normalize(path)?;
        let granted = endpoint.grant.check(&self.integration, &endpoint.name, method.as_str(), &path)?;
        Ok((granted.pattern.to_owned(), granted.would_refuse))
    }

    /// Sends a request before `deadline` and returns when the response's head has arrived. Where an endpoint has several
    /// addresses, the next is tried when a request was surely not carried out at the one before, and only then.
    pub async fn send(&self, request: Request, deadline: Instant) -> Result<Response, GatewayError> {
        let (endpoint, outgoing) = self.check(&request).inspect_err(|error| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(endpoint = request.endpoint, %error, "a request was refused");
        })?;
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| GatewayError::Busy { limit: self.limits.in_flight })?;
        match &self.deck {
            Deck::Empty => self.exchange(endpoint, &request, outgoing, place, deadline).await,
            Deck::Recording(_) if request.private => self.exchange(endpoint, &request, outgoing, place, deadline).await,
            Deck::Replaying(_) if request.private => {
                Err(GatewayError::Replay { endpoint: request.endpoint, reason: ReplayError::Private })
            }
            Deck::Recording(recorder) => {
                let mut take = recorder.take(&request, &outgoing.target);
                let answer = self.exchange(endpoint, &request, outgoing, place, deadline).await;
                match answer {
                    Ok(mut response) => {
                        take.answered(&response);
                        response.body.take = Some(take);
                        Ok(response)
                    }
                    Err(error) => {
                        take.failed(&error);
                        Err(error)
                    }
                }
            }
            Deck::Replaying(player) => self.replay(player, endpoint, &request, outgoing, place, deadline),
        }
    }

    /// Sends what was checked.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        outgoing: Checked,
        place: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Response, GatewayError> {
        let until = request.timeout.map_or(deadline, |timeout| deadline.min(Instant::now() + timeout));
        let lease = match &endpoint.authority {
            Some(authority) => Some(authority.lease(&endpoint.name, until).await?),
            None => None,
        };
        let senders = endpoint.senders(lease.as_ref())?;
        let mut failed = GatewayError::NoAddress { endpoint: endpoint.name.clone() };
        for i in endpoint.turns(senders.len()) {
            let Some(sender) = senders.get(i) else { break };
            match self.attempt(endpoint, sender, lease.as_ref(), &outgoing, &request.body, until).await {
                Ok(Attempt { head, body, ahead, needles }) => {
                    endpoint.remember(i);
                    self.sent_bytes.fetch_add(request.body.len() as u64, Ordering::Relaxed);
                    let limit = self.limits.response_bytes;
                    if body.announced_len().is_some_and(|len| len > limit as u64) {
                        return Err(GatewayError::TooLarge { what: "response", limit });
                    }
                    let garbled = |reason| GatewayError::Decode { endpoint: endpoint.name.clone(), reason };
                    let filter = Filter::new(&head.headers, needles.clone()).map_err(garbled)?;
                    let (headers, redacted) = headers::incoming(&head.headers, &needles, filter.decodes());
                    let in_use = lease.as_ref().map(Lease::in_use).unwrap_or_default();
                    return Ok(Response {
                        status: head.status.as_u16(),
                        headers,
                        redacted,
                        sent: Sent {
                            host: sender.address().authority(),
                            pattern: outgoing.pattern,
                            credential: lease.map(|lease| (lease.name, lease.version)),
                            replayed: false,
                        },
                        body: self.body(endpoint, Source::Network(body), ahead, filter, deadline, (place, in_use)),
                    });
                }
                Err(error) => {
                    let sent = error.sent();
                    failed = error;
                    if sent {
                        break;
                    }
                }
            }
        }
        Err(failed)
    }

    /// Answers what was checked from a recording. A stranger may have made it, so it is looked through like any answer.
    fn replay(
        &self,
        player: &Player,
        endpoint: &Endpoint,
        request: &Request,
        outgoing: Checked,
        place: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Response, GatewayError> {
        let needles = self.known.as_ref().map_or_else(Arc::default, |known| known.needles());
        let Played { line, host, status, headers, body, end } = player.answer(request, &outgoing.target, &needles)?;
        let mut redacted = 0;
        let mut clean = |text: String| match needles.redact_str(&text) {
            Some(clean) => {
                redacted += 1;
                clean
            }
            None => text,
        };
        let headers = headers.into_iter().map(|(name, value)| (clean(name), clean(value))).collect();
        let garbled = |reason| GatewayError::Decode { endpoint: endpoint.name.clone(), reason };
        // It was decoded before it was recorded.
        let filter = Filter::new(&http::HeaderMap::new(), needles).map_err(garbled)?;
        Ok(Response {
            status,
            headers,
            redacted,
            sent: Sent { host, pattern: outgoing.pattern, credential: None, replayed: true },
            body: self.body(
                endpoint,
                Source::Cassette { line, end },
                Some(body),
                filter,
                deadline,
                (place, InUse::default()),
            ),
        })
    }

    fn body(
        &self,
        endpoint: &Endpoint,
        source: Source,
        ahead: Option<Bytes>,
        filter: Filter,
        deadline: Instant,
        (place, in_use): (OwnedSemaphorePermit, InUse),
    ) -> ResponseBody {
        let limit = self.limits.response_bytes;
        ResponseBody {
            endpoint: endpoint.name.clone(),
            source,
            take: None,
            ahead,
            filter,
            known: self.known.clone(),
            ended: false,
            rest: Bytes::new(),
            left: limit,
            limit,
            deadline,
            received: self.received_bytes.clone(),
            _place: place,
            _in_use: in_use,
        }
    }

    /// Sends to one address; again where that refuses the token that it was sent with, a few times at most.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        sender: &Sender,
        lease: Option<&Lease>,
        outgoing: &Checked,
        body: &Bytes,
        until: Instant,
    ) -> Result<Attempt, GatewayError> {
        let mut refused = None;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let token = self.token(endpoint, sender, lease, refused.as_ref(), until).await?;
            // The vault may have been sealed meanwhile, and then nothing is sent any more, nor known of what to look for.
            if let Some(authority) = &endpoint.authority {
                authority.is_open(&endpoint.name)?;
            }
            // After the lease and the token, so that they are among what is looked for.
            let needles = self.known.as_ref().map_or_else(Arc::default, |known| known.needles());
            // From here on the request may hold a secret: nothing of it is told to anyone but the outside system.
            let host = sender.address().authority();
            let mut signed = Signed {
                method: &outgoing.method,
                host: &host,
                body,
                framed: None,
                target: Zeroizing::new(format!("{}{}", sender.address().base_path(), outgoing.target)),
                headers: outgoing.headers.clone(),
            };
            if let (Some(authority), Some(lease)) = (&endpoint.authority, lease) {
                authority.sign(&endpoint.name, lease, token.as_deref(), &mut signed)?;
            }
            let request = OutgoingRequest {
                method: outgoing.method.clone(),
                target: signed.target.parse().map_err(|_| GatewayError::Method)?,
                headers: signed.headers,
                body: signed.framed.unwrap_or_else(|| body.clone()),
            };
            self.requests.fetch_add(1, Ordering::Relaxed);
            let response = sender.send(request, until).await;
            let response = response.map_err(|error| GatewayError::from_send(&endpoint.name, error))?;
            let (head, mut body) = response.into_parts();
            // Secrets may have come to be while the answer was waited for; of a vault that was sealed those of before count.
            let now = self.known.as_ref().map_or_else(Arc::default, |known| known.needles());
            let needles = if now.is_empty() { needles } else { now };
            let mut ahead = None;
            if attempts < TOKENS
                && let Some(token) = token
                && let Some(authority) = &endpoint.authority
                && tokens::refuses(authority.login(), &token, &head, &mut body, &mut ahead, until)
                    .await
                    .map_err(|error| GatewayError::from_send(&endpoint.name, error))?
            {
                refused = Some(token);
                continue;
            }
            return Ok(Attempt { head, body, ahead, needles });
        }
    }

    /// The token to send with, where the credential is exchanged for one.
    async fn token(
        &self,
        endpoint: &Endpoint,
        sender: &Sender,
        lease: Option<&Lease>,
        refused: Option<&Arc<Token>>,
        until: Instant,
    ) -> Result<Option<Arc<Token>>, GatewayError> {
        let (Some(authority), Some(lease)) = (&endpoint.authority, lease) else { return Ok(None) };
        if lease.kind == CredentialKind::Oauth2User {
            let (vault, users) = authority.users();
            let user = User {
                vault,
                users,
                dialer: endpoint.dialer().clone(),
                known: self.known.clone(),
                endpoint: endpoint.name.clone(),
                lease: lease.clone(),
            };
            return user.token(refused, until).await.map(Some);
        }
        let Some(way) = authority.exchanged(lease) else { return Ok(None) };
        let exchange = Exchange { way, endpoint: &endpoint.name, lease, sender, dialer: endpoint.dialer(), until };
        let learn = |token: &Arc<Token>| {
            if let Some(known) = &self.known {
                known.learn(token);
            }
        };
        authority.tokens().get(&exchange, refused, learn).await.map(Some)
    }

    fn check(&self, request: &Request) -> Result<(&Endpoint, Checked), GatewayError> {
        let endpoint = self.endpoint(&request.endpoint)?;
        let method = sendable(&request.method)?;
        let (path, query) = normalize(&request.path_and_query)?;
        let granted = endpoint.grant.check(&self.integration, &endpoint.name, method.as_str(), &path);
        if granted.as_ref().map_or(true, |granted| granted.would_refuse.is_some()) {
            self.uses.refused(&endpoint.name, method.as_str(), &path);
        }
        let pattern = granted?.pattern.to_owned();
        self.uses.granted(&endpoint.name, method.as_str(), &pattern);
        let headers = headers::outgoing(&request.headers)?;
        if let Some(authority) = &endpoint.authority {
            authority.reserve(&headers, query)?;
        }
        if request.body.len() > self.limits.request_bytes {
            return Err(GatewayError::TooLarge { what: "request", limit: self.limits.request_bytes });
        }
        Ok((endpoint, Checked { method, target: format!("{path}{query}"), headers, pattern }))
    }

    fn endpoint(&self, name: &str) -> Result<&Endpoint, GatewayError> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name).ok_or_else(|| {
            let declared: Vec<_> = self.endpoints.iter().map(|e| format!("`{}`", e.name)).collect();
            let declared = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
            GatewayError::UnknownEndpoint { endpoint: name.to_owned(), declared }
        })
    }

    /// What it has done so far.
    pub fn stats(&self) -> GatewayStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GatewayStats {
            requests: load(&self.requests),
            refused: load(&self.refused),
            sent_bytes: load(&self.sent_bytes),
            received_bytes: load(&self.received_bytes),
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A method that can be sent.
fn sendable(method: &str) -> Result<Method, GatewayError> {
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| GatewayError::Method)?;
    if method == Method::CONNECT { Err(GatewayError::Method) } else { Ok(method) }
}

/// A request that was answered.
struct Attempt {
    head: http::response::Parts,
    body: Body,
    /// What was read of the body already.
    ahead: Option<Bytes>,
    needles: Arc<Needles>,
}

/// What is sent, the same to whichever address of the endpoint.
struct Checked {
    method: Method,
    target: String,
    headers: http::HeaderMap,
    pattern: String,
}
