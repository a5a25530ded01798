//! `wait-ms`: by convention the parameter with which a caller says how long an operation may wait for something to happen,
//! a change or a lock. An operation that is still waiting when the call's time runs out would be cut off and its answer,
//! which is as good as any, lost; so it is never asked to wait longer than half of that time.

use std::time::Duration;

use bytes::Bytes;
use jackfield_reflect::Operation;
use serde_json::value::to_raw_value;

use crate::members::Members;

pub(crate) const WAIT_MS: &str = "wait-ms";

/// The longest that a single poll of a change feed waits: less than proxies and clients commonly wait for an answer. Who
/// wants to wait longer polls again from the same place, or watches.
const POLL: Duration = Duration::from_secs(5);

/// The longest wait that leaves an operation time to answer.
pub(crate) fn longest(allowed: Duration) -> Duration {
    allowed / 2
}

/// The parameters with a wait that ends within `allowed`. Text that is no object is left for the decoder to refuse.
pub(crate) fn within(operation: &Operation, params: Bytes, allowed: Duration) -> Bytes {
    if !operation.params.iter().any(|param| param.name == WAIT_MS) {
        return params;
    }
    let Ok(mut members) = serde_json::from_slice::<Members<'_>>(&params) else { return params };
    // As a float, since the decoder takes `5000.0` for a whole number too.
    let asked = members.0.get(WAIT_MS).and_then(|given| serde_json::from_str::<f64>(given.get()).ok());
    let longest = if operation.feed { longest(allowed).min(POLL) } else { longest(allowed) };
    let longest = u32::try_from(longest.as_millis()).unwrap_or(u32::MAX);
    if asked.is_none_or(|asked| asked <= f64::from(longest)) {
        return params;
    }
    let Ok(raw) = to_raw_value(&longest) else { return params };
    members.0.insert(WAIT_MS.to_owned(), &raw);
    serde_json::to_vec(&members).map_or_else(|_| params.clone(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{operations, read_wit};

    use super::*;

    fn within_a_second(params: &'static str) -> String {
        let wit = r"
            package jackfield:bundle;
            package a:b@0.1.0 {
                interface b { follow: func(n: u64, wait-ms: u32); }
            }";
        let packages = read_wit(wit).unwrap();
        let package = packages.iter().find(|package| package.id.name == "b").unwrap();
        let operation = operations(package).unwrap().remove(0);
        let params = within(&operation, Bytes::from_static(params.as_bytes()), Duration::from_secs(1));
        String::from_utf8(params.to_vec()).unwrap()
    }

    #[test]
    fn a_wait_beyond_the_calls_time_is_shortened_and_nothing_else_is_touched() {
        // The number would lose digits if it were read as one.
        let shortened = within_a_second(r#"{"n": 18446744073709551615, "wait-ms": 4294967295}"#);
        assert_eq!(shortened, r#"{"n":18446744073709551615,"wait-ms":500}"#);
        assert_eq!(within_a_second(r#"{"wait-ms": 501.0}"#), r#"{"wait-ms":500}"#);
    }

    #[test]
    fn a_wait_that_fits_and_text_that_is_no_wait_stay_as_they_are() {
        for params in
            [r#"{"n": 1, "wait-ms": 500}"#, r#"{"n": 1}"#, r#"{"wait-ms": -1}"#, r#"{"wait-ms": "9999"}"#, "[9]"]
        {
            assert_eq!(within_a_second(params), params);
        }
    }
}
