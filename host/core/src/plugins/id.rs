//! How a version of a plugin is named: `etcd@0.1.0`.

use std::fmt;

use semver::Version;

/// A plugin and one version of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PluginId {
    pub(crate) name: String,
    pub(crate) version: Version,
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
