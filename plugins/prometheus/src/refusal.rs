//! What an error means. Prometheus tells its kind and the parameter that is wrong; VictoriaMetrics tells little more than
//! the status; what is in front of them, or not there at all, answers in texts of its own.

use jackfield_sdk::prelude::*;
use jackfield_sdk::types::{FieldViolation, RetryAfter};

use crate::wire::Refusal;

/// The field that holds a query.
pub(crate) const QUERY: &str = "/query";

/// Which field of the request each parameter of the API comes from.
pub(crate) struct Fields {
    /// Where nothing points elsewhere.
    pub(crate) main: &'static str,
    /// Parameters by the API's name.
    pub(crate) named: &'static [(&'static str, &'static str)],
}

impl Fields {
    /// For requests whose parameters are not the caller's.
    pub(crate) const NONE: Self = Self { main: "", named: &[] };

    fn of(&self, message: &str) -> FieldViolation {
        let named = |name: &str| self.named.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
        let told = message.split_once("invalid parameter \"").and_then(|(_, rest)| named(rest.split('"').next()?));
        let guessed = || {
            // Errors that name their parameter in another way.
            [("points", "step"), ("resolution", "step"), ("match[]", "match[]"), ("label name", "name")]
                .into_iter()
                .find(|(word, _)| message.contains(word))
                .and_then(|(_, name)| named(name))
        };
        FieldViolation { field: told.or_else(guessed).unwrap_or(self.main).to_owned() }
    }
}

/// The response, where it is an answer.
pub(crate) fn check(response: http::Response, fields: &Fields) -> Result<http::Response> {
    let (status, retry_after) = (response.status(), response.header("retry-after").and_then(|s| s.parse().ok()));
    let mut body = Vec::new();
    let judged = response.error_for_status_with(|found| {
        body = found.to_vec();
        Some(match envelope(found) {
            Some(refusal) => http::Reason { message: refusal.error, code: Some(refusal.error_type) },
            None => http::Reason { message: first_line(found), code: None },
        })
    });
    judged.map_err(|mut error| {
        let refusal = envelope(&body);
        if let Some(kind) = kind_of(status, refusal.as_ref(), &body, retry_after, fields) {
            error.kind = kind;
        }
        if refusal.is_none() && error.kind == ErrorKind::Unsupported {
            error.message.push_str(
                ". The system does not have this, or the integration's address lacks the base path of its API",
            );
        }
        error
    })
}

fn envelope(body: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(body).ok()
}

/// What the other side's own words say of the kind; `None` where the status says it best.
fn kind_of(
    status: u16,
    refusal: Option<&Refusal>,
    body: &[u8],
    retry_after_s: Option<u64>,
    fields: &Fields,
) -> Option<ErrorKind> {
    let Some(Refusal { error_type, error }) = refusal else {
        // Prometheus's and VictoriaMetrics's words for a path that is not there.
        let missing = status == 404 || status == 400 && contains(body, "unsupported path requested");
        return missing.then_some(ErrorKind::Unsupported);
    };
    Some(match error_type.as_str() {
        "bad_data" => ErrorKind::Invalid(fields.of(error)),
        "execution" if error.contains("unavailable with Prometheus Agent") => ErrorKind::Unsupported,
        // What ends while the series are being read is told in Go's own words.
        "execution" if error.ends_with("context deadline exceeded") => ErrorKind::DeadlineExceeded,
        "execution" if error.ends_with("context canceled") => ErrorKind::Unavailable,
        // A query that parses and cannot be evaluated. Where there is no query, it is the storage that failed.
        "execution" if fields.main == QUERY => ErrorKind::Invalid(fields.of(error)),
        "execution" | "internal" => ErrorKind::Internal,
        "timeout" => ErrorKind::DeadlineExceeded,
        "canceled" | "unavailable" => ErrorKind::Unavailable,
        "not_found" => ErrorKind::NotFound,
        "not_acceptable" => ErrorKind::Unsupported,
        "too_many_requests" => {
            ErrorKind::RateLimited(RetryAfter { delay_ms: retry_after_s.and_then(|s| s.checked_mul(1000)) })
        }
        // VictoriaMetrics has the status for a type and one status for everything.
        _ if matches!(status, 400 | 422) && error.contains("timeout exceeded") => ErrorKind::DeadlineExceeded,
        _ if matches!(status, 400 | 422) => ErrorKind::Invalid(fields.of(error)),
        _ => return None,
    })
}

fn contains(body: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(body).contains(words)
}

/// The first line of a text. A page of HTML says nothing that the status does not.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start();
    if text.starts_with('<') { String::new() } else { text.lines().next().unwrap_or_default().to_owned() }
}
