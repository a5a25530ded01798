//! What is sent to who gives tokens, and read from it: one request, bounded in time and length. The operator named the
//! address, and no plugin has a say in it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use jackfield_net::{Address, ConnectError, Dialer, OutgoingRequest, SendError, Sender, SenderOptions};
use zeroize::Zeroizing;

use super::ask::Ask;

/// How long an exchange may take at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer of an exchange, in bytes.
const MOST: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// There was no connection.
    Connect(ConnectError),
    /// There was one and no whole answer.
    Unanswered(String),
    /// What is asked cannot be, or what was answered not be read.
    Unfit(&'static str),
}

impl Lost {
    fn of(error: SendError) -> Self {
        match error {
            SendError::Connect(reason) => Self::Connect(reason),
            error => Self::Unanswered(error.to_string()),
        }
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(reason) => reason.fmt(f),
            Self::Unanswered(reason) => reason.fmt(f),
            Self::Unfit(reason) => reason.fmt(f),
        }
    }
}

/// A sender to an address that secrets are sent to.
pub(crate) fn sender(dialer: &Dialer, url: &str, ca: Option<&str>) -> Result<Sender, String> {
    let address = Address::parse(url).map_err(|error| format!("`{url}` is no address: {error}"))?;
    if !address.is_tls() && !address.is_loopback() {
        return Err(format!("its secret would be sent to {url} in clear; use https://"));
    }
    let options = SenderOptions::of_the_operator(ca.map(str::to_owned));
    dialer.sender(address, &options).map_err(|error| error.to_string())
}

/// Sends, and reads the whole answer.
pub(crate) async fn post(sender: &Sender, ask: Ask, until: Instant) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Lost> {
    let target = ask.target(sender.address());
    let mut headers = ask.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ask.content_type));
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("jackfield"));
    let request = OutgoingRequest {
        method: Method::POST,
        target: target.parse().map_err(|_| Lost::Unfit("where it is given has no path that it could go to"))?,
        headers,
        body: Bytes::from_owner(ask.body),
    };
    let until = until.min(Instant::now() + PATIENCE);
    let (head, mut body) = sender.send(request, until).await.map_err(Lost::of)?.into_parts();
    let text = body.all(MOST, until).await.map_err(Lost::of)?;
    Ok((head.status, text.ok_or(Lost::Unfit("the answer is too long"))?))
}
