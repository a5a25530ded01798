//! Tokens that a user name and a password are exchanged for, where a system wants one with each request. The host asks for
//! it, once for all who wait, keeps it for its own use, and asks anew when the system takes it no longer or the credential
//! has a new version. It is as secret as what it was exchanged for.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, response};
use jackfield_net::{Body, ConnectError, OutgoingRequest, SendError, Sender};
use jackfield_vault::{Lease, Secret};
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::timeout_at};
use zeroize::Zeroizing;

use crate::GatewayError;

/// How long an exchange may take at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer of an exchange, in bytes.
const MOST: usize = 64 << 10;
/// A refusal that has to be read to be known is not longer than this.
const SHORT: u64 = 1024;

/// A way to exchange a credential for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// etcd with authentication on: `/v3/auth/authenticate` at the endpoint itself. Whatever changes its users makes it
    /// refuse all tokens it has given, so those are exchanged anew as often as that happens.
    Etcd,
}

impl Login {
    /// The login of a name.
    pub fn parse(name: &str) -> Option<Self> {
        (name == "etcd").then_some(Self::Etcd)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
        }
    }
}

/// A token.
pub struct Token {
    text: Secret,
    /// The version of the credential that it was exchanged for.
    version: u64,
}

impl Token {
    /// What goes in the request.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.expose_str()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token for version {}", self.version)
    }
}

/// Tokens that are remembered: those that are used no more may still come back in an answer.
const REMEMBERED: usize = 8;
/// After an exchange that failed the next is tried only after this long: whoever waited for it is told the same.
const PAUSE: Duration = Duration::from_secs(1);

/// The token that is used now.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    now: ArcSwapOption<Token>,
    /// Held by whoever asks for a new one.
    asking: Mutex<Asking>,
}

#[derive(Debug, Default)]
struct Asking {
    remembered: VecDeque<Arc<Token>>,
    /// The last exchange that failed, and for which version.
    failed: Option<(Instant, u64, GatewayError)>,
}

#[derive(Serialize)]
struct Authenticate<'a> {
    name: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct Authenticated {
    token: Zeroizing<String>,
}

impl Tokens {
    /// The token of a credential's version, but not the one that was `refused`. `made` is told of a new one before it is used.
    pub(crate) async fn get(
        &self,
        exchange: &Exchange<'_>,
        refused: Option<&Arc<Token>>,
        made: impl FnOnce(&Arc<Token>),
    ) -> Result<Arc<Token>, GatewayError> {
        let usable = || {
            let now = self.now.load_full()?;
            let refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, &now));
            (now.version == exchange.lease.version && !refused).then_some(now)
        };
        if let Some(now) = usable() {
            return Ok(now);
        }
        let asking = timeout_at(exchange.until.into(), self.asking.lock()).await;
        let mut asking = asking.map_err(|_| exchange.unreachable("no time is left to log in"))?;
        // Somebody else has asked meanwhile.
        if let Some(now) = usable() {
            return Ok(now);
        }
        let version = exchange.lease.version;
        if let Some((at, of, error)) = &asking.failed
            && *of == version
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let token = match exchange.ask().await {
            Ok(token) => Arc::new(token),
            Err(error) => {
                asking.failed = Some((Instant::now(), version, error.clone()));
                return Err(error);
            }
        };
        asking.failed = None;
        asking.remembered.truncate(REMEMBERED - 1);
        asking.remembered.push_front(token.clone());
        made(&token);
        self.now.store(Some(token.clone()));
        Ok(token)
    }
}

/// One exchange.
pub(crate) struct Exchange<'a> {
    pub(crate) login: Login,
    pub(crate) endpoint: &'a str,
    pub(crate) lease: &'a Lease,
    pub(crate) sender: &'a Sender,
    pub(crate) until: Instant,
}

impl Exchange<'_> {
    fn fail(&self, reason: &str) -> GatewayError {
        let reason = format!("credential `{}`: logging in to {}: {reason}", self.lease.name, self.login.as_str());
        GatewayError::Credential { endpoint: self.endpoint.to_owned(), reason }
    }

    /// The system did not answer. The request itself was not sent, so it may be somewhere else or again.
    fn unreachable(&self, reason: &str) -> GatewayError {
        let (place, reason) = (self.sender.address().to_string(), format!("logging in: {reason}"));
        GatewayError::Connect { endpoint: self.endpoint.to_owned(), reason: ConnectError::Closed { place, reason } }
    }

    async fn ask(&self) -> Result<Token, GatewayError> {
        let Login::Etcd = self.login;
        let field =
            |name: &str| self.lease.material.text(name).ok_or_else(|| self.fail("it lacks a field; set it again"));
        let body = Authenticate { name: field("username")?, password: field("password")? };
        let body = serde_json::to_vec(&body).map_err(|_| self.fail("its fields have no form in JSON"))?;
        let path = format!("{}/v3/auth/authenticate", self.sender.address().base_path());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = OutgoingRequest {
            method: Method::POST,
            target: path.parse().map_err(|_| self.fail("the address has no path that it could go to"))?,
            headers,
            body: Bytes::from(body),
        };
        let until = self.until.min(Instant::now() + PATIENCE);
        let lost = |error: SendError| match error {
            SendError::Connect(reason) => GatewayError::Connect { endpoint: self.endpoint.to_owned(), reason },
            error => self.unreachable(&error.to_string()),
        };
        let (head, mut body) = self.sender.send(request, until).await.map_err(lost)?.into_parts();
        let mut text = Zeroizing::new(Vec::new());
        let read = async {
            while let Some(piece) = body.next().await.map_err(lost)? {
                if text.len() + piece.len() > MOST {
                    return Err(self.fail("its answer is too long"));
                }
                text.extend_from_slice(&piece);
            }
            Ok(())
        };
        timeout_at(until.into(), read).await.map_err(|_| self.unreachable("its answer took too long"))??;
        match head.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.fail("the user name or the password is wrong, or authentication is not enabled there"));
            }
            status => return Err(self.unreachable(&format!("it answers {status}"))),
        }
        let answer: Authenticated =
            serde_json::from_slice(&text).map_err(|_| self.fail("its answer holds no token"))?;
        HeaderValue::from_str(&answer.token).map_err(|_| self.fail("its token is none that a header can carry"))?;
        Ok(Token { text: Secret::from(answer.token.as_bytes()), version: self.lease.version })
    }
}

/// Whether a response says that the token is not taken (any more): the request was not carried out. What had to be read to
/// know is in `ahead`.
pub(crate) async fn refuses(
    login: Login,
    head: &response::Parts,
    body: &mut Body,
    ahead: &mut Option<Bytes>,
    until: Instant,
) -> Result<bool, SendError> {
    let Login::Etcd = login;
    if head.status == StatusCode::UNAUTHORIZED {
        return Ok(true);
    }
    if head.status != StatusCode::BAD_REQUEST || body.announced_len().is_some_and(|len| len > SHORT) {
        return Ok(false);
    }
    let mut text = BytesMut::new();
    let read = async {
        // etcd's errors come in chunks, without a length.
        while text.len() as u64 <= SHORT
            && let Some(piece) = body.next().await?
        {
            text.extend_from_slice(&piece);
        }
        Ok(())
    };
    timeout_at(until.into(), read).await.unwrap_or(Err(SendError::Timeout { sent: true }))?;
    let says = |what: &[u8]| memchr::memmem::find(&text, what).is_some();
    let refuses = says(b"revision of auth store is old") || says(b"invalid auth token");
    *ahead = Some(text.freeze());
    Ok(refuses)
}
