//! What every plugin is, apart from its capabilities.

use crate::types::Result;

/// The life cycle of a plugin. The host calls it; nobody else can. What the plugin is called and which version it has
/// comes from the manifest and needs no code.
pub trait Plugin {
    /// Asks the outside system whether it is there and answers. Called on a schedule and when an operator asks, with the
    /// configuration of the integration. An error counts as unhealthy, with the error's kind and source.
    fn check_health() -> Result<Health>;

    /// Judges a configuration (a JSON object) that already satisfies the manifest's schema: for rules a schema cannot
    /// express. Called before an integration is added or changed. Must reach no outside system and may not rely on
    /// [`config`](crate::config), which is not this configuration. Fail with [`Error::invalid`](crate::Error::invalid),
    /// whose field is a pointer into the configuration.
    fn validate_config(config: &str) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Rewrites a configuration that was made for an older version of the plugin. Called before the first use after an
    /// upgrade; the result must satisfy the new schema.
    fn migrate_config(from_version: &str, config: String) -> Result<String> {
        let _ = from_version;
        Ok(config)
    }
}

/// How an integration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The state in one word.
    pub status: HealthStatus,
    /// One sentence for a person.
    pub message: String,
    /// The outside system's version, where it tells.
    pub system_version: Option<String>,
}

/// The state in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStatus {
    /// Everything works.
    Healthy,
    /// It works in part: some operations may fail.
    Degraded,
    /// Nothing can be expected to work.
    Unhealthy,
}

impl Health {
    /// Everything works.
    pub fn healthy(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Healthy, message: message.into(), system_version: None }
    }

    /// It works in part.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Degraded, ..Self::healthy(message) }
    }

    /// Nothing can be expected to work.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unhealthy, ..Self::healthy(message) }
    }

    /// Adds the outside system's version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.system_version = Some(version.into());
        self
    }
}
