//! AWS Signature Version 4, in the `Authorization` header, with the body signed too unless the signer says otherwise. Nothing is sent
//! here: the gateway signs what plugins ask for, the vault what it asks of AWS itself.
//!
//! Source: [Create a signed AWS API request](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
//! What is signed is what is sent: method, path, query, host, every header but those that are changed or added on the way,
//! and the body's hash. The test vectors are those that AWS publishes for its own SDKs.

mod canonical;
mod payload;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{self, InvalidHeaderValue},
};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use canonical::{Reading, canonical};
pub use payload::Payload;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const BODY: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// How long a body is that is sent in signed chunks.
const LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// Headers that this scheme sets, and a guest may not.
pub fn is_own(name: &HeaderName) -> bool {
    [DATE, TOKEN, BODY, LENGTH].contains(name)
}

/// What requests are signed with, and for.
pub struct Signer<'a> {
    /// Whose key it is: no secret.
    pub access_key_id: &'a str,
    /// The key.
    pub secret_access_key: &'a str,
    /// Of temporary credentials.
    pub session_token: Option<&'a str>,
    /// `eu-central-1`.
    pub region: &'a str,
    /// `s3`, `ec2`, `monitoring`.
    pub service: &'a str,
    /// What of the body is signed.
    pub payload: Payload,
}

impl std::fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { access_key_id, region, service, .. } = self;
        write!(f, "Signer({access_key_id}, {region}, {service})")
    }
}

/// A request that is to be signed.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The host as the header `Host` says it.
    pub host: &'a str,
    /// Path and query, as they are sent.
    pub target: &'a str,
    /// The headers but for `Host`; the signature and what belongs to it are added.
    pub headers: &'a mut HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

impl Signer<'_> {
    /// Signs a request that is sent at `now`. Returns the body as it is to be sent, where signing makes it another. Fails where
    /// the key's name or the token cannot stand in a header.
    pub fn sign(&self, request: Request<'_>, now: SystemTime) -> Result<Option<Bytes>, InvalidHeaderValue> {
        let s3 = self.service == "s3";
        // To S3 a path is an object's name.
        self.sign_as(&Reading { clean: !s3, escape_twice: !s3, body_header: s3 }, request, now)
    }

    fn sign_as(
        &self,
        reading: &Reading,
        request: Request<'_>,
        now: SystemTime,
    ) -> Result<Option<Bytes>, InvalidHeaderValue> {
        let (day, time) = stamps(now);
        // Of no body there is nothing to sign by pieces.
        let streams = self.payload == Payload::Streaming && !request.body.is_empty();
        let body = match self.payload {
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Payload::Streaming if streams => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            _ => HEXLOWER.encode(digest(&SHA256, request.body).as_ref()),
        };
        request.headers.insert(DATE, HeaderValue::from_str(&time)?);
        if reading.body_header || self.payload != Payload::Signed {
            request.headers.insert(BODY, HeaderValue::from_str(&body)?);
        }
        if streams {
            let coded = match request.headers.get(header::CONTENT_ENCODING) {
                Some(before) => [b"aws-chunked,", before.as_bytes()].concat(),
                None => b"aws-chunked".to_vec(),
            };
            request.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_bytes(&coded)?);
            request.headers.insert(LENGTH, request.body.len().into());
        }
        if let Some(token) = self.session_token {
            let mut token = HeaderValue::from_str(token)?;
            token.set_sensitive(true);
            request.headers.insert(TOKEN, token);
        }
        let (canonical, signed) = canonical(reading, &request, &body);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!(
            "{ALGORITHM}\n{time}\n{scope}\n{}",
            HEXLOWER.encode(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let key = self.key(&day);
        let signature = HEXLOWER.encode(hmac::sign(&key, to_sign.as_bytes()).as_ref());
        let framed = streams.then(|| payload::framed(request.body, &key, &time, &scope, &signature));
        let id = self.access_key_id;
        let value = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}");
        let mut value = HeaderValue::from_str(&value)?;
        value.set_sensitive(true);
        request.headers.insert(header::AUTHORIZATION, value);
        Ok(framed)
    }

    /// What everything of a day is signed with.
    fn key(&self, day: &str) -> hmac::Key {
        let first = Zeroizing::new(format!("AWS4{}", self.secret_access_key));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        for part in [day, self.region, self.service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }
}

/// The day, and the second, as AWS writes them.
fn stamps(now: SystemTime) -> (String, String) {
    let now = OffsetDateTime::from(now);
    let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let time = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    (day, time)
}
