//! The headers a request may carry beside HTTP's own.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::problem::Problem;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static("jackfield-timeout-ms");
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The shortest deadline that can be asked for: below it nothing but a timeout could come of a call.
pub(crate) const MIN_TIMEOUT_MS: u64 = 100;
/// The longest deadline that can be asked for; what the plugin may take at most holds besides.
pub(crate) const MAX_TIMEOUT_MS: u64 = 600_000;
/// The longest idempotency key.
pub(crate) const MAX_KEY: usize = 255;

/// `Idempotency-Key`: names a write, so that sending it again does it once.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(Problem::invalid(format!(
            "the header `Idempotency-Key` must be 1 to {MAX_KEY} printable ASCII characters"
        )));
    }
    Ok(Some(key.to_owned()))
}

/// Names a write to whoever sent it: by `Idempotency-Key`, with which it can be sent again, and `Idempotency-Replayed`
/// where it was carried out before.
pub(crate) fn name_write(headers: &mut HeaderMap, key: &str, replayed: bool) {
    // A key in the body may be of characters that no header can hold.
    if let Ok(value) = HeaderValue::from_str(key) {
        headers.insert(IDEMPOTENCY_KEY, value);
    }
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
}

/// `Jackfield-Timeout-Ms`: how long the caller is willing to wait.
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(text) = single(headers, &TIMEOUT_MS)? else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(ms) if (MIN_TIMEOUT_MS..=MAX_TIMEOUT_MS).contains(&ms) => Ok(Some(Duration::from_millis(ms))),
        _ => Err(Problem::invalid(format!(
            "the header `Jackfield-Timeout-Ms` must be a whole number of milliseconds from {MIN_TIMEOUT_MS} to {MAX_TIMEOUT_MS}"
        ))),
    }
}

/// `Last-Event-ID`: what a client that lost its stream saw last.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    Ok(single(headers, &LAST_EVENT_ID)?.filter(|id| !id.is_empty()).map(str::to_owned))
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid(format!("the header `{name}` is given more than once")));
    }
    // Event ids are UTF-8, which `HeaderValue::to_str` would refuse.
    std::str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| Problem::invalid(format!("the header `{name}` is not UTF-8")))
}

/// Whether the client asks for `wanted` and not for JSON: a browser's `*/*` asks for nothing in particular.
pub(crate) fn asks_for(headers: &HeaderMap, wanted: &str) -> bool {
    let names = |media: &str| {
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media))
        })
    };
    names(wanted) && !names("application/json")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_stream_is_given_only_to_who_asks_for_one() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream;q=0.9, text/html", true),
            ("*/*", false),
            ("application/json, text/event-stream", false),
            ("text/event-streams", false),
        ] {
            assert_eq!(asks_for(&with(header::ACCEPT, accept), "text/event-stream"), expected, "{accept}");
        }
    }

    #[test]
    fn a_timeout_that_is_no_sensible_number_is_refused() {
        for bad in ["", "0", "99", "600001", "-5", "1e3", "5s", "99999999999999999999"] {
            assert!(timeout(&with(TIMEOUT_MS, bad)).is_err(), "{bad}");
        }
        assert_eq!(timeout(&with(TIMEOUT_MS, "250")).unwrap(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_header_given_twice_is_refused_rather_than_guessed() {
        let mut headers = with(IDEMPOTENCY_KEY, "a");
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("b"));
        assert!(idempotency_key(&headers).unwrap_err().detail().contains("more than once"));
    }
}
