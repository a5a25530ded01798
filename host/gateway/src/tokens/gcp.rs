//! Service accounts of Google Cloud.
//! Source: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>.

use std::time::SystemTime;

use jackfield_vault::Lease;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    ask::{Ask, field},
    jwt::{Claims, Signer},
    oauth,
};

/// Everything that the account may do; what that is is decided by its roles.
const EVERYTHING: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A key file, as it is downloaded.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
    token_uri: String,
}

fn read(lease: &Lease) -> Result<KeyFile, String> {
    serde_json::from_str(field(lease, "key")?).map_err(|_| {
        "its field `key` is no key file of a service account (JSON with `client_email`, `private_key`, `token_uri`)"
            .into()
    })
}

pub(super) fn ask(lease: &Lease, now: SystemTime) -> Result<Ask, String> {
    let file = read(lease)?;
    let claims = Claims {
        issuer: &file.client_email,
        subject: lease.material.text("subject"),
        audience: &file.token_uri,
        scope: Some(lease.material.text("scope").unwrap_or(EVERYTHING)),
    };
    let assertion = Signer::new(&file.private_key)?.key_id(file.private_key_id.as_deref()).sign(&claims, now)?;
    Ok(oauth::assertion_grant(&assertion).into_ask(&file.token_uri))
}

/// The private key within the key file.
pub(crate) fn private_key(lease: &Lease) -> Option<Zeroizing<String>> {
    read(lease).ok().map(|file| file.private_key)
}
