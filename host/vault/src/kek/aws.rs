//! AWS's key management service (KMS) as a key source: the key never leaves it; it is asked once at each unlocking.
//! API: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html>.

use std::{fmt, path::PathBuf, time::SystemTime};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jackfield_net::Dialer;
use jackfield_sigv4::{Payload, Request, Signer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeySource, ask::Asked};
use crate::{Secret, VaultError};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Where a key of KMS is, and with what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AwsKms {
    /// The key: its ID, its ARN, or `alias/…`.
    pub key: String,
    /// Where the key is, e.g. `eu-central-1`.
    pub region: String,
    /// A file as AWS's own tools keep it (`~/.aws/credentials`) with the access key to ask with; it is read at each use, so
    /// that others may renew it. It must be allowed `kms:Encrypt` and `kms:Decrypt`.
    pub credentials_file: PathBuf,
    /// Whose section of the file it is, `default` as a rule.
    #[serde(default = "profile")]
    pub profile: String,
    /// The server, where it is not AWS's own for the region: a VPC's endpoint, a service that speaks like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// PEM certificates to trust instead of the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

fn profile() -> String {
    "default".into()
}

impl fmt::Display for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key `{}` of AWS KMS in {}", self.key, self.region)
    }
}

impl AwsKms {
    pub(super) fn source(&self, dialer: &Dialer) -> Result<Source, VaultError> {
        let fail = |reason: &str| Err(VaultError::Source { place: self.to_string(), reason: reason.to_owned() });
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.region.is_empty() || !self.region.bytes().all(label) {
            return fail("a region is lower-case letters, digits and `-`, like eu-central-1");
        }
        if self.key.is_empty() || !self.key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/:".contains(&b)) {
            return fail("a key is an ID, an ARN or `alias/` and a name");
        }
        let own = format!("https://kms.{}.amazonaws.com", self.region);
        let address = self.address.as_deref().unwrap_or(&own);
        let asked = Asked::new(self.to_string(), address, self.ca_pem.as_deref(), dialer)?;
        Ok(Source { kms: self.clone(), asked })
    }
}

/// A key that can be asked for.
pub(super) struct Source {
    kms: AwsKms,
    asked: Asked,
}

/// What a ciphertext belongs to: it cannot be decrypted for anything else, and it is told in CloudTrail.
#[derive(Serialize)]
struct Context<'a> {
    jackfield: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    encryption_context: Context<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt<'a> {
    key_id: &'a str,
    ciphertext_blob: &'a str,
    encryption_context: Context<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Zeroizing<String>,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

#[async_trait]
impl KeySource for Source {
    async fn wrap(&self, key: &Secret, bound: &[u8]) -> Result<Vec<u8>, VaultError> {
        let plaintext = Zeroizing::new(BASE64.encode(key.expose()));
        let encryption_context = Context { jackfield: &BASE64.encode(bound) };
        let body = Encrypt { key_id: &self.kms.key, plaintext: &plaintext, encryption_context };
        let answer: Encrypted = self.ask("Encrypt", &body).await?;
        BASE64.decode(answer.ciphertext_blob).map_err(|_| self.asked.fail("its answer is no ciphertext"))
    }

    async fn unwrap(&self, wrapped: &[u8], bound: &[u8]) -> Result<Secret, VaultError> {
        let encryption_context = Context { jackfield: &BASE64.encode(bound) };
        let body = Decrypt { key_id: &self.kms.key, ciphertext_blob: &BASE64.encode(wrapped), encryption_context };
        let answer: Decrypted = self.ask("Decrypt", &body).await?;
        let plain = BASE64.decode(answer.plaintext.as_bytes()).map_err(|_| self.asked.fail("its answer is no key"))?;
        Ok(plain.into())
    }
}

impl Source {
    async fn ask<T: for<'a> Deserialize<'a>>(&self, what: &str, body: &impl Serialize) -> Result<T, VaultError> {
        let body = serde_json::to_vec(body).map_err(|error| self.asked.fail(error.to_string()))?;
        let headers = self.signed(what, &body)?;
        let (status, text) = self.asked.post("/", headers, body).await?;
        if !status.is_success() {
            let refused: Refused = serde_json::from_slice(&text).unwrap_or_default();
            // `InvalidCiphertextException`, and in some answers a namespace before it.
            if refused.kind.ends_with("InvalidCiphertextException") || refused.kind.ends_with("IncorrectKeyException") {
                return Err(VaultError::WrongKey);
            }
            return Err(self.asked.refused(status, &format!("{} {}", refused.kind, refused.message)));
        }
        serde_json::from_slice(&text).map_err(|_| self.asked.fail("its answer is not what KMS answers"))
    }

    fn signed(&self, what: &str, body: &[u8]) -> Result<HeaderMap, VaultError> {
        let file = &self.kms.credentials_file;
        let text = self.asked.file("credentials file", file)?;
        let unfit = |reason: &str| self.asked.fail(format!("the credentials file {} {reason}", file.display()));
        let text = std::str::from_utf8(&text).map_err(|_| unfit("is no text"))?;
        let Some(key) = AccessKey::find(text, &self.kms.profile) else {
            return Err(unfit(&format!("has no access key in its section [{}]", self.kms.profile)));
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        let target = HeaderValue::from_str(&format!("TrentService.{what}"));
        headers.insert(TARGET, target.map_err(|error| self.asked.fail(error.to_string()))?);
        let signer = Signer {
            access_key_id: key.id,
            secret_access_key: key.secret,
            session_token: key.session_token,
            region: &self.kms.region,
            service: "kms",
            payload: Payload::Signed,
        };
        let address = self.asked.address();
        let (host, target) = (&address.authority(), &format!("{}/", address.base_path()));
        let request = Request { method: &Method::POST, host, target, headers: &mut headers, body };
        signer.sign(request, SystemTime::now()).map_err(|_| unfit("holds what cannot stand in a header"))?;
        Ok(headers)
    }
}

/// An access key in a file of AWS's tools.
struct AccessKey<'t> {
    id: &'t str,
    secret: &'t str,
    session_token: Option<&'t str>,
}

impl<'t> AccessKey<'t> {
    /// The one of a section. Source: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.
    fn find(text: &'t str, profile: &str) -> Option<Self> {
        let (mut here, mut id, mut secret, mut session_token) = (false, None, None, None);
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                here = name.trim() == profile;
            } else if here && let Some((name, value)) = line.split_once('=') {
                let value = Some(value.trim()).filter(|value| !value.is_empty());
                match name.trim() {
                    "aws_access_key_id" => id = value,
                    "aws_secret_access_key" => secret = value,
                    "aws_session_token" => session_token = value,
                    _ => {}
                }
            }
        }
        Some(Self { id: id?, secret: secret?, session_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_of_the_profile_with_its_token() {
        let text = "\
# made by hand
[other]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = other

[ default ]
aws_access_key_id=AKIDEXAMPLE
aws_secret_access_key = a=b/c
region = eu-central-1
[temporary]
aws_access_key_id = ASIAEXAMPLE
aws_secret_access_key = s
aws_session_token = t
[half]
aws_access_key_id = AKIDHALF
aws_secret_access_key =
";
        let found = |profile| AccessKey::find(text, profile).map(|key| (key.id, key.secret, key.session_token));
        assert_eq!(found("default"), Some(("AKIDEXAMPLE", "a=b/c", None)));
        assert_eq!(found("temporary"), Some(("ASIAEXAMPLE", "s", Some("t"))));
        assert_eq!((found("half"), found("nobody")), (None, None));
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_region_and_no_key() {
        let kms = |key: &str, region: &str| AwsKms {
            key: key.into(),
            region: region.into(),
            credentials_file: "/nowhere".into(),
            profile: profile(),
            address: None,
            ca_pem: None,
        };
        let dialer = Dialer::default();
        for (key, region) in [("k", ""), ("k", "eu.evil.example/"), ("k", "eu-central-1@evil"), ("", "r"), ("a b", "r")]
        {
            assert!(kms(key, region).source(&dialer).is_err(), "{key} {region}");
        }
        assert!(kms("arn:aws:kms:eu-central-1:111122223333:key/1234abcd", "eu-central-1").source(&dialer).is_ok());
        let clear = AwsKms { address: Some("http://kms.example".into()), ..kms("k", "r") };
        assert!(clear.source(&dialer).err().is_some_and(|error| error.to_string().contains("in clear")));
    }
}
