//! Tokens: who gives them, how they are asked for, and how long they are kept. A registry names whoever gives tokens for
//! it, and that is where the registry's credentials are then sent; so only the registry itself is asked for that name,
//! never a place that it redirected to, and the name must be one that TLS stands for, unless the registry is spoken to
//! without it. A token is kept for one registry and one scope, for as long as it says and no longer than an hour.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use url::{Url, form_urlencoded::Serializer};
use zeroize::Zeroizing;

use crate::{
    OciError,
    challenge::Challenge,
    client::Client,
    credentials::Credential,
    home::{Home, Scope},
    reach,
    transport::{Ask, Patience, exchange},
};

/// The longest answer with a token, in bytes.
const MOST: usize = 64 << 10;
/// How long a token lives that does not say, by Docker's specification, and the longest that one is kept.
const LIFE: Duration = Duration::from_secs(60);
const MAX_LIFE: Duration = Duration::from_secs(3600);
/// So much earlier it is not used any more: a clock and a way there lie in between.
const MARGIN: Duration = Duration::from_secs(10);
/// The most that are kept.
const MAX_KEPT: usize = 256;

/// What the header `authorization` is to say.
pub(crate) type Authorization = Arc<Zeroizing<String>>;

/// What registries were told last time, so that they need not ask again.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Scope, (Authorization, Instant)>>);

impl Tokens {
    pub(crate) fn get(&self, scope: &Scope) -> Option<Authorization> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(scope).filter(|(_, until)| *until > Instant::now()).map(|(authorization, _)| authorization.clone())
    }

    fn keep(&self, scope: Scope, authorization: &Authorization, life: Duration) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|_, (_, until)| *until > now);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(scope, (authorization.clone(), now + life.min(MAX_LIFE).saturating_sub(MARGIN)));
    }

    pub(crate) fn forget(&self, scope: &Scope) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(scope);
    }
}

#[derive(Deserialize)]
struct Given {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    expires_in: Option<u64>,
}

impl Client {
    /// Answers a registry's challenges: with a token where it takes one, else with user and password.
    pub(crate) async fn authorize(
        &self,
        home: &Home,
        scope: &Scope,
        challenges: &[Challenge],
        patience: Patience,
    ) -> Result<Authorization, OciError> {
        let credential = self.credentials.for_registry(&home.registry, patience.stall.min(patience.after)).await?;
        let (authorization, life) = if let Some(bearer) = challenges.iter().find(|c| c.scheme == "bearer") {
            self.token(home, scope, bearer, credential.as_ref(), patience).await?
        } else if challenges.iter().any(|c| c.scheme == "basic") {
            let refused = |reason: &str| scope.unauthorized(reason);
            let credential = credential.ok_or_else(|| refused(&no_credentials(&home.registry)))?;
            let basic = credential
                .basic()
                .ok_or_else(|| refused("it wants a password, and there is only an identity token"))?;
            (Arc::new(basic), MAX_LIFE)
        } else {
            let reason = "it knows neither Bearer nor Basic".to_owned();
            return Err(OciError::Challenge { registry: home.registry.clone(), reason });
        };
        self.tokens.keep(scope.clone(), &authorization, life);
        Ok(authorization)
    }

    async fn token(
        &self,
        home: &Home,
        scope: &Scope,
        bearer: &Challenge,
        credential: Option<&Credential>,
        patience: Patience,
    ) -> Result<(Authorization, Duration), OciError> {
        let unfit = |reason: String| OciError::Challenge { registry: home.registry.clone(), reason };
        let realm = bearer.parameter("realm").ok_or_else(|| unfit("it does not say where a token is given".into()))?;
        let realm = realm_of(realm, home.plain).map_err(unfit)?;
        let service = bearer.parameter("service");
        // What it asks for beyond is its own business: its credentials are for it alone.
        let wanted = bearer.parameter("scope").map_or_else(|| scope.text(), str::to_owned);
        let (ask, url) = asking(realm, service, &wanted, credential);
        let basic = credential.and_then(Credential::basic);
        let sender = self.sender_to(home, &url, &ask.place(&url)).await?;
        let mut answer = exchange(&sender, &ask, &url, basic.as_ref().map(|basic| basic.as_str()), patience).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(scope.unauthorized(&match credential {
                    Some(_) => format!("{} does not take our credentials for it; log in again", reach::origin(&url)),
                    None => no_credentials(&home.registry),
                }));
            }
            // Its words are not told: it was sent a password.
            status => {
                return Err(OciError::Status { place: answer.place, status: status.as_u16(), words: String::new() });
            }
        }
        let text = answer.read_secret(MOST, patience).await?;
        let given: Given = serde_json::from_slice(&text)
            .map_err(|_| OciError::malformed(&answer.place, "it is no answer with a token"))?;
        let life = given.expires_in.map_or(LIFE, Duration::from_secs).max(LIFE);
        let token = given.token.filter(|token| !token.is_empty()).or(given.access_token);
        let token = token
            .filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or_else(|| OciError::malformed(&answer.place, "there is no token in it"))?;
        Ok((Arc::new(Zeroizing::new(["Bearer ", token.as_str()].concat())), life))
    }
}

/// Where tokens are given.
fn realm_of(text: &str, plain: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "where it says that tokens are given is no URL".to_owned())?;
    let refused = |reason: &str| format!("it says that tokens are given at {}: {reason}", reach::origin(&url));
    match url.scheme() {
        "http" if !plain => Err(refused("credentials are not sent there without TLS")),
        _ => reach::check(&url, plain).map_err(|not| refused(&not.reason)).map(|()| url),
    }
}

/// How a token is asked for: with a refresh token by a form, otherwise by a query.
fn asking(mut realm: Url, service: Option<&str>, scope: &str, credential: Option<&Credential>) -> (Ask, Url) {
    realm.set_fragment(None);
    let accept = HeaderValue::from_static("application/json");
    if let Some(Credential::IdentityToken(token)) = credential {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "jackfield"),
            ("scope", scope),
            ("service", service.unwrap_or_default()),
            ("refresh_token", token.as_str()),
        ];
        let body =
            Zeroizing::new(Serializer::new(String::with_capacity(MOST)).extend_pairs(form).finish().into_bytes());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let ask = Ask::new(Method::POST).header(header::CONTENT_TYPE, kind).header(header::ACCEPT, accept);
        return (ask.body(Bytes::from_owner(body)), realm);
    }
    let mut query = realm.query_pairs_mut();
    query.extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
    drop(query);
    (Ask::new(Method::GET).header(header::ACCEPT, accept), realm)
}

fn no_credentials(registry: &str) -> String {
    format!("there are no credentials for it; log in with `docker login {registry}`, or configure them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_without_tls_is_refused_where_the_registry_has_it() {
        assert!(realm_of("https://auth.example/token?x=y", false).is_ok());
        for realm in ["http://auth.example/token", "ftp://auth.example", "/token", "", "https://u:p@auth.example"] {
            let reason = realm_of(realm, false).unwrap_err();
            assert!(!reason.contains("u:p"), "{reason}");
        }
        assert!(realm_of("http://auth.example/token", true).is_ok());
    }

    #[test]
    fn a_token_is_asked_for_with_service_and_scope_behind_the_realms_own_query() {
        let realm = realm_of("https://auth.example/token?account=x", false).unwrap();
        let (ask, url) = asking(realm, Some("a b"), "repository:c/d:pull,push", None);
        assert_eq!(url.query(), Some("account=x&service=a+b&scope=repository%3Ac%2Fd%3Apull%2Cpush"));
        assert_eq!(ask.method, Method::GET);
    }

    #[test]
    fn a_refresh_token_is_never_in_a_url() {
        let realm = realm_of("https://auth.example/token", false).unwrap();
        let credential = Credential::IdentityToken(Zeroizing::new("hunter2".to_owned()));
        let (ask, url) = asking(realm, None, "s", Some(&credential));
        assert!(!url.as_str().contains("hunter2"));
        assert!(ask.body.ends_with(b"refresh_token=hunter2"));
    }
}
