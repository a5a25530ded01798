//! The client: what it is made of, and how a request finds its way. A request starts at a registry that the operator
//! named, with what that registry was told last time; it may be challenged there once, and be led elsewhere a few times.
//! Credentials go with it to the registry and nowhere else: once it has left, it travels without them, even if it is led
//! back.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{StatusCode, header};
use jackfield_net::{Address, Dialer, Sender, SenderOptions, check_roots};
use url::Url;

use crate::{
    Credentials, OciError, Repository,
    challenge::challenges,
    home::{Home, Scope},
    mirror::{Mirror, Mirrors},
    proxy::Proxy,
    reach::{self, NotFollowed},
    reference::canonical_registry,
    token::Tokens,
    transport::{Answer, Ask, Patience, exchange},
};

/// How often a request may be led on.
const MAX_REDIRECTS: usize = 5;
/// The most registries whose connections are kept.
const MAX_HOMES: usize = 64;

/// How long a registry may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a whole small answer, or the beginning of a large one: repetitions, redirects and logins included.
    pub answer: Duration,
    /// For a whole blob, in either direction.
    pub transfer: Duration,
    /// For the next piece of an answer.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { answer: Duration::from_secs(30), transfer: Duration::from_secs(600), stall: Duration::from_secs(30) }
    }
}

/// What a client is made of.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// PEM certificates to trust instead of the system's roots, by every registry and wherever one leads to.
    pub ca_pem: Option<String>,
    /// What is asked for elsewhere than where it is named. What is pushed goes where it is named.
    pub mirrors: Vec<Mirror>,
    /// Who this side is.
    pub credentials: Credentials,
    /// How long a registry may take.
    pub timeouts: Timeouts,
    /// Registries (`registry.example:5000`) that are spoken to without TLS. Those on this machine's loopback always are.
    pub plain_http: Vec<String>,
    /// The way to registries with TLS, where there is only one. The proxy then resolves their names, and has its own say
    /// in what may be reached.
    pub proxy: Option<Proxy>,
}

/// A client of OCI registries. It is cheap to use for many of them, and keeps connections and tokens.
pub struct Client {
    dialer: Arc<Dialer>,
    ca_pem: Option<String>,
    mirrors: Mirrors,
    plain_http: Vec<String>,
    proxy: Option<Proxy>,
    timeouts: Timeouts,
    homes: Mutex<HashMap<String, Home>>,
    pub(crate) credentials: Credentials,
    pub(crate) tokens: Tokens,
}

impl Client {
    /// A client. Nothing is asked yet.
    pub fn new(dialer: Arc<Dialer>, options: Options) -> Result<Self, OciError> {
        let fail = |option, reason: String| OciError::Options { option, reason };
        let Options { ca_pem, mirrors, credentials, timeouts, plain_http, proxy } = options;
        if let Some(pem) = &ca_pem {
            check_roots(pem).map_err(|error| fail("ca-pem", error.to_string()))?;
        }
        let canonical = |host: &String| canonical_registry(host).map_err(|error| fail("plain-http", error.to_string()));
        let plain_http = plain_http.iter().map(canonical).collect::<Result<_, _>>()?;
        let mirrors = Mirrors::new(mirrors)?;
        let (homes, tokens) = (Mutex::default(), Tokens::default());
        Ok(Self { dialer, ca_pem, mirrors, plain_http, proxy, timeouts, homes, credentials, tokens })
    }

    /// Where a repository is read: at its mirror, if it has one.
    pub(crate) fn source(&self, repository: &Repository) -> Result<Repository, OciError> {
        self.mirrors.of(repository)
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience::of(self.timeouts.answer, self.timeouts.stall)
    }

    pub(crate) fn transfer(&self) -> Patience {
        Patience::of(self.timeouts.transfer, self.timeouts.stall)
    }

    /// The registry of a repository.
    pub(crate) fn home(&self, repository: &Repository) -> Result<Home, OciError> {
        let registry = repository.registry();
        if let Some(home) = self.homes().get(registry) {
            return Ok(home.clone());
        }
        let unfit = |reason: String| OciError::malformed(registry, reason);
        let address = repository.address(true).map_err(|error| unfit(error.to_string()))?;
        let plain = address.is_loopback() || self.plain_http.iter().any(|listed| listed == registry);
        let address = repository.address(plain).map_err(|error| unfit(error.to_string()))?;
        let url = Url::parse(&address.to_string()).map_err(|error| unfit(error.to_string()))?;
        let proxy = self.proxy_to(&address);
        let options = SenderOptions { proxy, ..SenderOptions::of_the_operator(self.ca_pem.clone()) };
        let sender = self.dialer.sender(address.clone(), &options);
        let sender = sender.map_err(|error| OciError::connect(registry, error))?;
        let home = Home { registry: registry.to_owned(), address, url, sender, plain };
        let mut homes = self.homes();
        if homes.len() >= MAX_HOMES {
            homes.clear();
        }
        homes.insert(registry.to_owned(), home.clone());
        drop(homes);
        Ok(home)
    }

    fn proxy_to(&self, address: &Address) -> Option<jackfield_net::Proxy> {
        self.proxy.as_ref().and_then(|proxy| proxy.to(address)).cloned()
    }

    fn homes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Home>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sender to a place that a registry named.
    pub(crate) async fn sender_to(&self, home: &Home, url: &Url, place: &str) -> Result<Sender, OciError> {
        if url.origin() == home.url.origin() {
            return Ok(home.sender.clone());
        }
        let not_followed =
            |not: NotFollowed| OciError::Redirect { place: place.to_owned(), to: not.to, reason: not.reason };
        let address = reach::address(url).map_err(not_followed)?;
        // Where a proxy stands in between, this side does not know where the registry is.
        let granted = match self.proxy_to(&home.address) {
            Some(_) => Vec::new(),
            None => {
                let own = self.dialer.classes(home.address.clone()).await;
                reach::grants(&own.map_err(|error| OciError::connect(place, error))?)
            }
        };
        reach::judge(&address, &granted).map_err(|refusal| OciError::Redirect {
            place: place.to_owned(),
            to: reach::origin(url),
            reason: format!("{refusal}, and a registry may lead there only if it is in such a network itself"),
        })?;
        let (proxy, ca_pem) = (self.proxy_to(&address), self.ca_pem.clone());
        let options = SenderOptions { allow_addresses: granted, ca_pem, proxy, ..SenderOptions::default() };
        self.dialer.sender(address, &options).map_err(|error| OciError::connect(place, error))
    }

    /// Asks for a URL of a registry, or for one that it named.
    pub(crate) async fn ask(
        &self,
        scope: &Scope,
        home: &Home,
        ask: Ask,
        mut url: Url,
        patience: Patience,
    ) -> Result<Answer, OciError> {
        let (mut away, mut challenged, mut led) = (false, false, 0);
        loop {
            away |= url.origin() != home.url.origin();
            let kept = if away { None } else { self.tokens.get(scope) };
            let sender = self.sender_to(home, &url, &ask.place(&url)).await?;
            let authorization = kept.as_ref().map(|kept| kept.as_str());
            let answer = exchange(&sender, &ask, &url, authorization, patience).await?;
            if answer.status == StatusCode::UNAUTHORIZED && !away {
                self.challenged(scope, home, answer, challenged, patience).await?;
                challenged = true;
                continue;
            }
            if !ask.only_reads() || !is_redirect(answer.status) {
                return Ok(answer);
            }
            let not = |to: &str, reason: &str| OciError::Redirect {
                place: answer.place.clone(),
                to: to.to_owned(),
                reason: reason.to_owned(),
            };
            let location = answer.header(header::LOCATION).ok_or_else(|| not("nowhere", "there is no location"))?;
            url = reach::follow(&url, location).map_err(|refused| not(&refused.to, &refused.reason))?;
            led += 1;
            if led > MAX_REDIRECTS {
                return Err(not(&reach::origin(&url), "it was led on too often"));
            }
        }
    }

    /// Does what a registry demands, once.
    async fn challenged(
        &self,
        scope: &Scope,
        home: &Home,
        mut answer: Answer,
        again: bool,
        patience: Patience,
    ) -> Result<(), OciError> {
        self.tokens.forget(scope);
        let demands = challenges(&answer.headers);
        let words = answer.words(patience).await;
        if again {
            return Err(scope.unauthorized(&format!("it does not take our credentials for it; log in again{words}")));
        }
        self.authorize(home, scope, &demands, patience).await.map(drop)
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 307 | 308)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("credentials", &self.credentials)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}
