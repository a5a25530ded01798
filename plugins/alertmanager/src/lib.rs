//! Alertmanager through its API version 2: what is alerting, what is silenced, who is told.
//!
//! Listing is plain. The thought went into `silences`: Alertmanager gives every silence a new id and keeps no
//! idempotency keys, so a request that is sent again makes a second silence. That must not happen, neither when an answer
//! is lost, nor when the plugin is stopped between sending and remembering, nor when two callers ask at once.

mod alerts;
mod api;
mod config;
mod receivers;
mod silences;
mod wire;

use jackfield_sdk::prelude::*;

use crate::api::Api;
use crate::wire::Status;

jackfield_sdk::plugin!(Alertmanager);

/// The plugin.
pub struct Alertmanager;

impl Plugin for Alertmanager {
    fn check_health() -> Result<Health> {
        let status: Status = Api::open()?.get("/api/v2/status", "")?.json()?;
        let health = match status.cluster.status.as_str() {
            "settling" => Health::degraded("Alertmanager answers, its cluster is still settling"),
            _ => Health::healthy("Alertmanager answers"),
        };
        Ok(if status.version_info.version.is_empty() { health } else { health.version(status.version_info.version) })
    }
}
