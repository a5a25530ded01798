//! How registries of plugins are asked.

use std::path::PathBuf;

use clap::Args;
use jackfield_core::{RegistryCredentials, RegistryMirror, RegistryOptions, RegistryProxy};

use super::Pair;
use crate::failure::Failure;

/// How registries of plugins are asked, by a server or by a command that opens the data folder itself. Who this is to a
/// registry, Docker's configuration says: `docker login`, `oras login`; the proxy is HTTPS_PROXY's, but for NO_PROXY.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Registries of plugins")]
pub(crate) struct RegistryGlobals {
    /// Certificates to trust instead of the system's, of registries and web servers that plugins come from
    #[arg(long, global = true, value_name = "FILE", env = "JACKFIELD_REGISTRY_CA", hide_env_values = true)]
    pub(crate) registry_ca: Option<PathBuf>,

    /// Read from another place what is named as in one: ghcr.io/acme=mirror.example/acme
    #[arg(
        long = "registry-mirror",
        global = true,
        value_name = "PREFIX=PLACE",
        env = "JACKFIELD_REGISTRY_MIRRORS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) registry_mirrors: Vec<Pair>,

    /// A registry that is spoken to without TLS; those on this machine always are
    #[arg(
        long = "registry-plain-http",
        global = true,
        value_name = "HOST:PORT",
        env = "JACKFIELD_REGISTRY_PLAIN_HTTP",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) registry_plain_http: Vec<String>,
}

impl RegistryGlobals {
    /// What they say, with Docker's credentials.
    pub(crate) fn options(&self) -> Result<RegistryOptions, Failure> {
        let read = |file: &PathBuf| {
            std::fs::read_to_string(file)
                .map_err(|error| Failure::Usage(format!("--registry-ca: {} cannot be read: {error}", file.display())))
        };
        let mirror = |pair: &Pair| RegistryMirror { prefix: pair.name.clone(), replacement: pair.value.clone() };
        Ok(RegistryOptions {
            ca_pem: self.registry_ca.as_ref().map(read).transpose()?,
            mirrors: self.registry_mirrors.iter().map(mirror).collect(),
            credentials: RegistryCredentials::docker_default(),
            proxy: proxy(),
            plain_http: self.registry_plain_http.clone(),
            ..RegistryOptions::default()
        })
    }
}

/// The proxy that the environment names, in capitals or not, as with curl. One of a kind that is not spoken to here is not a
/// reason to do nothing at all.
fn proxy() -> Option<RegistryProxy> {
    let variable = |name: &str| {
        let found = [name.to_owned(), name.to_lowercase()].into_iter().find_map(|name| std::env::var(name).ok());
        found.filter(|value| !value.is_empty())
    };
    let address = variable("HTTPS_PROXY")?;
    let except = variable("NO_PROXY").unwrap_or_default();
    // What it is may hold a password, so it is not repeated.
    let proxy = RegistryProxy::new(&address, &except);
    proxy.inspect_err(|error| tracing::warn!(%error, "HTTPS_PROXY is not used for registries of plugins")).ok()
}
