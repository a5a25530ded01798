//! Tokens: what a credential is exchanged for where a system wants something else with each request than what the operator
//! has. The host asks for one, once for all who wait, keeps it for its own use until shortly before it ends, and asks anew
//! when the system takes it no longer or the credential has a new version. It is as secret as what it was exchanged for.

mod ask;
mod azure;
mod etcd;
mod gcp;
mod github;
mod hashicorp;
mod jwt;
pub(crate) mod oauth;
pub(crate) mod post;
mod sts;
mod user;

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header, response};
use jackfield_net::{Body, SendError, Sender};
use jackfield_vault::{CredentialKind, Material, Stamp};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout_at,
};

use ask::Given;
pub(crate) use ask::{Exchange, Way};
pub(crate) use gcp::private_key as gcp_private_key;
use user::Unsaved;
pub(crate) use user::User;
pub use user::UserTokens;

use crate::GatewayError;

/// Tokens that are remembered: those that are used no more may still come back in an answer.
const REMEMBERED: usize = 8;
/// After an exchange that failed the next is tried only after this long: whoever waited for it is told the same.
const PAUSE: Duration = Duration::from_secs(1);
/// How long before its end a token is exchanged anew, or a fifth of its life where that is less. Until it has ended it is
/// used all the same, by who would have to wait, and where there is no other.
const AHEAD: Duration = Duration::from_secs(300);
/// How long before its end it is used no more, or a twentieth of its life: requests are on their way for a while.
const SPARE: Duration = Duration::from_secs(10);
/// A token that is refused when it is no older than this is not the reason.
const FRESH: Duration = Duration::from_secs(10);

/// How an endpoint's own way to log in is named in bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// etcd with authentication on: `/v3/auth/authenticate` at the endpoint itself. Whatever changes its users makes it
    /// refuse all tokens it has given, so those are exchanged anew as often as that happens.
    Etcd,
    /// Consul with ACLs on: `/v1/acl/login` at the endpoint itself, with a token of somebody whom the auth method trusts.
    Consul {
        /// The auth method's name.
        auth_method: String,
    },
    /// Nomad with ACLs on, likewise.
    Nomad {
        /// The auth method's name.
        auth_method: String,
    },
}

impl Login {
    /// The login of a name, with the auth method that two of them have; or what is wrong with that.
    pub fn parse(name: &str, auth_method: Option<&str>) -> Result<Self, String> {
        let auth_method = auth_method.filter(|method| !method.is_empty()).map(str::to_owned);
        match (name, auth_method) {
            ("etcd", None) => Ok(Self::Etcd),
            ("etcd", Some(_)) => Err("etcd has no auth methods; leave `auth-method` out".into()),
            ("consul", Some(auth_method)) => Ok(Self::Consul { auth_method }),
            ("nomad", Some(auth_method)) => Ok(Self::Nomad { auth_method }),
            ("consul" | "nomad", None) => Err(format!("the login of {name} is by an auth method; name `auth-method`")),
            (name, _) => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(format!("there is no login of the name `{shown}`; there are `etcd`, `consul` and `nomad`"))
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Consul { .. } => "consul",
            Self::Nomad { .. } => "nomad",
        }
    }

    /// The type of the credentials that are exchanged by it.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Etcd => CredentialKind::Basic,
            Self::Consul { .. } | Self::Nomad { .. } => CredentialKind::Bearer,
        }
    }

    /// The header that its tokens go in.
    pub(crate) fn header(&self) -> HeaderName {
        match self {
            Self::Etcd => header::AUTHORIZATION,
            Self::Consul { .. } => HeaderName::from_static("x-consul-token"),
            Self::Nomad { .. } => HeaderName::from_static("x-nomad-token"),
        }
    }
}

/// A token, or what else a credential is exchanged for.
pub struct Token {
    /// `token`; of AWS the parts of an access key.
    fields: Material,
    /// The stamp of the lease that it was exchanged for.
    stamp: Stamp,
    made: Instant,
    /// How long it lives, where that was said.
    lifetime: Option<Duration>,
}

impl Token {
    fn new(given: Given, stamp: Stamp) -> Self {
        Self { fields: given.fields, stamp, made: Instant::now(), lifetime: given.lifetime }
    }

    /// Itself, if a header can carry it.
    fn checked(self: Arc<Self>) -> Result<Arc<Self>, &'static str> {
        match self.text().is_some_and(|text| HeaderValue::from_str(text).is_err()) {
            true => Err("it is none that a header can carry"),
            false => Ok(self),
        }
    }

    /// A part of it.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.text(name)
    }

    /// What goes in a request's header.
    pub(crate) fn text(&self) -> Option<&str> {
        self.field("token")
    }

    /// What of it is secret.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        ["token", "secret-access-key", "session-token"].into_iter().filter_map(|name| self.field(name))
    }

    /// Whether requests may still be sent with it.
    fn is_alive(&self) -> bool {
        self.lifetime.is_none_or(|lifetime| self.made.elapsed() < lifetime.saturating_sub(SPARE.min(lifetime / 20)))
    }

    /// Whether it is time for another.
    fn is_due(&self) -> bool {
        self.lifetime.is_some_and(|lifetime| self.made.elapsed() >= lifetime.saturating_sub(AHEAD.min(lifetime / 5)))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token for version {}", self.stamp.version)
    }
}

/// The token that is used now.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    now: ArcSwapOption<Token>,
    /// Held by whoever asks for a new one.
    asking: Arc<Mutex<Asking>>,
}

#[derive(Debug, Default)]
struct Asking {
    remembered: VecDeque<Arc<Token>>,
    /// The last exchange that failed, and for which lease.
    failed: Option<(Instant, Stamp, GatewayError)>,
    giver: Option<Giver>,
    /// Of a person's consent.
    unsaved: Option<Unsaved>,
}

impl Asking {
    /// A new token takes the place of what failed.
    fn remember(&mut self, token: &Arc<Token>) {
        self.failed = None;
        self.remembered.truncate(REMEMBERED - 1);
        self.remembered.push_front(token.clone());
    }
}

/// Where tokens for a lease are given, if that is another place than the endpoint; by its stamp.
type Giver = (Stamp, Sender);

impl Tokens {
    /// The token of a credential's version, but not the one that was `refused`. `made` is told of a new one before it is used.
    pub(crate) async fn get(
        &self,
        exchange: &Exchange<'_>,
        refused: Option<&Arc<Token>>,
        made: impl FnOnce(&Arc<Token>),
    ) -> Result<Arc<Token>, GatewayError> {
        let stamp = exchange.lease.stamp();
        let usable = || {
            let now = self.now.load_full()?;
            let refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, &now));
            (now.stamp == stamp && !refused && now.is_alive()).then_some(now)
        };
        let waiting = match usable() {
            Some(now) if !now.is_due() => return Ok(now),
            // Whoever comes first asks for the next; the others go on with this one.
            Some(now) => match self.asking.try_lock() {
                Ok(asking) => Ok(asking),
                Err(_) => return Ok(now),
            },
            None => timeout_at(exchange.until.into(), self.asking.lock()).await,
        };
        let mut asking = waiting.map_err(|_| exchange.unreachable("no time is left to log in"))?;
        // Somebody else may have asked meanwhile.
        let now = usable();
        if let Some(now) = now.as_ref().filter(|now| !now.is_due()) {
            return Ok(now.clone());
        }
        match (self.ask(exchange, &mut asking, made).await, now) {
            (Err(error), Some(now)) => {
                tracing::warn!(endpoint = exchange.endpoint, %error, "no new token; the one there is is used until its end");
                Ok(now)
            }
            (asked, _) => asked,
        }
    }

    async fn ask(
        &self,
        exchange: &Exchange<'_>,
        asking: &mut MutexGuard<'_, Asking>,
        made: impl FnOnce(&Arc<Token>),
    ) -> Result<Arc<Token>, GatewayError> {
        let stamp = exchange.lease.stamp();
        if let Some((at, of, error)) = &asking.failed
            && *of == stamp
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let token = match exchange.ask(&mut asking.giver).await {
            Ok(token) => token,
            Err(error) => {
                asking.failed = Some((Instant::now(), stamp, error.clone()));
                return Err(error);
            }
        };
        asking.remember(&token);
        made(&token);
        self.now.store(Some(token.clone()));
        Ok(token)
    }
}

/// Whether a response says that the token is not taken (any more): the request was not carried out. What had to be read to
/// know is in `ahead`.
pub(crate) async fn refuses(
    login: Option<&Login>,
    token: &Token,
    head: &response::Parts,
    body: &mut Body,
    ahead: &mut Option<Bytes>,
    until: Instant,
) -> Result<bool, SendError> {
    match login {
        Some(Login::Etcd) => etcd::refuses(head, body, ahead, until).await,
        Some(Login::Consul { .. } | Login::Nomad { .. }) => {
            Ok(token.made.elapsed() > FRESH && hashicorp::refuses(head, body, ahead, until).await?)
        }
        // RFC 6750, 3.1. One that was made a moment ago is taken as far as it goes: this is about what it may do.
        None => Ok(head.status == StatusCode::UNAUTHORIZED && token.made.elapsed() > FRESH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_exchanged_anew_before_its_end_and_used_until_shortly_before_it() {
        let token = |lifetime: u64, age: u64| Token {
            fields: Material::new([("token", "x")]),
            stamp: Stamp { version: 1, generation: 0 },
            made: Instant::now().checked_sub(Duration::from_secs(age)).unwrap(),
            lifetime: (lifetime > 0).then(|| Duration::from_secs(lifetime)),
        };
        for (lifetime, age, due, alive) in [
            (3600, 3000, false, true),
            (3600, 3400, true, true),
            (3600, 3595, true, false),
            (10, 7, false, true),
            (10, 9, true, true),
            (10, 10, true, false),
            (0, 100_000, false, true),
        ] {
            let token = token(lifetime, age);
            assert_eq!((token.is_due(), token.is_alive()), (due, alive), "{lifetime} {age}");
        }
    }
}
