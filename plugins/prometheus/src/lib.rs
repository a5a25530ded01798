//! Prometheus 2 and 3, and what speaks its HTTP API: VictoriaMetrics, vmalert, Mimir, Thanos. Everything here reads.
//!
//! `api` sends a request and takes the answer out of its envelope; `refusal` says what an error means; `wire` is
//! the JSON, read straight into the capabilities' own types, because a range query's answer is large and every tree in
//! between costs more than the query. The other modules are one interface each. They hide what differs between systems:
//! VictoriaMetrics looks at the last minutes only where no start is given, moves a range query's borders to suit its
//! cache, and lists no alerts, rather than say that it has none to evaluate.

mod alerts;
mod api;
mod config;
mod health;
mod labels;
mod metrics;
mod refusal;
mod rules;
mod time;
mod wire;

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(Prometheus);

/// The plugin.
pub struct Prometheus;

impl Plugin for Prometheus {
    fn check_health() -> Result<Health> {
        health::check()
    }
}
