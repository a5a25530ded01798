//! What an operator can choose, and the rules between the choices that a schema cannot express: the keys of markers,
//! which are hidden and reserved, must not contain or be contained in what other people see.

use std::time::Duration;

use jackfield_sdk::prelude::*;
use serde::Deserialize;

/// The configuration, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Settings {
    /// What the keys of services begin with.
    pub(crate) service_prefix: String,
    /// What the keys of locks begin with.
    pub(crate) lock_prefix: String,
    /// What the keys of idempotency markers begin with.
    pub(crate) marker_prefix: String,
    /// How long markers are kept at least.
    pub(crate) idempotency_seconds: u64,
    /// The longest to wait for the head of one answer.
    pub(crate) request_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_prefix: "services/".to_owned(),
            lock_prefix: "jackfield/locks/".to_owned(),
            marker_prefix: "jackfield/idempotency/".to_owned(),
            idempotency_seconds: 86_400,
            request_timeout_ms: 7_000,
        }
    }
}

impl Settings {
    /// Whether the key is one of our own markers, which nobody else sees.
    pub(crate) fn hides(&self, key: &[u8]) -> bool {
        key.starts_with(self.marker_prefix.as_bytes())
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// Judges what the schema cannot.
    pub(crate) fn check(&self) -> Result<()> {
        let markers = self.marker_prefix.as_str();
        for (field, other) in [("service-prefix", &self.service_prefix), ("lock-prefix", &self.lock_prefix)] {
            // An empty lock prefix is above everything and touches markers only if a lock is named like them.
            if other.starts_with(markers) || (!other.is_empty() && markers.starts_with(other.as_str())) {
                return Err(Error::invalid(
                    format!("/{field}"),
                    format!("`{other}` and marker-prefix `{markers}` overlap; markers need a prefix of their own"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_manifest_are_the_defaults_of_the_code() {
        let manifest = include_str!("../plugin.toml");
        let defaults = Settings::default();
        for text in [
            format!("default = \"{}\"", defaults.service_prefix),
            format!("default = \"{}\"", defaults.lock_prefix),
            format!("default = \"{}\"", defaults.marker_prefix),
            format!("default = {}", defaults.idempotency_seconds),
            format!("default = {}", defaults.request_timeout_ms),
        ] {
            assert!(manifest.contains(&text), "{text}");
        }
        assert_eq!(defaults.check(), Ok(()));
    }

    #[test]
    fn prefixes_that_overlap_the_markers_are_refused() {
        for (services, locks, fine) in [
            ("jackfield/", "locks/", false),
            ("jackfield/idempotency/services/", "locks/", false),
            ("services/", "jackfield/idempotency/", false),
            ("services/", "", true),
            ("jackfield/idempotent/", "locks/", true),
        ] {
            let settings =
                Settings { service_prefix: services.to_owned(), lock_prefix: locks.to_owned(), ..Settings::default() };
            assert_eq!(settings.check().is_ok(), fine, "{services} {locks}");
        }
    }
}
