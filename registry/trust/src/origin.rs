//! Where a plugin came from, as policy rules and records name it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a plugin came from: `oci://REGISTRY/REPOSITORY`, `https://HOST/PATH` or `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// A file that the operator handed over.
    pub fn file(path: &str) -> Self {
        Self(format!("file:{path}"))
    }

    /// A place with a scheme of its own.
    pub fn place(place: impl Into<String>) -> Self {
        Self(place.into())
    }

    /// Whether it is a file that the operator handed over.
    pub fn is_file(&self) -> bool {
        self.0.starts_with("file:")
    }

    /// Whether it is in a registry.
    pub(crate) fn is_registry(&self) -> bool {
        self.0.starts_with("oci:")
    }

    /// Whether a prefix covers it. A prefix ends where a name ends: `oci://ghcr.io/acme` covers `oci://ghcr.io/acme/etcd` and
    /// not `oci://ghcr.io/acme-plugins/etcd`; `oci://ghcr.io` covers no other port of that host.
    pub(crate) fn is_below(&self, prefix: &str) -> bool {
        let Some(rest) = self.0.strip_prefix(prefix) else { return false };
        prefix.ends_with(['/', ':']) || rest.is_empty() || rest.starts_with('/')
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        let origin = Origin::place("oci://ghcr.io/acme/etcd");
        for covers in ["oci:", "oci://ghcr.io", "oci://ghcr.io/acme", "oci://ghcr.io/acme/", "oci://ghcr.io/acme/etcd"]
        {
            assert!(origin.is_below(covers), "{covers}");
        }
        for other in ["oci://ghcr.io/acm", "oci://ghcr.io/acme/etc", "oci://ghcr.io/acme/etcd/x", "https:"] {
            assert!(!origin.is_below(other), "{other}");
        }
        assert!(!Origin::place("oci://ghcr.io:8443/acme/etcd").is_below("oci://ghcr.io"), "another registry");
    }
}
