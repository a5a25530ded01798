//! Ways in for the fuzz targets: what reads a stranger's bytes first, without a socket and a host around it. Hidden, and no
//! part of the API: nothing here decides anything.

use http::{HeaderMap, Uri};

use crate::{
    etag, paging,
    request::{headers, query},
    sse::Frame,
};

/// A query string's pairs, or the problem document.
pub fn query(uri: &Uri) -> Result<Vec<(String, String)>, String> {
    query::pairs(uri).map_err(|problem| problem.json())
}

/// The page of a list of names that a query asks for, as JSON, or the problem document.
pub fn page(names: &[&str], uri: &Uri) -> Result<String, String> {
    let page = query::Known::read(uri, &["cursor", "limit"])
        .and_then(|query| paging::page(names.to_vec(), |name| name, &query))
        .map_err(|problem| problem.json())?;
    Ok(serde_json::to_string(&page).unwrap_or_default())
}

/// What our own headers say, each in words of its own, or the problem document.
pub fn headers(headers: &HeaderMap) -> [Result<String, String>; 5] {
    [
        headers::idempotency_key(headers).map(|key| format!("{key:?}")),
        headers::timeout(headers).map(|timeout| format!("{timeout:?}")),
        headers::last_event_id(headers).map(|id| format!("{id:?}")),
        etag::check(headers, 7).map(|condition| format!("{condition:?}")),
        Ok(headers::asks_for(headers, "text/event-stream").to_string()),
    ]
    .map(|read| read.map_err(|problem| problem.json()))
}

/// An event as it is sent; one without data only moves the position.
pub fn event(name: &str, id: Option<&str>, data: Option<&str>) -> String {
    let mut frame = Frame::default();
    match (data, id) {
        (Some(data), id) => frame.event(name, id, data),
        (None, Some(id)) => frame.position(id),
        (None, None) => {}
    }
    frame.as_str().to_owned()
}
