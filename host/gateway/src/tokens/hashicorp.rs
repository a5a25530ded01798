//! Tokens of Consul and of Nomad, given at the endpoint itself for a token that one of its auth methods trusts: of a
//! Kubernetes service account, of an OpenID provider.
//! Sources: <https://developer.hashicorp.com/consul/api-docs/acl#login-to-auth-method>,
//! <https://developer.hashicorp.com/nomad/api-docs/acl/tokens> and the errors in `acl/errors.go` and `nomad/structs/errors.go`.
//!
//! They are not logged out of: auth methods say how long they live, and where they do not a host holds one for each endpoint until
//! it is refused.

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use jackfield_net::{Body, SendError};
use jackfield_vault::{Lease, Material};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    ask::{Ask, Given, Refused, field, until as lifetime},
    etcd::{SHORT, short},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConsulLogin<'a> {
    auth_method: &'a str,
    bearer_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NomadLogin<'a> {
    auth_method_name: &'a str,
    login_token: &'a str,
}

#[derive(Deserialize)]
struct LoggedIn {
    #[serde(rename = "SecretID")]
    secret_id: Zeroizing<String>,
    /// Null or left out where it ends by itself never.
    #[serde(rename = "ExpirationTime")]
    expiration_time: Option<String>,
}

pub(super) fn consul(lease: &Lease, auth_method: &str) -> Result<Ask, String> {
    login(&ConsulLogin { auth_method, bearer_token: field(lease, "token")? })
}

pub(super) fn nomad(lease: &Lease, auth_method: &str) -> Result<Ask, String> {
    login(&NomadLogin { auth_method_name: auth_method, login_token: field(lease, "token")? })
}

fn login(body: &impl Serialize) -> Result<Ask, String> {
    // All the room at once: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(128 << 10));
    serde_json::to_writer(&mut *text, body).map_err(|_| "its fields have no form in JSON")?;
    Ok(Ask {
        url: None,
        path: "/v1/acl/login".into(),
        headers: HeaderMap::new(),
        content_type: "application/json",
        body: text,
    })
}

pub(super) fn read(status: StatusCode, text: &[u8], now: SystemTime) -> Result<Given, Refused> {
    match status {
        StatusCode::OK => {
            let answer: LoggedIn = serde_json::from_slice(text)
                .map_err(|_| Refused::Credential("the answer to the login holds none".into()))?;
            let lifetime = answer.expiration_time.and_then(|moment| lifetime(&moment, now));
            Ok(Given { fields: Material::new([("token", answer.secret_id.as_bytes())]), lifetime })
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            let reason = "the auth method does not take the token: it has ended, is of somebody else, or there is no such method";
            Err(Refused::Credential(reason.into()))
        }
        status => Err(Refused::of(status)),
    }
}

/// Whether a response says that the token is not taken (any more). Both say 403 of what a token may not do as well; and Consul
/// uses the same words of a token that was asked about.
pub(super) async fn refuses(
    head: &response::Parts,
    body: &mut Body,
    ahead: &mut Option<Bytes>,
    until: Instant,
) -> Result<bool, SendError> {
    let refusal = matches!(head.status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
    if !refusal || body.announced_len().is_some_and(|len| len > SHORT) {
        return Ok(false);
    }
    let text = short(body, until).await?;
    let says = |what: &[u8]| memchr::memmem::find(&text, what).is_some();
    let consul = says(b"ACL not found") && !says(b"Requested ");
    let refuses = consul || says(b"ACL token not found") || says(b"ACL token expired") || says(b"ACL token is invalid");
    *ahead = Some(text);
    Ok(refuses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_says_what_it_gives_and_how_long_that_lives() {
        let now = SystemTime::UNIX_EPOCH;
        let given =
            read(StatusCode::OK, br#"{"SecretID":"s","ExpirationTime":"1970-01-01T01:00:00.5Z"}"#, now).ok().unwrap();
        assert_eq!(given.fields.text("token"), Some("s"));
        assert_eq!(given.lifetime.unwrap().as_millis(), 3_600_500);
        for endless in [&br#"{"SecretID":"s"}"#[..], br#"{"SecretID":"s","ExpirationTime":null}"#] {
            assert!(read(StatusCode::OK, endless, now).ok().unwrap().lifetime.is_none());
        }
        assert!(matches!(read(StatusCode::OK, b"{}", now), Err(Refused::Credential(_))));
        assert!(matches!(read(StatusCode::FORBIDDEN, b"", now), Err(Refused::Credential(_))));
        assert!(matches!(read(StatusCode::INTERNAL_SERVER_ERROR, b"", now), Err(Refused::Trouble(_))));
    }
}
