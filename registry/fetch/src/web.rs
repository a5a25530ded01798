//! Files on web servers: one request, no redirect, within a size.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode};
use jackfield_net::{Dialer, OutgoingRequest, SenderOptions};

use crate::{FetchError, place::WebFile};

/// How long a file's beginning may take. How long the whole may, who fetches says.
const BEGINNING: Duration = Duration::from_secs(30);

/// Fetches a file of `most` bytes at most.
pub(crate) async fn fetch(
    dialer: &Dialer,
    options: &SenderOptions,
    file: &WebFile,
    most: usize,
) -> Result<Vec<u8>, FetchError> {
    let place = file.to_string();
    let sender = dialer
        .sender(file.address.clone(), options)
        .map_err(|source| FetchError::Connect { place: place.clone(), source })?;
    let failed = |source| FetchError::Send { place: place.clone(), source };
    let target = file.path().parse().map_err(|_| FetchError::Status { place: place.clone(), status: 400 })?;
    let request = OutgoingRequest { method: Method::GET, target, headers: HeaderMap::new(), body: bytes::Bytes::new() };
    let response = sender.send(request, Instant::now() + BEGINNING).await.map_err(failed)?;
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
    Ok(bytes)
}
