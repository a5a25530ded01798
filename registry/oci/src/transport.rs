//! One request to one place, and its answer. What only reads is tried again, twice at most, where no answer came or the
//! other side says that it cannot just now; what writes is not. An answer is read to a number of bytes that is known
//! before, until a point in time that is known before, and given up when nothing of it comes for a while.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, uri::PathAndQuery};
use jackfield_net::{Body, ConnectError, OutgoingRequest, SendError, Sender};
use jackfield_registry::{Digest, Hashing};
use serde::Deserialize;
use tokio::time::timeout_at;
use url::{Position, Url};
use zeroize::Zeroizing;

use crate::{OciError, error::shown, reach};

/// How often a request is tried again.
const AGAIN: u32 = 2;
/// How long is waited before, where the other side does not say; four times as long before the next one.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest that it may say.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// The longest text of an error, in bytes.
const MAX_WORDS: u64 = 16 << 10;
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("jackfield/", env!("CARGO_PKG_VERSION")));

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Instant,
    /// What that was at the beginning, for people.
    pub(crate) after: Duration,
    /// For the next piece of an answer.
    pub(crate) stall: Duration,
}

impl Patience {
    pub(crate) fn of(after: Duration, stall: Duration) -> Self {
        // A limit beyond what a clock can tell is a day.
        let until = Instant::now().checked_add(after).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        Self { until, after, stall }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: Method) -> Self {
        Self { method, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn only_reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// Where it is asked, for people: without the query, which may be what lets its holder in.
    pub(crate) fn place(&self, url: &Url) -> String {
        format!("{} {}{}", self.method, reach::origin(url), shown(url.path()))
    }
}

/// What is answered: the head, and the body while it arrives.
pub(crate) struct Answer {
    pub(crate) place: String,
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Body,
}

/// Asks, with credentials where some are given.
pub(crate) async fn exchange(
    sender: &Sender,
    ask: &Ask,
    url: &Url,
    authorization: Option<&str>,
    patience: Patience,
) -> Result<Answer, OciError> {
    let place = ask.place(url);
    let mut pause = PAUSE;
    for tried in 0.. {
        let request = request(ask, url, authorization).ok_or(OciError::malformed(&place, "it leads to no URL"))?;
        let sent = sender.send(request, patience.until).await;
        let wait = match &sent {
            _ if !ask.only_reads() || tried >= AGAIN => None,
            Ok(response) => said_later(response, pause),
            Err(error) => may_pass(error).then_some(pause),
        };
        match wait.filter(|wait| *wait < patience.left()) {
            Some(wait) => {
                tracing::debug!(%place, tried, "no answer that counts; asking again");
                drop(sent);
                tokio::time::sleep(wait).await;
                pause *= 4;
            }
            None => {
                let (head, body) = sent.map_err(|error| failed(&place, error, patience))?.into_parts();
                return Ok(Answer { place, url: url.clone(), status: head.status, headers: head.headers, body });
            }
        }
    }
    Err(OciError::malformed(&place, "it never answers"))
}

fn request(ask: &Ask, url: &Url, authorization: Option<&str>) -> Option<OutgoingRequest> {
    let target: PathAndQuery = url[Position::BeforePath..Position::AfterQuery].parse().ok()?;
    let mut headers = ask.headers.clone();
    headers.insert(header::USER_AGENT, USER_AGENT);
    if let Some(secret) = authorization {
        let bytes = Bytes::from_owner(Zeroizing::new(secret.as_bytes().to_vec()));
        let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Some(OutgoingRequest { method: ask.method.clone(), target, headers, body: ask.body.clone() })
}

/// Whether it may be otherwise the next time.
fn may_pass(error: &SendError) -> bool {
    match error {
        SendError::Connect(error) => !matches!(error, ConnectError::Refused { .. } | ConnectError::Tls(_)),
        SendError::Lost { .. } | SendError::Declined => true,
        _ => false,
    }
}

/// How long is to be waited, where the other side cannot answer just now.
fn said_later(response: &Response<Body>, pause: Duration) -> Option<Duration> {
    if !matches!(response.status().as_u16(), 429 | 502 | 503 | 504) {
        return None;
    }
    let said = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    Some(said.and_then(|text| retry_after(text, SystemTime::now())).unwrap_or(pause).min(MAX_PAUSE))
}

fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

fn failed(place: &str, error: SendError, patience: Patience) -> OciError {
    match error {
        SendError::Timeout { .. } => OciError::Timeout { place: place.to_owned(), after: patience.after },
        source => OciError::Send { place: place.to_owned(), source },
    }
}

impl Answer {
    /// A header, where it is text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body's length, where the head tells.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.body.announced_len()
    }

    /// The body, of so many bytes at most.
    pub(crate) async fn read(&mut self, most: u64, patience: Patience) -> Result<Vec<u8>, OciError> {
        self.read_hashed(most, patience).await.map(|(bytes, _)| bytes)
    }

    /// The same with its digest. Pieces are hashed as they come: a whole blob at once would keep a thread from everything
    /// else for as long as that takes.
    pub(crate) async fn read_hashed(&mut self, most: u64, patience: Patience) -> Result<(Vec<u8>, Digest), OciError> {
        let too_large = || OciError::TooLarge { place: self.place.clone(), most };
        if self.announced().is_some_and(|announced| announced > most) {
            return Err(too_large());
        }
        let (mut all, mut hashing) = (Vec::new(), Hashing::default());
        loop {
            let stalled = Instant::now().checked_add(patience.stall).unwrap_or(patience.until);
            let (until, after) = match stalled < patience.until {
                true => (stalled, patience.stall),
                false => (patience.until, patience.after),
            };
            let piece = timeout_at(until.into(), self.body.next()).await;
            let piece = piece.map_err(|_| OciError::Timeout { place: self.place.clone(), after })?;
            let Some(piece) = piece.map_err(|error| failed(&self.place, error, patience))? else {
                return Ok((all, hashing.digest()));
            };
            if all.len() as u64 + piece.len() as u64 > most {
                return Err(too_large());
            }
            hashing.update(&piece);
            all.extend_from_slice(&piece);
        }
    }

    /// The body where it may hold a secret.
    pub(crate) async fn read_secret(
        &mut self,
        most: usize,
        patience: Patience,
    ) -> Result<Zeroizing<Vec<u8>>, OciError> {
        let read = self.body.all(most, patience.until).await;
        let read = read.map_err(|error| failed(&self.place, error, patience))?;
        read.ok_or_else(|| OciError::TooLarge { place: self.place.clone(), most: most as u64 })
    }

    /// What the registry says of its refusal, with a colon before it; nothing where it says nothing that can be read.
    pub(crate) async fn words(&mut self, patience: Patience) -> String {
        let patience = Patience { until: patience.until.min(Instant::now() + MAX_PAUSE), ..patience };
        self.read(MAX_WORDS, patience).await.map_or(String::new(), |text| words(&text))
    }

    /// The error that this answer is.
    pub(crate) async fn failure(mut self, patience: Patience) -> OciError {
        let words = self.words(patience).await;
        match self.status {
            StatusCode::NOT_FOUND => OciError::NotFound { place: self.place, words },
            status => OciError::Status { place: self.place, status: status.as_u16(), words },
        }
    }
}

fn words(text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(text) else { return String::new() };
    let faults = refusal.errors.iter().take(3).map(|fault| match fault.message.is_empty() {
        true => shown(&fault.code),
        false => format!("{} ({})", shown(&fault.message), shown(&fault.code)),
    });
    let faults: Vec<_> = faults.filter(|fault| !fault.is_empty()).collect();
    if faults.is_empty() { String::new() } else { format!(": {}", faults.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_in_seconds_or_by_the_clock() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after("3", now), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn a_refusal_is_shown_escaped_and_shortened() {
        let text = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m"},{"code":"X","detail":{}},{}]}"#;
        assert_eq!(words(text), r": no\u{1b}[31m (DENIED); X");
        assert_eq!(words(b"<html>"), "");
        let long = format!(r#"{{"errors":[{{"code":"X","message":"{}"}}]}}"#, "ä".repeat(5000));
        assert!(words(long.as_bytes()).chars().count() < 1700);
    }

    #[test]
    fn a_place_is_told_without_its_query() {
        let url = "https://a.b:1/c/d?X-Amz-Signature=secret".parse().unwrap();
        assert_eq!(Ask::new(Method::GET).place(&url), "GET https://a.b:1/c/d");
    }
}
