//! How a host is put together.
use std::{path::{Path, PathBuf}, time::Duration};

use crate::{Error, Host, Result};

/// Builds a [`Host`].
#[derive(Clone, Debug, Default)]
pub struct HostBuilder {
    data_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    health_interval: Option<Duration>,
    announce: Option<String>,
}

impl HostBuilder {
    /// Keeps state in this folder, which is made where it is missing and locked.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }
    /// Keeps state in memory.
    pub fn in_memory(mut self) -> Self {
        self.data_dir = None;
        self
    }
    /// Keeps compiled components in this folder.
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }
    /// How often each integration's health is checked.
    pub fn health_interval(mut self, interval: Duration) -> Self {
        self.health_interval = Some(interval);
        self
    }
    /// Announces a server's address in the data folder's lock file.
    pub fn announce(mut self, address: impl Into<String>) -> Self {
        self.announce = Some(address.into());
        self
    }
    /// Starts the host.
    pub async fn build(self) -> Result<Host> {
        Err(Error::internal("not built yet"))
    }
}

/// The address a running server announced in the data folder's lock file.
pub fn server_of(_data_dir: &Path) -> Option<String> {
    None
}
