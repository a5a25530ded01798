//! What the guest in `tests/hostile/unruly` can do wrong, and what comes of it.

use serde_json::{Value, json};

/// A way to misbehave.
#[derive(Debug, Clone)]
pub struct Way {
    /// The operation.
    pub operation: &'static str,
    /// Its parameters.
    pub params: Value,
    /// The code of the error that comes of it, or its kind where it has no code.
    pub told: &'static str,
}

/// All of them.
pub fn ways() -> Vec<Way> {
    let ways = [
        ("spin", json!({}), "cpu-limit"),
        ("recurse", json!({}), "internal"),
        ("descend", json!({"depth": 10_000_000}), "stack-limit"),
        ("creep", json!({}), "memory-limit"),
        ("grow", json!({"mib": 1500}), "memory-limit"),
        ("crowd", json!({"count": 10_000_000}), "copies-limit"),
        ("long", json!({"bytes": 1 << 30}), "memory-limit"),
        ("long", json!({"bytes": 40_000_000}), "result-limit"),
        ("lie", json!({"bytes": 1 << 30}), "internal"),
        ("poison", json!({}), "internal"),
        ("crash", json!({"message": "the sky fell"}), "internal"),
        ("chatter", json!({"length": 4000}), "cpu-limit"),
        ("hoard", json!({"path": "/x"}), "resources-limit"),
        // What it has spent of the requests a second is missing to whoever comes after it.
        ("hammer", json!({"path": "/x"}), "cpu-limit"),
        ("fetch", json!({"path": "/never"}), "deadline-exceeded"),
        ("sleep", json!({"ms": 600_000}), "deadline-exceeded"),
    ];
    ways.into_iter().map(|(operation, params, told)| Way { operation, params, told }).collect()
}

/// What an error says it is: its code, or its kind where it has no code.
pub fn told(problem: &Value) -> &str {
    problem["code"].as_str().or(problem["kind"].as_str()).unwrap_or_default()
}
