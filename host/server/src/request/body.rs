//! Bodies: read whole, within a size and a time, and of the content type the route takes. Requiring
//! `application/json` is also what keeps a web form of another site out: browsers send that type only after asking.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::within::within;
use crate::{ServerOptions, problem::Problem};

/// The content types of a plugin file.
pub(crate) const PLUGIN_TYPES: &[&str] = &["application/wasm", "application/octet-stream"];
/// A change of an integration is a merge patch (RFC 7396), whose own type is as good.
const JSON_TYPES: &[&str] = &["application/json", "application/merge-patch+json"];

/// Reads a body of JSON text without parsing it. No body at all stands for `{}`.
pub(crate) async fn json_text(request: Request, options: &ServerOptions) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let typed = expect_type(&parts.headers, JSON_TYPES);
    if parts.headers.contains_key(header::CONTENT_TYPE) {
        // The type is judged before the body is waited for.
        typed?;
        return read(&parts.headers, body, options.body_bytes, options.body_timeout).await.map(object_if_empty);
    }
    let bytes = read(&parts.headers, body, options.body_bytes, options.body_timeout).await?;
    if bytes.is_empty() { Ok(object_if_empty(bytes)) } else { typed.map(|()| bytes) }
}

/// Reads a body of JSON as a `T`. Errors point at the member that is wrong.
pub(crate) async fn json<T: DeserializeOwned>(request: Request, options: &ServerOptions) -> Result<T, Problem> {
    parse(&json_text(request, options).await?)
}

/// Whether the body says that it is JSON.
pub(crate) fn is_json(request: &Request) -> bool {
    expect_type(request.headers(), JSON_TYPES).is_ok()
}

/// Reads a plugin file.
pub(crate) async fn plugin(request: Request, options: &ServerOptions) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    expect_type(&parts.headers, PLUGIN_TYPES)?;
    read(&parts.headers, body, options.plugin_bytes, options.body_timeout).await
}

fn object_if_empty(bytes: Bytes) -> Bytes {
    if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes }
}

fn expect_type(headers: &HeaderMap, wanted: &[&'static str]) -> Result<(), Problem> {
    let found = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = found.as_deref().map(|value| value.split(';').next().unwrap_or_default().trim());
    match essence {
        Some(essence) if wanted.iter().any(|wanted| essence.eq_ignore_ascii_case(wanted)) => Ok(()),
        _ => Err(Problem::unsupported_media_type(found.as_deref(), wanted.first().copied().unwrap_or_default())),
    }
}

async fn read(headers: &HeaderMap, body: Body, limit: usize, timeout: Duration) -> Result<Bytes, Problem> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    match within(timeout, Limited::new(body, limit).collect()).await {
        Some(Ok(collected)) => Ok(collected.to_bytes()),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Some(Err(_)) => Err(Problem::invalid("the body broke off before its end")),
        None => Err(Problem::slow_body(timeout)),
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let problem = Problem::invalid(format!("the body is wrong: {}", error.into_inner()));
        if pointer.is_empty() { problem } else { problem.at(pointer) }
    })?;
    json.end().map_err(|error| Problem::invalid(format!("the body is wrong: {error}")))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Segment::Unknown => return pointer,
        }
    }
    pointer
}
