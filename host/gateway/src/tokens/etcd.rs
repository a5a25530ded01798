//! etcd's tokens, given at the endpoint itself.
//! Source: <https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/#authentication>.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, response};
use jackfield_net::{Body, SendError};
use jackfield_vault::{Lease, Material};
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::ask::{Ask, Given, Refused, field};

/// A refusal that has to be read to be known is not longer than this.
pub(super) const SHORT: u64 = 1024;

#[derive(Serialize)]
struct Authenticate<'a> {
    name: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct Authenticated {
    token: Zeroizing<String>,
}

pub(super) fn ask(lease: &Lease) -> Result<Ask, String> {
    let body = Authenticate { name: field(lease, "username")?, password: field(lease, "password")? };
    let body = serde_json::to_vec(&body).map_err(|_| "its fields have no form in JSON")?;
    Ok(Ask {
        url: None,
        path: "/v3/auth/authenticate".into(),
        headers: HeaderMap::new(),
        content_type: "application/json",
        body: Zeroizing::new(body),
    })
}

pub(super) fn read(status: StatusCode, text: &[u8]) -> Result<Given, Refused> {
    match status {
        StatusCode::OK => {
            let answer: Authenticated = serde_json::from_slice(text)
                .map_err(|_| Refused::Credential("the answer of etcd holds none".into()))?;
            Ok(Given { fields: Material::new([("token", answer.token.as_bytes())]), lifetime: None })
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let reason = "the user name or the password is wrong, or authentication is not enabled in etcd";
            Err(Refused::Credential(reason.into()))
        }
        status => Err(Refused::of(status)),
    }
}

/// Whether a response says that the token is not taken (any more).
pub(super) async fn refuses(
    head: &response::Parts,
    body: &mut Body,
    ahead: &mut Option<Bytes>,
    until: Instant,
) -> Result<bool, SendError> {
    if head.status == StatusCode::UNAUTHORIZED {
        return Ok(true);
    }
    if head.status != StatusCode::BAD_REQUEST || body.announced_len().is_some_and(|len| len > SHORT) {
        return Ok(false);
    }
    let text = short(body, until).await?;
    let says = |what: &[u8]| memchr::memmem::find(&text, what).is_some();
    let refuses = says(b"revision of auth store is old") || says(b"invalid auth token");
    *ahead = Some(text);
    Ok(refuses)
}

/// The beginning of a body, longer than a refusal or whole.
pub(super) async fn short(body: &mut Body, until: Instant) -> Result<Bytes, SendError> {
    let mut text = BytesMut::new();
    let read = async {
        // Errors come in chunks, without a length.
        while text.len() as u64 <= SHORT
            && let Some(piece) = body.next().await?
        {
            text.extend_from_slice(&piece);
        }
        Ok(())
    };
    timeout_at(until.into(), read).await.unwrap_or(Err(SendError::Timeout { sent: true }))?;
    Ok(text.freeze())
}
