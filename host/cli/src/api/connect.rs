//! Which API a command talks to: the one that `--server` names, else the server that announced itself in the data folder's
//! lock file, else none, and the command opens the data folder itself. A folder has one writer at a time; when another
//! command holds it, this one waits a little for its turn before it says so.

use std::{path::PathBuf, time::Duration};

use jackfield_core::{AllowedSources, ErrorKind, RegistryOptions, Secret, server_of};
use tokio::time::{Instant, sleep};

use super::{Api, embedded::Embedded, remote::Remote};
use crate::{
    args::{Cassettes, Globals, RegistryGlobals, ServerUrl},
    failure::Failure,
    secret,
};

/// How long to wait for another command to be done with the data folder.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Where to look for an API.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    server: Option<ServerUrl>,
    data: Option<PathBuf>,
    cache: Option<PathBuf>,
    vault_passphrase_file: Option<PathBuf>,
    secrets: AllowedSources,
    registry: RegistryGlobals,
}

impl Connection {
    pub(crate) fn new(globals: &Globals) -> Self {
        Self {
            server: globals.server.clone(),
            data: globals.data.clone(),
            cache: globals.cache.clone(),
            vault_passphrase_file: globals.vault.vault_passphrase_file.clone(),
            secrets: AllowedSources {
                folders: globals.vault.secrets_dirs.clone(),
                variables: globals.vault.secrets_env.clone(),
                servers: globals.vault.secrets_bao.clone(),
                commands: globals.vault.secrets_commands.clone(),
            },
            registry: globals.registry.clone(),
        }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> Result<PathBuf, Failure> {
        self.data.clone().or_else(|| home_folder("XDG_DATA_HOME", ".local/share")).ok_or_else(|| {
            Failure::Usage(
                "where the data folder is cannot be told: neither HOME nor XDG_DATA_HOME is set; give --data DIR"
                    .into(),
            )
        })
    }

    /// The folder for compiled plugins; none where it cannot be told, and plugins are compiled each time.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        self.cache.clone().or_else(|| home_folder("XDG_CACHE_HOME", ".cache"))
    }

    /// Where fields of credentials may come from.
    pub(crate) fn secrets(&self) -> AllowedSources {
        self.secrets.clone()
    }

    /// How registries of plugins are asked.
    pub(crate) fn registries(&self) -> Result<RegistryOptions, Failure> {
        self.registry.options()
    }

    /// What opens the vault, where its passphrase is in a file.
    pub(crate) fn vault_passphrase(&self) -> Result<Option<Secret>, Failure> {
        self.vault_passphrase_file.as_ref().map(|path| secret::from_file(path, true)).transpose()
    }

    /// Finds or opens the API. What is to be recorded or replayed can only be in a host that is opened here.
    pub(crate) async fn open(&self, cassettes: &Cassettes) -> Result<Api, Failure> {
        let at_server = |url: &ServerUrl| match cassettes.is_empty() {
            true => Ok(()),
            false => Err(Failure::Usage(format!(
                "--record and --replay are for a host in this process, and the server at {url} would be asked; start it with \
                 `jackfield serve --record NAME=FILE`, or stop it"
            ))),
        };
        if let Some(url) = &self.server {
            at_server(url)?;
            return Ok(Api::Remote(Remote::new(url.clone(), None)?));
        }
        let (data, cache) = (self.data()?, self.cache());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(url) = announced(&data) {
                at_server(&url)?;
                return Ok(Api::Remote(Remote::new(url, Some(data))?));
            }
            let passphrase = self.vault_passphrase()?;
            match Embedded::open(&data, cache.as_deref(), passphrase, self.secrets(), self.registries()?, cassettes)
                .await
            {
                Ok(embedded) => return Ok(Api::Embedded(embedded)),
                Err(error) if is_locked(&error) && Instant::now() < deadline => sleep(PAUSE).await,
                Err(error) if !cassettes.is_empty() && error.kind == ErrorKind::Invalid => {
                    return Err(Failure::Usage(error.message));
                }
                Err(error) => return Err(Failure::Unreachable(error.message)),
            }
        }
    }
}

impl Api {
    /// Looks where the server is now, in case it was started anew at another address.
    pub(super) fn look_again(&mut self) {
        if let Self::Remote(remote) = self
            && let Some(url) = remote.found_in().and_then(|data| announced(data))
        {
            remote.moved_to(url);
        }
    }
}

fn announced(data: &std::path::Path) -> Option<ServerUrl> {
    server_of(data)?.parse().ok()
}

/// Whether another process has the data folder.
fn is_locked(error: &jackfield_core::Error) -> bool {
    error.kind == ErrorKind::Unavailable
}

/// `$VARIABLE/jackfield`, or `~/FOLDER/jackfield`. As the XDG specification asks, a relative path counts as none.
fn home_folder(variable: &str, folder: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(folder)))?;
    Some(base.join("jackfield"))
}
