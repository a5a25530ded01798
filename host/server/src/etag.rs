//! Revisions as entity tags, so that two operators do not overwrite one another: read, change, send `If-Match`.

use http::{HeaderMap, HeaderValue, header};

use crate::problem::Problem;

/// The tag of a revision.
pub(crate) fn of(revision: u64) -> HeaderValue {
    // Digits and quotes are always a valid header value.
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// Whether the caller has set a condition, and if so, whether it holds for the revision there is.
pub(crate) fn check(headers: &HeaderMap, current: u64) -> Result<Condition, Problem> {
    let mut conditions = headers.get_all(header::IF_MATCH).iter().peekable();
    if conditions.peek().is_none() {
        return Ok(Condition::None);
    }
    let wanted = format!("\"{current}\"");
    // A weak tag (`W/"7"`) equals nothing here: If-Match compares strongly (RFC 9110, 13.1.1).
    let holds = conditions
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag == wanted);
    if holds {
        return Ok(Condition::At(current));
    }
    Err(Problem::precondition_failed(format!(
        "`If-Match` names another revision than the present one, {wanted}; read the integration again, then decide"
    )))
}

/// A condition that holds at present.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The caller has set none.
    None,
    /// The change may be made to this revision only.
    At(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(value: &'static str) -> Option<Condition> {
        check(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]), 7).ok()
    }

    #[test]
    fn only_the_present_revision_or_a_star_matches() {
        for value in ["\"7\"", "*", "\"6\", \"7\""] {
            assert_eq!(judge(value), Some(Condition::At(7)), "{value}");
        }
        for value in ["\"6\"", "W/\"7\"", "7", ""] {
            assert_eq!(judge(value), None, "{value}");
        }
    }

    #[test]
    fn no_header_is_no_condition() {
        assert_eq!(check(&HeaderMap::new(), 7).unwrap(), Condition::None);
    }
}
