//! What an operator can choose, and what of it a schema cannot judge.

use std::time::Duration;

use jackfield_sdk::prelude::*;
use serde::Deserialize;

use crate::{names, value};

/// The configuration, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Settings {
    /// Where the secrets engine is mounted.
    pub(crate) mount: String,
    /// What stands before each key; empty, or with `/` at its end.
    pub(crate) prefix: String,
    /// The field of a secret that holds a value.
    pub(crate) field: String,
    /// The namespace; empty for the root.
    pub(crate) namespace: String,
    /// Whether the health is also that of the token that makes tokens.
    pub(crate) check_tokens: bool,
    /// The longest to wait for the head of one answer.
    pub(crate) request_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mount: "secret".to_owned(),
            prefix: String::new(),
            field: "value".to_owned(),
            namespace: String::new(),
            check_tokens: false,
            request_timeout_ms: 7_000,
        }
    }
}

impl Settings {
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// Judges what the schema cannot.
    pub(crate) fn check(&self) -> Result<()> {
        names::prefix(&self.prefix, "/prefix")?;
        // These would be paths of OpenBao's own.
        if matches!(self.mount.as_str(), "." | ".." | "sys" | "auth" | "identity" | "cubbyhole") {
            let message =
                format!("no secrets engine of keys is mounted at `{}`; name the mount of a KV engine", self.mount);
            return Err(Error::invalid("/mount", message));
        }
        if self.field == value::ENCODING {
            let message = format!("`{}` says how a value is written down; choose another field", value::ENCODING);
            return Err(Error::invalid("/field", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_told_with_its_place() {
        for (config, place) in [
            (r#"{"mount": "sys"}"#, "/mount"),
            (r#"{"mount": ".."}"#, "/mount"),
            (r#"{"prefix": "a/../b/"}"#, "/prefix"),
            (r#"{"field": "encoding"}"#, "/field"),
        ] {
            let error = config::parse::<Settings>(config).unwrap().check().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid(jackfield_sdk::types::FieldViolation { field: place.into() }));
        }
        let good = r#"{"mount": "kv", "prefix": "team/app/", "namespace": "ns1"}"#;
        assert_eq!(config::parse::<Settings>(good).unwrap().check(), Ok(()));
    }
}
