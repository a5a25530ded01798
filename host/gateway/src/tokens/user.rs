//! Tokens of a client that a person has consented to (RFC 6749, 6): one refresh token, exchanged for one access token at a
//! time, whoever uses the credential in this process.
//!
//! A server may answer with another refresh token and refuse the old one from then on; one that sees an old one again takes
//! it for stolen and ends the consent (RFC 9700, 4.14). So what must never happen is that two ask with the same one, or that
//! the new one is lost. Against the first: all endpoints of all integrations that use a version share what is here, and who
//! asks reads the vault after it was his turn. Against the second:
//! - Asking is a task of its own that nobody's deadline, cancelled call or ended integration cuts off.
//! - The new refresh token is in the vault, durable, before the access token that came with it is used.
//! - Where the vault cannot store it, both are kept here, nothing is asked of the server, and storing is tried again each
//!   time that a token is wanted.
//! - [`UserTokens::settled`] has a host that ends wait for what is under way.
//!
//! What is left is a process that is killed between the server's answer and the commit, or an answer that is lost on the way.
//! The protocol has no second phase, so the old one is tried again: servers with a grace period give another, the others say
//! `invalid_grant`. That, and only that, ends the use of the version: it is remembered in the vault that a person has to
//! consent, requests fail at once, and nobody asks the server again until somebody has.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jackfield_net::{ConnectError, Dialer};
use jackfield_vault::{Lease, Vault, VaultError};
use tokio::{sync::OwnedMutexGuard, time::timeout_at};
use zeroize::Zeroizing;

use super::{
    Asking, PAUSE, Token, Tokens,
    ask::Refused,
    oauth,
    post::{self, Lost, PATIENCE},
};
use crate::{GatewayError, Known};

/// How long a host that ends waits for an exchange: its own patience, and a commit.
const SETTLING: Duration = Duration::from_secs(PATIENCE.as_secs() + 2);

/// Told of a credential, by name and version, when its server begins to refuse it.
type Told = dyn Fn(&str, u64) + Send + Sync;

/// By the credential's id, which no other credential of that name has, and the version.
type All = HashMap<(Arc<str>, u64), Arc<Tokens>>;

/// The tokens of every credential that a person consented to. Whoever shares one looks for the same secrets in answers.
#[derive(Default)]
pub struct UserTokens {
    all: Mutex<All>,
    told: Option<Box<Told>>,
}

impl UserTokens {
    /// With somebody who is told when a person has to consent again.
    pub fn telling(told: impl Fn(&str, u64) + Send + Sync + 'static) -> Self {
        Self { all: Mutex::default(), told: Some(Box::new(told)) }
    }

    /// Waits until no exchange is under way.
    pub async fn settled(&self) {
        let all: Vec<_> = self.lock().values().cloned().collect();
        let settled = async {
            for tokens in all {
                drop(tokens.asking.lock().await);
            }
        };
        if tokio::time::timeout(SETTLING, settled).await.is_err() {
            tracing::warn!("a refresh token is still being exchanged while the host ends");
        }
    }

    fn of(&self, lease: &Lease) -> Arc<Tokens> {
        let place = (lease.id.clone(), lease.version);
        let mut all = self.lock();
        if let Some(tokens) = all.get(&place) {
            return tokens.clone();
        }
        // Versions that came before the last are used no more, but by who is in the middle of it.
        all.retain(|(id, version), tokens| {
            *id != lease.id || version + 1 >= lease.version || Arc::strong_count(tokens) > 1
        });
        all.entry(place).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UserTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserTokens").finish_non_exhaustive()
    }
}

/// What an answer brought that is not in the vault yet.
pub(super) struct Unsaved {
    /// The lease whose refresh token was exchanged.
    lease: Lease,
    refresh_token: Zeroizing<String>,
    token: Arc<Token>,
}

impl fmt::Debug for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsaved of version {}", self.lease.version)
    }
}

/// Who wants a token.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) vault: Arc<Vault>,
    pub(crate) users: Arc<UserTokens>,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) known: Option<Arc<Known>>,
    pub(crate) endpoint: String,
    pub(crate) lease: Lease,
}

impl User {
    /// The token of the version, but not the one that was `refused`.
    pub(crate) async fn token(self, refused: Option<&Arc<Token>>, until: Instant) -> Result<Arc<Token>, GatewayError> {
        let tokens = self.users.of(&self.lease);
        let usable = || {
            let now = tokens.now.load_full()?;
            let refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, &now));
            (!refused && now.is_alive()).then_some(now)
        };
        if let Some(now) = usable() {
            if now.is_due()
                && !self.lease.needs_reauthorization
                && let Ok(asking) = tokens.asking.clone().try_lock_owned()
            {
                // Nobody waits for it while there is one.
                tokio::spawn(self.next(tokens.clone(), asking));
            }
            return Ok(now);
        }
        if self.lease.needs_reauthorization {
            return Err(self.needs_reauthorization());
        }
        let late = || self.unreachable("no time is left to wait for it");
        let asking = timeout_at(until.into(), tokens.asking.clone().lock_owned()).await.map_err(|_| late())?;
        // Somebody else may have asked meanwhile.
        if let Some(now) = usable() {
            return Ok(now);
        }
        let asked = tokio::spawn(self.clone().next(tokens.clone(), asking));
        match timeout_at(until.into(), asked).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => Err(self.fail(&error.to_string())),
            Err(_) => Err(late()),
        }
    }

    /// Asks for the next token, to the end even if nobody waits for it.
    async fn next(self, tokens: Arc<Tokens>, mut asking: OwnedMutexGuard<Asking>) -> Result<Arc<Token>, GatewayError> {
        let stamp = self.lease.stamp();
        if let Some((at, of, error)) = &asking.failed
            && *of == stamp
            && at.elapsed() < PAUSE
        {
            return Err(error.clone().at(&self.endpoint));
        }
        match self.ask(&mut asking).await {
            Ok(token) => {
                asking.remember(&token);
                if let Some(known) = &self.known {
                    known.learn(&token);
                }
                tokens.now.store(Some(token.clone()));
                Ok(token)
            }
            Err(error) => {
                tracing::warn!(endpoint = self.endpoint, %error, "no new token");
                asking.failed = Some((Instant::now(), stamp, error.clone()));
                Err(error)
            }
        }
    }

    async fn ask(&self, asking: &mut Asking) -> Result<Arc<Token>, GatewayError> {
        // Without this the server would be asked with what it has exchanged already.
        if let Some(token) = self.save(asking).await?.filter(|token| token.is_alive()) {
            return Ok(token);
        }
        let lease = self.vault.look_again(&self.lease).map_err(|error| self.fail(&error.to_string()))?;
        if lease.needs_reauthorization {
            return Err(self.needs_reauthorization());
        }
        let ask = oauth::refresh(&lease).map_err(|reason| self.fail(&reason))?;
        let url = ask.url.clone().unwrap_or_default();
        let sender =
            post::sender(&self.dialer, &url, lease.material.text("ca")).map_err(|reason| self.fail(&reason))?;
        let (status, text) = post::post(&sender, ask, Instant::now() + PATIENCE).await.map_err(|lost| match lost {
            Lost::Connect(reason) => GatewayError::Connect { endpoint: self.endpoint.clone(), reason },
            Lost::Unanswered(reason) => self.unreachable(&reason),
            Lost::Unfit(reason) => self.fail(reason),
        })?;
        let (given, refresh_token) = match oauth::read_user(status, &text) {
            Ok(given) => given,
            Err(Refused::Grant(reason)) => return Err(self.refused(&lease, &reason).await),
            Err(Refused::Credential(reason)) => return Err(self.fail(&reason)),
            Err(Refused::Trouble(reason)) => return Err(self.unreachable(&reason)),
        };
        let token = Arc::new(Token::new(given, lease.stamp()));
        let Some(refresh_token) = refresh_token.filter(|new| lease.material.text("refresh-token") != Some(new)) else {
            return token.checked().map_err(|reason| self.fail(reason));
        };
        asking.unsaved = Some(Unsaved { lease, refresh_token, token });
        let token = self.save(asking).await?;
        token
            .ok_or_else(|| self.fail("the credential was changed meanwhile; try again"))?
            .checked()
            .map_err(|reason| self.fail(reason))
    }

    /// Stores what is not yet; the token that came with it.
    async fn save(&self, asking: &mut Asking) -> Result<Option<Arc<Token>>, GatewayError> {
        let Some(unsaved) = &asking.unsaved else { return Ok(None) };
        match self.vault.renew(&unsaved.lease, &unsaved.refresh_token).await {
            Ok(()) => Ok(asking.unsaved.take().map(|unsaved| unsaved.token)),
            // An operator was faster: what is there now is what he wants.
            Err(VaultError::Version { .. } | VaultError::Unknown { .. }) => {
                asking.unsaved = None;
                Ok(None)
            }
            Err(error) => Err(self.fail(&format!("the new refresh token could not be stored: {error}"))),
        }
    }

    /// The server ended the consent.
    async fn refused(&self, lease: &Lease, reason: &str) -> GatewayError {
        match self.vault.refuse(lease).await {
            Ok(true) => {
                tracing::warn!(credential = &*lease.name, version = lease.version, reason, "a consent has ended");
                if let Some(told) = &self.users.told {
                    told(&lease.name, lease.version);
                }
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(credential = &*lease.name, %error, "it is not remembered that a consent ended")
            }
        }
        self.needs_reauthorization()
    }

    fn needs_reauthorization(&self) -> GatewayError {
        GatewayError::NeedsReauthorization { endpoint: self.endpoint.clone(), credential: self.lease.name.to_string() }
    }

    fn fail(&self, reason: &str) -> GatewayError {
        let reason = format!("credential `{}`: no token for it: {reason}", self.lease.name);
        GatewayError::Credential { endpoint: self.endpoint.clone(), reason }
    }

    fn unreachable(&self, reason: &str) -> GatewayError {
        let place = self.lease.material.text("token-url").unwrap_or_default().to_owned();
        let reason = format!("credential `{}`: no token for it: {reason}", self.lease.name);
        GatewayError::Connect { endpoint: self.endpoint.clone(), reason: ConnectError::Closed { place, reason } }
    }
}
