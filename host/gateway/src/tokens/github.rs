//! GitHub Apps, where they are installed.
//! Source: <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app>.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jackfield_vault::{Lease, Material};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    ask::{Ask, Given, Refused, field},
    jwt::{Claims, Signer},
};

const API: &str = "https://api.github.com";
const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");

pub(super) fn ask(lease: &Lease, now: SystemTime) -> Result<Ask, String> {
    let (app, installation) = (field(lease, "app-id")?, field(lease, "installation-id")?);
    if installation.is_empty() || !installation.bytes().all(|b| b.is_ascii_digit()) {
        return Err("its installation ID is a number".into());
    }
    let claims = Claims { issuer: app, subject: None, audience: API, scope: None };
    let assertion = Signer::new(field(lease, "private-key")?)?.sign(&claims, now)?;
    let bearer = Zeroizing::new(format!("Bearer {}", *assertion));
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| "its assertion has no form in a header")?;
    bearer.set_sensitive(true);
    let headers = [
        (header::AUTHORIZATION, bearer),
        (header::ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
        (VERSION, HeaderValue::from_static("2022-11-28")),
    ];
    Ok(Ask {
        url: Some(lease.material.text("api-url").unwrap_or(API).to_owned()),
        path: format!("/app/installations/{installation}/access_tokens"),
        headers: HeaderMap::from_iter(headers),
        content_type: "application/json",
        body: Zeroizing::new(b"{}".to_vec()),
    })
}

#[derive(Deserialize)]
struct Answer {
    token: Zeroizing<String>,
    expires_at: Option<String>,
}

pub(super) fn read(status: StatusCode, text: &[u8], now: SystemTime) -> Result<Given, Refused> {
    if !status.is_success() {
        return Err(Refused::of(status));
    }
    let answer: Answer =
        serde_json::from_slice(text).map_err(|_| Refused::Credential("the answer holds none".into()))?;
    let lifetime = answer.expires_at.and_then(|at| super::ask::until(&at, now));
    Ok(Given { fields: Material::new([("token", answer.token.as_bytes())]), lifetime })
}
