//! Outside systems that have asked to be left alone for a while: 429 and 503 with `Retry-After` (RFC 9110, 10.2.3). Nothing more is
//! sent to that endpoint until then, whichever call wants to: who goes on asking is kept out for longer, by systems that
//! count refused requests too.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// The longest that is waited, whatever is asked for: a wrong answer is not to silence an integration for a day.
const MOST: Duration = Duration::from_secs(300);

/// Endpoints that nothing is sent to, and until when.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<String, Instant>>);

impl Pauses {
    /// How long nothing is sent to an endpoint from now on, if so.
    pub(crate) fn left(&self, endpoint: &str) -> Option<Duration> {
        self.left_at(endpoint, Instant::now())
    }

    /// Whether nothing is sent to one endpoint at least.
    pub(crate) fn any(&self) -> bool {
        let now = Instant::now();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().any(|until| *until > now)
    }

    fn left_at(&self, endpoint: &str, now: Instant) -> Option<Duration> {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The usual case: nobody has asked for anything.
        let left = until.get(endpoint)?.saturating_duration_since(now);
        if left.is_zero() {
            until.remove(endpoint);
            return None;
        }
        Some(left)
    }

    /// Reads what an answer asks for; how long that is, if it asks for anything.
    pub(crate) fn heard(&self, endpoint: &str, status: u16, headers: &[(String, String)]) -> Option<Duration> {
        if !matches!(status, 429 | 503) {
            return None;
        }
        let (_, value) = headers.iter().find(|(name, _)| name == "retry-after")?;
        let wait = wait(value, SystemTime::now())?.min(MOST);
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.insert(endpoint.to_owned(), Instant::now() + wait);
        Some(wait)
    }
}

/// A number of seconds, or a date; nothing where it is neither, or over.
fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok()?,
    };
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: &str) -> Vec<(String, String)> {
        vec![("retry-after".to_owned(), value.to_owned())]
    }

    #[test]
    fn an_endpoint_that_asks_for_it_is_left_alone_for_as_long_and_no_other_is() {
        let pauses = Pauses::default();
        assert_eq!(pauses.heard("api", 429, &after("2")), Some(Duration::from_secs(2)));
        assert!(pauses.left("api").is_some_and(|left| left > Duration::from_secs(1)));
        assert_eq!(pauses.left("other"), None);
        let later = Instant::now() + Duration::from_secs(3);
        assert_eq!(pauses.left_at("api", later), None);
        assert_eq!(pauses.left("api"), None, "it is forgotten once it is over");
    }

    #[test]
    fn only_who_is_busy_is_believed_and_only_for_so_long() {
        let pauses = Pauses::default();
        for (status, headers) in
            [(200, after("2")), (500, after("2")), (429, vec![]), (429, after("soon")), (503, after("0"))]
        {
            assert_eq!(pauses.heard("api", status, &headers), None, "{status} {headers:?}");
        }
        assert_eq!(pauses.heard("api", 503, &after("86400")), Some(MOST));
    }

    #[test]
    fn a_date_is_as_good_as_a_number() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT", now), None);
        assert_eq!(wait("4294967296", now), None);
    }
}
