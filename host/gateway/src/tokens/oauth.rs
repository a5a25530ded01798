//! OAuth 2.0: what is posted to a token endpoint and what comes back. Client credentials (RFC 6749, 4.4), by a secret or by
//! an assertion (RFC 7523, 2.2); assertions as grants (RFC 7523, 2.1); token exchange (RFC 8693).

use std::time::{Duration, SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use http::{HeaderValue, StatusCode, header};
use jackfield_vault::{Lease, Material};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    ask::{Ask, Given, Refused, field},
    jwt::{Claims, Signer},
};
use crate::authority::PLAIN;

/// How a client says that it authenticates with an assertion (RFC 7523, 2.2).
pub(super) const ASSERTS: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What the other side says is not told where it is longer: a part of it could be a part of something secret.
const SHORT: usize = 200;

/// A form that grows. What is appended is escaped but for the characters that mean nothing anywhere.
pub(crate) struct Form(Zeroizing<String>);

impl Form {
    /// One with room for all that will be in it: growing would leave copies behind.
    pub(crate) fn empty() -> Self {
        Self(Zeroizing::new(String::with_capacity(32 << 10)))
    }

    /// The same, of a grant.
    pub(crate) fn new(grant_type: &str) -> Self {
        let mut form = Self::empty();
        form.add("grant_type", grant_type);
        form
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let separator = if self.0.is_empty() { "" } else { "&" };
        self.0.extend([separator, name, "="]);
        self.0.extend(utf8_percent_encode(value, PLAIN));
    }

    /// Adds a field that the credential may have.
    pub(crate) fn add_from(&mut self, name: &str, lease: &Lease, field: &str) {
        if let Some(value) = lease.material.text(field) {
            self.add(name, value);
        }
    }

    /// What is in it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn into_ask(self, url: &str) -> Ask {
        Ask::form(url.to_owned(), self.0)
    }
}

/// What a client sends that a person consented to: its refresh token (RFC 6749, 6).
pub(super) fn refresh(lease: &Lease) -> Result<Ask, String> {
    let mut form = Form::new("refresh_token");
    form.add("refresh_token", field(lease, "refresh-token")?);
    user(form, lease, field(lease, "token-url")?)
}

/// Has the client of a person's consent say who it is: by its secret, or by its name alone where it has none.
pub(crate) fn user(mut form: Form, lease: &Lease, url: &str) -> Result<Ask, String> {
    let id = field(lease, "client-id")?;
    match lease.material.text("client-secret") {
        Some(secret) => {
            let post = lease.material.text("client-authentication") == Some("post");
            authenticate(form, url, id, secret, post)
        }
        None => {
            form.add("client_id", id);
            Ok(form.into_ask(url))
        }
    }
}

/// Client credentials.
pub(super) fn client(lease: &Lease, now: SystemTime) -> Result<Ask, String> {
    let (url, id) = (field(lease, "token-url")?, field(lease, "client-id")?);
    let mut form = Form::new("client_credentials");
    form.add_from("scope", lease, "scope");
    form.add_from("audience", lease, "audience");
    if let Some(key) = lease.material.text("private-key") {
        let claims = Claims { issuer: id, subject: Some(id), audience: url, scope: None };
        let assertion = Signer::new(key)?.key_id(lease.material.text("key-id")).sign(&claims, now)?;
        form.add("client_id", id);
        form.add(ASSERTS.0, ASSERTS.1);
        form.add("client_assertion", &assertion);
        return Ok(form.into_ask(url));
    }
    let secret = field(lease, "client-secret")?;
    authenticate(form, url, id, secret, lease.material.text("client-authentication") == Some("post"))
}

/// Puts the client's secret in the form, or in the header that RFC 6749, 2.3.1 prefers.
fn authenticate(mut form: Form, url: &str, id: &str, secret: &str, post: bool) -> Result<Ask, String> {
    if post {
        form.add("client_id", id);
        form.add("client_secret", secret);
        return Ok(form.into_ask(url));
    }
    let escaped = |text: &str| Zeroizing::new(utf8_percent_encode(text, PLAIN).to_string());
    let pair = Zeroizing::new(format!("{}:{}", *escaped(id), *escaped(secret)));
    let value = Zeroizing::new(format!("Basic {}", *Zeroizing::new(BASE64.encode(pair.as_bytes()))));
    let mut value = HeaderValue::from_str(&value).map_err(|_| "its client ID or secret has no form in a header")?;
    value.set_sensitive(true);
    let mut ask = form.into_ask(url);
    ask.headers.insert(header::AUTHORIZATION, value);
    Ok(ask)
}

/// An assertion as a grant.
pub(super) fn bearer(lease: &Lease, now: SystemTime) -> Result<Ask, String> {
    let url = field(lease, "token-url")?;
    let text = |name: &str| lease.material.text(name);
    let claims = Claims {
        issuer: field(lease, "issuer")?,
        subject: text("subject"),
        audience: text("audience").unwrap_or(url),
        scope: None,
    };
    let assertion = Signer::new(field(lease, "private-key")?)?.key_id(text("key-id")).sign(&claims, now)?;
    let mut form = assertion_grant(&assertion);
    form.add_from("scope", lease, "scope");
    Ok(form.into_ask(url))
}

/// A form with this grant.
pub(super) fn assertion_grant(assertion: &str) -> Form {
    let mut form = Form::new(JWT_BEARER);
    form.add("assertion", assertion);
    form
}

/// A token for another.
pub(super) fn exchange(lease: &Lease) -> Result<Ask, String> {
    let url = field(lease, "token-url")?;
    let mut form = Form::new(TOKEN_EXCHANGE);
    form.add("subject_token", field(lease, "subject-token")?);
    form.add("subject_token_type", lease.material.text("subject-token-type").unwrap_or(ACCESS_TOKEN));
    for name in ["scope", "audience", "resource"] {
        form.add_from(name, lease, name);
    }
    match (lease.material.text("client-id"), lease.material.text("client-secret")) {
        (Some(id), Some(secret)) => authenticate(form, url, id, secret, false),
        (id, _) => {
            if let Some(id) = id {
                form.add("client_id", id);
            }
            Ok(form.into_ask(url))
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Zeroizing<String>,
    /// Seconds. Some servers write it as a text.
    expires_in: Option<serde_json::Value>,
    token_type: Option<String>,
    /// Of a person's consent, perhaps another than before.
    refresh_token: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct Failed {
    error: String,
    error_description: Option<String>,
}

/// What a token endpoint answered to a client that has no consent to keep.
pub(super) fn read(status: StatusCode, text: &[u8]) -> Result<Given, Refused> {
    read_user(status, text).map(|(given, _)| given)
}

/// What a token endpoint answered, and the refresh token that came with it.
pub(crate) fn read_user(status: StatusCode, text: &[u8]) -> Result<(Given, Option<Zeroizing<String>>), Refused> {
    if !status.is_success() {
        return Err(refusal(status, text));
    }
    let answer: Answer =
        serde_json::from_slice(text).map_err(|_| Refused::Credential("the answer holds none".into()))?;
    // RFC 6749, 7.1: whoever does not know the type must not use it. RFC 8693, 2.2.1: `N_A` where it is no access token.
    if let Some(kind) = answer.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer") && kind != "N_A") {
        let kind: String = kind.chars().filter(char::is_ascii_graphic).take(40).collect();
        return Err(Refused::Credential(format!("it is of type `{kind}`, not a bearer's")));
    }
    let seconds = match answer.expires_in {
        Some(serde_json::Value::Number(number)) => number.as_f64(),
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let given = Given { fields: Material::new([("token", answer.access_token.as_bytes())]), lifetime };
    Ok((given, answer.refresh_token.filter(|token| !token.is_empty())))
}

/// The code of a refusal (RFC 6749, 5.2), and a sentence that holds it.
pub(crate) fn code(text: &[u8]) -> Option<(String, String)> {
    let failed = serde_json::from_slice::<Failed>(text).ok()?;
    let plain = |text: String| (text.len() <= SHORT && !text.chars().any(char::is_control)).then_some(text);
    let error = plain(failed.error)?;
    let reason = match failed.error_description.and_then(plain) {
        Some(description) => format!("it answers {error}: {description}"),
        None => format!("it answers {error}"),
    };
    Some((error, reason))
}

/// What a refusal means.
fn refusal(status: StatusCode, text: &[u8]) -> Refused {
    let Some((error, reason)) = code(text) else { return Refused::of(status) };
    match &*error {
        // RFC 6749, 4.1.2.1 has them for another endpoint; servers use them here too.
        "invalid_grant" => Refused::Grant(reason),
        "temporarily_unavailable" | "server_error" | "slow_down" => Refused::Trouble(reason),
        _ => match Refused::of(status) {
            Refused::Credential(_) => Refused::Credential(reason),
            _ => Refused::Trouble(reason),
        },
    }
}
