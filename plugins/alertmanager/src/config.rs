//! What an integration's configuration says beyond the address.

use std::time::Duration;

use jackfield_sdk::Result;
use serde::Deserialize;

/// The configuration. The manifest's schema has judged it already.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Sent as `X-Scope-OrgID`.
    pub(crate) tenant: Option<String>,
    /// The longest one request may take.
    timeout_ms: Option<u64>,
}

impl Config {
    pub(crate) fn get() -> Result<Self> {
        jackfield_sdk::config::get()
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}
