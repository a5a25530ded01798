//! One server, asked: for secrets, to renew leases and to take them back. Every answer is bounded in time and length, and an
//! error holds the server's words, never what it was asked with.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jackfield_net::{Address, Dialer, OutgoingRequest, Sender, SenderOptions};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    answer::{Answer, Auth, Refused},
    login::{Logins, Token},
    path::BaoPath,
    spec::BaoServer,
};
use crate::{
    VaultError,
    source::{Drawn, Granted, Origin, Refusal, Renewed},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const MOST: usize = 1 << 20;
const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// A server that can be asked.
pub(crate) struct Client {
    pub(super) server: BaoServer,
    sender: Sender,
    logins: Logins,
}

/// Why it does not do what it was asked.
#[derive(Debug)]
pub(super) struct Denied {
    status: Option<StatusCode>,
    reason: String,
}

impl Denied {
    pub(super) fn here(reason: impl Into<String>) -> Self {
        Self { status: None, reason: reason.into() }
    }

    fn away(self, server: &str) -> Refusal {
        Refusal::Away(format!("the OpenBao `{server}`: {}", self.reason))
    }
}

impl Client {
    /// A client of a server.
    pub(crate) fn new(server: BaoServer, dialer: &Dialer) -> Result<Self, VaultError> {
        let fail = |reason: String| VaultError::Source { place: format!("the OpenBao `{}`", server.name), reason };
        let address = Address::parse(&server.address).map_err(|error| fail(error.to_string()))?;
        let ca_pem = match &server.ca_file {
            Some(file) => Some(
                std::fs::read_to_string(file).map_err(|error| fail(format!("the file {}: {error}", file.display())))?,
            ),
            None => None,
        };
        let sender = dialer.sender(address, &SenderOptions::of_the_operator(ca_pem));
        let sender = sender.map_err(|error| fail(error.to_string()))?;
        Ok(Self { server, sender, logins: Logins::new() })
    }

    /// What sources call it.
    pub(crate) fn name(&self) -> &str {
        &self.server.name
    }

    /// Whether a lease was granted to the login that is used now. With another it ends.
    pub(crate) fn is_of_this_login(&self, lease: &Granted) -> bool {
        self.logins.current() == lease.login
    }

    /// Whether credentials may come from there.
    pub(crate) fn allows(&self, path: &BaoPath) -> Result<(), String> {
        self.server.allows(path)
    }

    /// Asks for a secret. What was granted is in the answer even where the rest of it is of no use.
    pub(crate) async fn draw(
        &self,
        path: &BaoPath,
        fields: &[String],
    ) -> Result<(Result<Drawn, Refusal>, Option<Granted>), Refusal> {
        self.allows(path).map_err(Refusal::Away)?;
        let made = !path.params.is_empty();
        let (method, body) = match made {
            true => {
                (Method::POST, Some(Value::Object(path.params.iter().map(|(n, v)| (n.clone(), json!(v))).collect())))
            }
            false => (Method::GET, None),
        };
        let origin = Origin::Bao(path.clone());
        let until = Instant::now() + PATIENCE;
        let asked = self.ask(method, &path.path, body.as_ref(), until).await;
        let (answer, token) = asked.map_err(|denied| match denied.status {
            Some(StatusCode::NOT_FOUND) => Refusal::Gone(format!("there is nothing at {origin}")),
            _ => denied.away(&self.server.name),
        })?;
        let drawn = answer.drawn(&origin, fields, made, self.server.every, token.login);
        let granted = answer.granted(token.login);
        let drawn = drawn.map_err(Refusal::Away).map(|mut drawn| {
            // With the login ends what was granted to it.
            if drawn.lease.is_some() {
                drawn.life = drawn.life.map(|life| within(life, &token));
            }
            drawn
        });
        Ok((drawn, granted))
    }

    /// Renews a lease.
    pub(crate) async fn renew(&self, lease: &Granted) -> Result<Renewed, Refusal> {
        let until = Instant::now() + PATIENCE;
        let asked = self.ask(Method::POST, "sys/leases/renew", Some(&json!({"lease_id": lease.id})), until).await;
        let (answer, token) = asked.map_err(|denied| match denied.status {
            Some(status) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                Refusal::Gone(format!("the OpenBao `{}`: {}", self.server.name, denied.reason))
            }
            _ => denied.away(&self.server.name),
        })?;
        let renewable = answer.granted(token.login).is_some_and(|granted| granted.renewable);
        let again = renewable && answer.life() >= lease.life / 2;
        Ok(Renewed { life: within(answer.life(), &token), again })
    }

    /// Gives a lease back. One that is no more is given back.
    pub(crate) async fn revoke(&self, lease: &str) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        // At once, so that what it says is what came of it.
        let body = json!({"lease_id": lease, "sync": true});
        let asked = self.ask(Method::POST, "sys/leases/revoke", Some(&body), until).await;
        asked.map(|_| ()).map_err(|denied| denied.reason)
    }

    /// Asks with the host's token; once more with another where that is refused.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        until: Instant,
    ) -> Result<(Answer, Token), Denied> {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let token = self.logins.token(self, until).await?;
        match self.send(method.clone(), path, Some(&token.header), &bytes, until).await {
            Err(denied) if denied.status == Some(StatusCode::FORBIDDEN) && self.logins.refused(self, &token).await => {
                let token = self.logins.token(self, until).await?;
                Ok((self.send(method, path, Some(&token.header), &bytes, until).await?, token))
            }
            answered => Ok((answered?, token)),
        }
    }

    /// Writes with a certain token.
    pub(super) async fn post_with(
        &self,
        token: &HeaderValue,
        path: &str,
        body: &[u8],
        until: Instant,
    ) -> Result<Answer, Denied> {
        self.send(Method::POST, path, Some(token), body, until).await
    }

    /// Logs in.
    pub(super) async fn login(&self, mount: &str, body: &Zeroizing<Vec<u8>>, until: Instant) -> Result<Auth, Denied> {
        let path = format!("auth/{mount}/login");
        let answer = self.send(Method::POST, &path, None, body, until).await;
        let answer =
            answer.map_err(|denied| Denied { reason: format!("at the login, {}", denied.reason), ..denied })?;
        answer.auth.ok_or_else(|| Denied::here("the login gives no token"))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&HeaderValue>,
        body: &[u8],
        until: Instant,
    ) -> Result<Answer, Denied> {
        let target = format!("{}/v1/{path}", self.sender.address().base_path());
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(TOKEN, token.clone());
        }
        if let Some(namespace) = &self.server.namespace {
            let namespace = HeaderValue::from_str(namespace).map_err(|_| Denied::here("its namespace is none"))?;
            headers.insert(NAMESPACE, namespace);
        }
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = OutgoingRequest {
            method,
            target: target.parse().map_err(|_| Denied::here("its path is not one"))?,
            headers,
            body: Bytes::from_owner(Zeroizing::new(body.to_vec())),
        };
        let sent = self.sender.send(request, until).await;
        let (head, mut body) = sent.map_err(|error| Denied::here(error.to_string()))?.into_parts();
        let read = body.all(MOST, until).await.map_err(|error| Denied::here(error.to_string()))?;
        let text = read.ok_or_else(|| Denied::here("its answer is too long"))?;
        if !head.status.is_success() {
            let reason = format!("it answers {}: {}", head.status, Refused::words(&text));
            return Err(Denied { status: Some(head.status), reason });
        }
        let text: &[u8] = if text.is_empty() { b"{}" } else { &text };
        // What is wrong with it is not told: it may hold a secret.
        serde_json::from_slice(text).map_err(|_| Denied::here("its answer is not what an OpenBao answers"))
    }
}

/// What is left of a life that ends with the token.
fn within(life: Duration, token: &Token) -> Duration {
    token.ends.map_or(life, |ends| life.min(ends.saturating_duration_since(Instant::now())))
}
