//! What an integration's guests may use: what the manifest asks for, the host's default where it asks for nothing, within
//! what the operator allows and the host's ceilings. A manifest is a stranger's wish and is cut down in silence; an
//! operator who asks for more than there is is told.

use std::{collections::BTreeMap, time::Duration};

use jackfield_engine as engine;
use jackfield_registry::Limits;

use crate::{Error, Result, names};

/// One limit: its name in manifests and in the API, the host's default and its ceiling, and where it is kept.
struct Kind {
    name: &'static str,
    default: u64,
    ceiling: u64,
    get: fn(&Limits) -> Option<u64>,
    set: fn(&mut Limits, Option<u64>),
}

macro_rules! kind {
    ($field:ident, $name:literal, $default:expr, $ceiling:expr) => {
        Kind {
            name: $name,
            default: $default,
            ceiling: $ceiling,
            get: |limits| limits.$field.map(u64::from),
            set: |limits, value| limits.$field = value.and_then(|value| value.try_into().ok()),
        }
    };
}

const KINDS: [Kind; 8] = [
    // A Rust plugin needs 2 MiB; parsing a response of some megabytes needs ten times its size. The engine reserves 512
    // MiB an instance.
    kind!(memory_mib, "memory-mib", 64, 512),
    kind!(cpu_ms, "cpu-ms", 5_000, 60_000),
    kind!(call_timeout_ms, "call-timeout-ms", 30_000, 300_000),
    kind!(concurrency, "concurrency", 32, 2_000),
    kind!(response_mib, "response-mib", 64, 256),
    kind!(state_kib, "state-kib", 1 << 10, 64 << 10),
    kind!(result_mib, "result-mib", 32, 128),
    kind!(requests_per_second, "requests-per-second", 1_000, 100_000),
];

/// Feeds that may wait at once for one integration. They have places of their own: however many watch, calls get through.
const FEEDS: usize = 64;
/// What one call may send and receive, in responses of the largest size.
const RESPONSES_A_CALL: u64 = 4;

/// What is granted: every limit has a value.
pub(crate) fn grant(wanted: &Limits, allowed: &Limits) -> Result<Limits> {
    let mut granted = Limits::default();
    for Kind { name, default, ceiling, get, set } in KINDS {
        let value = match (get(wanted), get(allowed)) {
            (_, Some(allowed)) if allowed == 0 || allowed > ceiling => {
                let message = format!("`{name}` is from 1 to {ceiling}, not {allowed}");
                return Err(Error::invalid(message).at(format!("/limits/{name}")));
            }
            (Some(wanted), Some(allowed)) => wanted.min(allowed),
            (None, Some(allowed)) => allowed,
            (Some(wanted), None) => wanted.min(ceiling),
            (None, None) => default,
        };
        set(&mut granted, Some(value));
    }
    Ok(granted)
}

/// The limits that a plugin has which asks for none, and of which no operator has said anything.
pub fn default_limits() -> Limits {
    unset(&Limits::default())
}

/// What is granted to a plugin that no operator has said anything about.
pub(crate) fn unset(wanted: &Limits) -> Limits {
    grant(wanted, &Limits::default()).unwrap_or_default()
}

/// Changes what an operator allows: a number sets a limit, none leaves it to the plugin and the host.
pub(crate) fn patch(allowed: &mut Limits, patch: BTreeMap<String, Option<u64>>) -> Result<()> {
    for (name, value) in patch {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            let error = names::unknown("limit", &name, KINDS.iter().map(|kind| kind.name));
            return Err(Error::invalid(error.message).at(format!("/limits/{}", names::pointer(&name))));
        };
        // A number that does not fit must not become none.
        (kind.set)(allowed, value.map(|value| value.min(u32::MAX.into())));
    }
    Ok(())
}

/// The limits of an integration's calls.
pub(crate) fn of_calls(granted: &Limits) -> engine::Limits {
    let mut limits = engine::Limits::default();
    let size = |value: Option<u32>, shift: u32| value.map(|value| (value as usize) << shift);
    let set = |target: &mut usize, value: Option<usize>| *target = value.unwrap_or(*target);
    set(&mut limits.memory_bytes, size(granted.memory_mib, 20));
    set(&mut limits.concurrency, size(granted.concurrency, 0));
    set(&mut limits.response_bytes, size(granted.response_mib, 20));
    set(&mut limits.result_bytes, size(granted.result_mib, 20));
    limits.cpu = granted.cpu_ms.map_or(limits.cpu, Duration::from_millis);
    limits.call_timeout = granted.call_timeout_ms.map_or(limits.call_timeout, Duration::from_millis);
    limits.state_bytes = granted.state_kib.map_or(limits.state_bytes, |kib| kib << 10);
    limits
}

/// The limits of its change feeds.
pub(crate) fn of_feeds(calls: &engine::Limits) -> engine::Limits {
    engine::Limits { concurrency: FEEDS, max_idle: 1, ..calls.clone() }
}

/// Bytes that one call may send and receive.
pub(crate) fn traffic(limits: &engine::Limits) -> u64 {
    (limits.response_bytes as u64).saturating_mul(RESPONSES_A_CALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_gets_what_it_asks_for_up_to_the_ceilings() {
        let modest = Limits { memory_mib: Some(8), state_kib: Some(2), ..Limits::default() };
        let limits = of_calls(&unset(&modest));
        assert_eq!((limits.memory_bytes, limits.state_bytes), (8 << 20, 2 << 10));
        assert_eq!(limits.concurrency, engine::Limits::default().concurrency);
        let mut greedy = Limits::default();
        for kind in KINDS {
            (kind.set)(&mut greedy, Some(u64::from(u32::MAX)));
        }
        let granted = unset(&greedy);
        for kind in KINDS {
            assert_eq!((kind.get)(&granted), Some(kind.ceiling), "{}", kind.name);
        }
    }

    #[test]
    fn a_patch_sets_and_leaves_by_name() {
        let mut allowed = Limits { cpu_ms: Some(10), ..Limits::default() };
        let of = |name: &str, value| BTreeMap::from([(name.to_owned(), value)]);
        patch(&mut allowed, of("memory-mib", Some(8))).unwrap();
        patch(&mut allowed, of("cpu-ms", None)).unwrap();
        assert_eq!(allowed, Limits { memory_mib: Some(8), ..Limits::default() });
        patch(&mut allowed, of("concurrency", Some(u64::MAX))).unwrap();
        assert!(grant(&Limits::default(), &allowed).is_err(), "not silently none");
        let error = patch(&mut allowed, of("memory", Some(8))).unwrap_err();
        assert!(error.message.contains("`memory-mib`"), "{error}");
    }

    #[test]
    fn what_nobody_sets_is_the_engines_default() {
        let (ours, theirs) = (of_calls(&unset(&Limits::default())), engine::Limits::default());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    #[test]
    fn an_operator_allows_less_than_is_asked_for_and_more_than_the_default_but_no_more_than_there_is() {
        let set = |value| Limits { concurrency: Some(value), ..Limits::default() };
        assert_eq!(grant(&set(100), &set(10)).unwrap().concurrency, Some(10));
        assert_eq!(grant(&set(10), &set(100)).unwrap().concurrency, Some(10));
        assert_eq!(grant(&Limits::default(), &set(100)).unwrap().concurrency, Some(100));
        for wrong in [0, 2001] {
            let error = grant(&Limits::default(), &set(wrong)).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("/limits/concurrency"));
        }
    }
}
