//! The transit engine of a Vault or OpenBao as a key source: the key never leaves it; it is asked once at each unlocking.
//! API: <https://openbao.org/api-docs/secret/transit/#encrypt-data>.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jackfield_net::Dialer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeySource, ask::Asked};
use crate::{Secret, VaultError};

const VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// Where a transit engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Transit {
    /// The server, e.g. `https://bao.example:8200`.
    pub address: String,
    /// Where the engine is mounted, `transit` as a rule.
    #[serde(default = "mount")]
    pub mount: String,
    /// The key's name there.
    pub key: String,
    /// A file that holds the token to ask with; it is read at each use, so that others may renew it.
    pub token_file: PathBuf,
    /// PEM certificates to trust instead of the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

fn mount() -> String {
    "transit".into()
}

impl fmt::Display for Transit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key `{}` of {}", self.key, self.address)
    }
}

impl Transit {
    pub(super) fn source(&self, dialer: &Dialer) -> Result<Source, VaultError> {
        let segment =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !segment(&self.key) || !self.mount.split('/').all(segment) {
            let reason = "the names of the key and its mount have letters, digits, `-`, `_` and `.` only".into();
            return Err(VaultError::Source { place: self.to_string(), reason });
        }
        let asked = Asked::new(self.to_string(), &self.address, self.ca_pem.as_deref(), dialer)?;
        Ok(Source { transit: self.clone(), asked })
    }
}

/// A transit engine that can be asked.
pub(super) struct Source {
    transit: Transit,
    asked: Asked,
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(default)]
    errors: Vec<String>,
}

#[async_trait]
impl KeySource for Source {
    async fn wrap(&self, key: &Secret, bound: &[u8]) -> Result<Vec<u8>, VaultError> {
        let plaintext = Zeroizing::new(BASE64.encode(key.expose()));
        let body = Encrypt { plaintext: &plaintext, associated_data: &BASE64.encode(bound) };
        let answer: Answer<Encrypted> = self.ask("encrypt", &body).await?;
        Ok(answer.data.ciphertext.into_bytes())
    }

    async fn unwrap(&self, wrapped: &[u8], bound: &[u8]) -> Result<Secret, VaultError> {
        let ciphertext = std::str::from_utf8(wrapped).map_err(|_| VaultError::WrongKey)?;
        let body = Decrypt { ciphertext, associated_data: &BASE64.encode(bound) };
        let answer: Answer<Decrypted> = self.ask("decrypt", &body).await?;
        let plain =
            BASE64.decode(answer.data.plaintext.as_bytes()).map_err(|_| self.asked.fail("its answer is no key"))?;
        Ok(plain.into())
    }
}

impl Source {
    async fn ask<T: for<'a> Deserialize<'a>>(&self, what: &str, body: &impl Serialize) -> Result<T, VaultError> {
        let Transit { mount, key, token_file, .. } = &self.transit;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(VAULT_TOKEN, self.token(token_file)?);
        let body = serde_json::to_vec(body).map_err(|error| self.asked.fail(error.to_string()))?;
        let (status, text) = self.asked.post(&format!("/v1/{mount}/{what}/{key}"), headers, body).await?;
        if !status.is_success() {
            let said = serde_json::from_slice::<Refused>(&text).map(|refused| refused.errors.join("; "));
            return Err(self.asked.refused(status, &said.unwrap_or_default()));
        }
        serde_json::from_slice(&text).map_err(|_| self.asked.fail("its answer is not what a transit engine answers"))
    }

    fn token(&self, file: &Path) -> Result<HeaderValue, VaultError> {
        let text = self.asked.file("token file", file)?;
        let mut token = HeaderValue::from_bytes(text.trim_ascii())
            .map_err(|_| self.asked.fail(format!("the token file {} holds no token", file.display())))?;
        token.set_sensitive(true);
        Ok(token)
    }
}
