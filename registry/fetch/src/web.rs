//! Files on web servers: one request, no redirect, within a size.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jackfield_net::{Dialer, OutgoingRequest, SenderOptions};

use crate::{FetchError, place::WebFile};

/// How long a file's beginning may take. How long the whole may, who fetches says.
const BEGINNING: Duration = Duration::from_secs(30);
/// The longest name of a state that is kept, in bytes.
const MAX_ETAG: usize = 200;

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the server calls this state of it, where it says.
    pub etag: Option<String>,
}

/// Fetches a file of `most` bytes at most.
pub(crate) async fn fetch(
    dialer: &Dialer,
    options: &SenderOptions,
    file: &WebFile,
    most: usize,
) -> Result<Vec<u8>, FetchError> {
    let found = fetch_unless(dialer, options, file, most, None).await?;
    found.map(|found| found.bytes).ok_or_else(|| FetchError::Status { place: file.to_string(), status: 304 })
}

/// The same, unless it is what the server called `known` before.
pub(crate) async fn fetch_unless(
    dialer: &Dialer,
    options: &SenderOptions,
    file: &WebFile,
    most: usize,
    known: Option<&str>,
) -> Result<Option<Content>, FetchError> {
    let place = file.to_string();
    let sender = dialer
        .sender(file.address.clone(), options)
        .map_err(|source| FetchError::Connect { place: place.clone(), source })?;
    let failed = |source| FetchError::Send { place: place.clone(), source };
    let target = file.path().parse().map_err(|_| FetchError::Status { place: place.clone(), status: 400 })?;
    let mut headers = HeaderMap::new();
    // What cannot be said again was no state's name.
    let known = known.and_then(|known| HeaderValue::from_str(known).ok());
    if let Some(known) = known.clone() {
        headers.insert(header::IF_NONE_MATCH, known);
    }
    let request = OutgoingRequest { method: Method::GET, target, headers, body: bytes::Bytes::new() };
    let response = sender.send(request, Instant::now() + BEGINNING).await.map_err(failed)?;
    if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
        return Ok(None);
    }
    let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { place, status: response.status().as_u16() });
    }
    let mut body = response.into_body();
    let too_large = || FetchError::TooLarge { place: place.clone(), most };
    if body.announced_len().is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await.map_err(failed)? {
        if bytes.len() + piece.len() > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(Content { bytes, etag: etag.filter(|etag| etag.len() <= MAX_ETAG) }))
}
