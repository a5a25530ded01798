//! Asking a server by HTTP to take records: the token it wants, what its answer means, when it wants to be asked again.

use std::{
    io::Read as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use jackfield_net::{Body, Dialer, OutgoingRequest, Sender, SenderOptions};
use jackfield_vault::{CredentialKind, Vault};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use zeroize::Zeroizing;

use super::Failed;
use crate::spec::{Http, TokenFrom};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, the longest token, and the longest file of certificates, in bytes.
const MAX_ANSWER: usize = 64 << 10;
const MAX_TOKEN: usize = 16 << 10;
const MAX_ROOTS: u64 = 1 << 20;
/// Who asks to be left alone for longer is asked again after this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A server, and what it wants.
pub(super) struct Client {
    sender: Sender,
    path: String,
    token: Option<TokenFrom>,
    vault: Arc<Vault>,
}

impl Client {
    pub(super) fn new(http: &Http, dialer: &Dialer, vault: &Arc<Vault>) -> Result<Self, String> {
        let options = SenderOptions::of_the_operator(roots(http.ca_file.as_deref())?);
        let sender = dialer.sender(http.origin.clone(), &options).map_err(|error| error.to_string())?;
        Ok(Self { sender, path: http.path.clone(), token: http.token.clone(), vault: vault.clone() })
    }

    /// Has the server take this; what it answers where it has.
    pub(super) async fn post(
        &self,
        below: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let until = Instant::now() + PATIENCE;
        if let Some(from) = &self.token {
            headers.insert(header::AUTHORIZATION, self.token(from, until).await?);
        }
        let path = format!("{}{below}", self.path);
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let target = path.parse().map_err(|_| "its path is not one")?;
        let request = OutgoingRequest { method: Method::POST, target, headers, body };
        let response = self.sender.send(request, until).await.map_err(|error| error.to_string())?;
        answer(response, until).await
    }

    async fn token(&self, from: &TokenFrom, until: Instant) -> Result<HeaderValue, Failed> {
        let mut value = match from {
            TokenFrom::File(path) => {
                let unreadable = |error: std::io::Error| format!("the token file {}: {error}", path.display());
                // Growing would leave copies behind.
                let mut text = Zeroizing::new(Vec::with_capacity(MAX_TOKEN));
                let file = std::fs::File::open(path).map_err(unreadable)?;
                file.take(MAX_TOKEN as u64).read_to_end(&mut text).map_err(unreadable)?;
                let token = std::str::from_utf8(text.trim_ascii()).ok().filter(|token| !token.is_empty());
                bearer(token.ok_or_else(|| format!("the token file {} holds no token", path.display()))?)
            }
            TokenFrom::Credential(name) => {
                let lease = self.vault.lease_until(name, None, until).await.map_err(|error| error.to_string())?;
                if lease.kind != CredentialKind::Bearer {
                    return Err(
                        format!("the credential `{name}` is of type {}, not bearer", lease.kind.as_str()).into()
                    );
                }
                bearer(lease.material.text("token").ok_or_else(|| format!("the credential `{name}` holds no token"))?)
            }
        }
        .ok_or("the token has characters that no header can have")?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The copy that is sent is ordinary memory, like all that the network stack has of a request.
fn bearer(token: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(["Bearer ", token].concat());
    HeaderValue::from_str(&text).ok()
}

/// Certificates to trust instead of the system's.
pub(super) fn roots(file: Option<&Path>) -> Result<Option<String>, String> {
    let Some(path) = file else { return Ok(None) };
    let unreadable = |error: std::io::Error| format!("the certificates {}: {error}", path.display());
    let mut text = String::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_ROOTS).read_to_string(&mut text)).map_err(unreadable)?;
    Ok(Some(text))
}

async fn answer(response: Response<Body>, until: Instant) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let (head, mut body) = response.into_parts();
    let read = body.all(MAX_ANSWER, until).await;
    if head.status.is_success() {
        // What it says besides is nothing that has to be read.
        return Ok(read.ok().flatten().unwrap_or_default());
    }
    let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
    let too_large = head.status == StatusCode::PAYLOAD_TOO_LARGE;
    let hint = match head.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; see to its token (`token-file=` or `credential=`)",
        status if status.is_redirection() => "; redirects are not followed, name the place itself",
        _ => "",
    };
    // Not what else it says: that could repeat what it was sent.
    Err(Failed { reason: format!("it answers {}{hint}", head.status), retry_after, too_large })
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = OffsetDateTime::parse(text, &Rfc2822).ok()?;
            SystemTime::from(until).duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_ask_again_is_seconds_or_a_date_and_not_for_ever() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        for (text, expected) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("99999999", Some(3600)),
            ("soon", None),
            ("-1", None),
        ] {
            let value = HeaderValue::from_str(text).unwrap();
            assert_eq!(retry_after(&value, now).map(|wait| wait.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn a_token_that_no_header_can_have_is_none() {
        assert!(bearer("abc\r\nx: y").is_none());
        assert_eq!(bearer("abc").unwrap(), "Bearer abc");
    }
}
