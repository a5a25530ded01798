//! What ran against which peer. Each test is a process of its own kind to the test runner, so the record is a file that
//! everyone appends one line to; `cargo xtask test` names it and reads it for its summary.

use std::{fs::File, io::Write};

use serde_json::json;

use crate::PeerError;

/// The environment variable that names the record. Without it nothing is recorded.
pub const VARIABLE: &str = "JACKFIELD_PEER_LOG";

/// Peers whose absence is no failure even where `CI=true`, by name, separated by commas.
pub const OPTIONAL: &str = "JACKFIELD_OPTIONAL_PEERS";

/// Notes that the current test runs against this peer.
pub fn used(peer: &str, version: &str) {
    write(json!({"peer": peer, "version": version, "test": test_name()}));
}

/// Notes a figure that the current test measured, for the summary.
pub fn measured(figure: &str) {
    write(json!({"measured": figure, "test": test_name()}));
}

/// Ends the current test as skipped when the machine cannot have a peer, and fails it for any other reason; also
/// when `CI=true`, unless the peer is optional.
///
/// # Panics
/// That is how the test fails.
pub fn skip_or_fail(error: &PeerError) {
    let PeerError::Missing { peer, why } = error else { panic!("{error}") };
    let optional = std::env::var(OPTIONAL).unwrap_or_default();
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if in_ci && !optional.split(',').any(|name| name.trim() == peer) {
        panic!("{error}; in CI a peer is missing only if {OPTIONAL} names it");
    }
    let mut stderr = std::io::stderr();
    let _ = writeln!(stderr, "skipped: {error}");
    write(json!({"skipped": test_name(), "peer": peer, "why": why}));
}

/// Ends the current test as skipped because the machine does not allow what it needs, which no set-up could bring: also in CI.
pub fn not_allowed(what: &str, why: &str) {
    let mut stderr = std::io::stderr();
    let _ = writeln!(stderr, "skipped: {what}: {why}");
    write(json!({"skipped": test_name(), "peer": what, "why": why}));
}

/// The peer, or an early return from the test that needs it.
#[macro_export]
macro_rules! peer {
    ($start:expr) => {
        match $start {
            Ok(peer) => peer,
            Err(error) => {
                $crate::record::skip_or_fail(&error);
                return;
            }
        }
    };
}

fn write(line: serde_json::Value) {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    // One short write in append mode: lines of parallel tests do not mix.
    if let Ok(mut file) = File::options().create(true).append(true).open(path) {
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

fn test_name() -> String {
    std::thread::current().name().unwrap_or("?").to_string()
}
