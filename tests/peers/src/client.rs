//! A command line program that runs to its end in a home of its own: it reads and writes nothing of the user's, and it
//! reaches this machine only.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    PeerError, Result,
    program::{Executable, Program, reported_version},
    record,
};

#[derive(Debug)]
pub(crate) struct Client {
    name: &'static str,
    executable: Executable,
    version: String,
    /// The file with the CA it trusts, where it speaks TLS.
    pub(crate) ca: Option<PathBuf>,
    home: TempDir,
}

impl Client {
    /// Finds the program and gives it an empty home.
    pub(crate) fn find(program: &Program) -> Result<Client> {
        let executable = program.find()?;
        let version = executable.package_version.clone().unwrap_or_else(|| reported_version(&executable.path));
        let home = tempfile::tempdir().map_err(|error| PeerError::failed(program.peer, error))?;
        record::used(program.peer, &version);
        Ok(Client { name: program.peer, executable, version, ca: None, home })
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The folder it takes for its user's, and works in.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command that knows nothing of the caller's environment but where programs are.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.executable.command();
        command.env_clear().env("HOME", self.home()).current_dir(self.home()).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        // Nobody listens there, and no program of Go's asks a proxy for an address of this machine: what would go out fails.
        command.env("HTTP_PROXY", "http://127.0.0.1:1").env("HTTPS_PROXY", "http://127.0.0.1:1");
        if let Some(ca) = &self.ca {
            command.env("SSL_CERT_FILE", ca);
        }
        command
    }

    /// Runs a command; what it printed.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Vec<u8>> {
        let output = command.output().map_err(|error| self.failed(error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(self.failed(format!("{}: {}", output.status, said.trim())))
    }

    pub(crate) fn failed(&self, why: impl Display) -> PeerError {
        PeerError::failed(self.name, why)
    }
}
