//! An id and a span for every request. The id comes from the client's `X-Request-Id`, so that one id runs through several
//! systems, or is made here; it goes back in the answer. Only the route's pattern is recorded: a path, a query string or
//! a body may hold what must not be in a log.

use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use http::{HeaderName, HeaderValue, header};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID: usize = 128;

/// A request that is being answered.
pub(crate) struct Traced {
    id: HeaderValue,
    started: Instant,
    /// Everything that is said of it.
    pub(crate) span: tracing::Span,
}

impl Traced {
    pub(crate) fn begin(request: &Request) -> Self {
        let id = request.headers().get(&REQUEST_ID).filter(|id| is_id(id)).cloned().unwrap_or_else(new_id);
        let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
        let span = tracing::info_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            method = %request.method(),
            route,
        );
        Self { id, started: Instant::now(), span }
    }

    /// Says how it was answered, and puts what belongs to every answer in it.
    pub(crate) fn end(self, mut response: Response) -> Response {
        let Self { id, started, span } = self;
        let _within = span.enter();
        // For a stream this is the time to its first byte.
        let ms = started.elapsed().as_secs_f64() * 1e3;
        let status = response.status().as_u16();
        if response.status().is_server_error() {
            tracing::warn!(status, ms, "answered");
        } else {
            tracing::debug!(status, ms, "answered");
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        // What Jackfield tells is true at the moment it tells it.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// An id goes into logs and back to the client: only what can do no harm in either is taken over.
fn is_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_ID).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
}

/// Random at the process's start, counted from there: unique, and no secret.
fn new_id() -> HeaderValue {
    static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request"));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut id = String::with_capacity(33);
    let _ = write!(id, "{:016x}-{count:x}", *START);
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_do_harm_in_a_log_is_not_taken_over() {
        for bad in ["", "a b", "a\"b", "ä", &"x".repeat(129)] {
            assert!(!is_id(&HeaderValue::from_bytes(bad.as_bytes()).unwrap()), "{bad}");
        }
        assert!(is_id(&HeaderValue::from_static("0af7651916cd43dd8448eb211c80319c")));
    }

    #[test]
    fn ids_made_here_differ() {
        assert_ne!(new_id(), new_id());
    }
}
