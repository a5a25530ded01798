//! The host's own token: from a file that others keep up to date, or of a login, renewed ahead of its end. Leases end with
//! the token they were granted to, so it is renewed as long as that is possible; each login that is another has another
//! number, by which leases are told apart.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use http::HeaderValue;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    answer::Auth,
    client::{Client, Denied},
    spec::Login,
};

/// The longest token, JWT or secret ID, in bytes.
const MOST: u64 = 64 << 10;

/// A token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    pub(super) login: u64,
    /// When it ends, where it was given by a login and ends.
    pub(super) ends: Option<Instant>,
    due: Option<Instant>,
    renewable: bool,
    life: Duration,
}

/// What is known of logins.
pub(super) struct Logins {
    token: tokio::sync::Mutex<Option<Token>>,
    /// Numbers of logins are only ever compared.
    hasher: RandomState,
    current: AtomicU64,
}

impl Logins {
    pub(super) fn new() -> Self {
        Self { token: tokio::sync::Mutex::default(), hasher: RandomState::new(), current: AtomicU64::new(0) }
    }

    /// The number of the login that was used last.
    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// Forgets a token that is refused. Returns whether there may be another.
    pub(super) async fn refused(&self, client: &Client, token: &Token) -> bool {
        if matches!(client.server.login, Login::TokenFile(_)) {
            return false;
        }
        let mut known = self.token.lock().await;
        if known.as_ref().is_some_and(|known| known.login == token.login) {
            *known = None;
        }
        true
    }

    /// The token to ask with.
    pub(super) async fn token(&self, client: &Client, until: Instant) -> Result<Token, Denied> {
        let token = match &client.server.login {
            Login::TokenFile(file) => {
                let text = read(file)?;
                let login = self.hasher.hash_one(text.as_bytes());
                let header = header(&text)?;
                Token { header, login, ends: None, due: None, renewable: false, life: Duration::ZERO }
            }
            Login::AppRole { mount, role_id, secret_id_file, .. } => {
                let body = || {
                    let secret_id = read(secret_id_file)?;
                    encoded(&json!({ "role_id": role_id }), "secret_id", &secret_id)
                };
                self.logged_in(client, mount, body, until).await?
            }
            Login::Jwt { mount, role, file } => {
                let body = || {
                    let jwt = read(file)?;
                    encoded(&json!({ "role": role }), "jwt", &jwt)
                };
                self.logged_in(client, mount, body, until).await?
            }
        };
        self.current.store(token.login, Ordering::Release);
        Ok(token)
    }

    /// The token of the login that is used, renewed where it is time, or of another.
    async fn logged_in(
        &self,
        client: &Client,
        mount: &str,
        body: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Denied>,
        until: Instant,
    ) -> Result<Token, Denied> {
        let mut known = self.token.lock().await;
        let now = Instant::now();
        // A copy: whoever gives up in between loses nothing.
        let alive = known.clone().filter(|token| token.ends.is_none_or(|ends| ends > now));
        let alive = match alive {
            Some(token) if token.due.is_none_or(|due| due > now) => return Ok(known.insert(token).clone()),
            Some(token) if token.renewable => {
                let renewed = client.post_with(&token.header, "auth/token/renew-self", b"{}", until).await;
                match renewed.ok().and_then(|answer| answer.auth) {
                    // Where it is given less than half of its life, it comes to an end: another login then.
                    Some(auth) if Duration::from_secs(auth.lease_duration) >= token.life / 2 => {
                        let life = token.life;
                        let renewed = Token { life, ..timed(token, &auth) };
                        return Ok(known.insert(renewed).clone());
                    }
                    _ => Some(token),
                }
            }
            alive => alive,
        };
        let asked = match body() {
            Ok(body) => client.login(mount, &body, until).await,
            Err(denied) => Err(denied),
        };
        match (asked, alive) {
            (Ok(auth), _) => {
                let login = self.hasher.hash_one(auth.client_token.as_bytes());
                let header = header(&auth.client_token)?;
                let token = Token { header, login, ends: None, due: None, renewable: false, life: Duration::ZERO };
                Ok(known.insert(timed(token, &auth)).clone())
            }
            // As long as the one there is holds.
            (Err(_), Some(token)) => Ok(known.insert(token).clone()),
            (Err(denied), None) => Err(denied),
        }
    }
}

/// A token with the times that a server names; without any it does not end.
fn timed(token: Token, auth: &Auth) -> Token {
    let (now, life) = (Instant::now(), Duration::from_secs(auth.lease_duration));
    let within = |part: Duration| (!life.is_zero()).then(|| now + part);
    Token { ends: within(life), due: within(life / 3 * 2), renewable: auth.renewable, life, ..token }
}

fn header(text: &str) -> Result<HeaderValue, Denied> {
    let value = HeaderValue::from_str(text).ok().filter(|value| !value.is_empty());
    let mut value = value.ok_or_else(|| Denied::here("the host's token is none"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A JSON object with one secret member more, which needs no escapes.
fn encoded(open: &serde_json::Value, name: &str, secret: &str) -> Result<Zeroizing<Vec<u8>>, Denied> {
    let open = open.to_string();
    let mut body = Zeroizing::new(Vec::with_capacity(open.len() + name.len() + secret.len() + 8));
    if secret.contains(['"', '\\']) || secret.chars().any(char::is_control) {
        return Err(Denied::here(format!("what is to be `{name}` holds characters that it cannot")));
    }
    body.extend_from_slice(open.trim_end_matches('}').as_bytes());
    body.extend_from_slice(format!(",\"{name}\":\"").as_bytes());
    body.extend_from_slice(secret.as_bytes());
    body.extend_from_slice(b"\"}");
    Ok(body)
}

/// What a file of the operator's holds.
fn read(file: &Path) -> Result<Zeroizing<String>, Denied> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| Denied::here(format!("the file {}: {error}", file.display()));
    let mut text = Zeroizing::new(String::with_capacity(8 << 10));
    std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text)).map_err(unreadable)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_into_a_login_as_it_is_or_not_at_all() {
        let body = encoded(&json!({"role": "r\"x"}), "jwt", "a.b.c").unwrap();
        let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(read, json!({"role": "r\"x", "jwt": "a.b.c"}));
        assert!(encoded(&json!({"role": "r"}), "jwt", "a\",\"role\":\"admin").is_err());
    }
}
