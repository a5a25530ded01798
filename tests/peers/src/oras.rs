//! ORAS, the plain client of OCI registries: puts artifacts of any kind into one, and takes them out, with no idea of what they mean.

use std::{fs, path::Path, process::Command};

use crate::{Result, client::Client, program::Program};

const NAME: &str = "oras";
/// The media type of what describes a WebAssembly component, by the CNCF's layout.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the component itself.
pub const WASM: &str = "application/wasm";

/// ORAS in a home of its own, so with credentials of its own.
#[derive(Debug)]
pub struct Oras {
    client: Client,
}

/// A file of an artifact: its name, by which it is pulled again, its media type and its content.
pub type File<'f> = (&'f str, &'f str, &'f [u8]);

impl Oras {
    /// Finds it; it speaks plain HTTP.
    pub fn find() -> Result<Oras> {
        Ok(Oras { client: Client::find(&Program::any(NAME, NAME, NAME))? })
    }

    /// The same over TLS with servers that this CA (a PEM file) vouches for.
    pub fn trusting(mut self, ca: &Path) -> Oras {
        self.client.ca = Some(ca.into());
        self
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.client.version()
    }

    /// Remembers a name and a password for the registry at `address`.
    pub fn login(&self, address: &str, name: &str, password: &str) -> Result<()> {
        let mut command = self.command(&["login"]);
        command.args(["--username", name, "--password", password, address]);
        self.client.run(&mut command).map(drop)
    }

    /// Pushes an artifact; the digest of its manifest. With no config the artifact is of an unknown type.
    pub fn push(&self, reference: &str, config: Option<(&str, &[u8])>, files: &[File<'_>]) -> Result<String> {
        let mut command = self.command(&["push", reference]);
        let folder = tempfile::tempdir_in(self.client.home()).map_err(|error| self.client.failed(error))?;
        let write = |name: &str, content: &[u8]| {
            fs::write(folder.path().join(name), content).map_err(|error| self.client.failed(error))
        };
        if let Some((media, content)) = config {
            write(".config", content)?;
            command.args(["--config", &format!(".config:{media}")]);
        }
        for (name, media, content) in files {
            write(name, content)?;
            command.arg(format!("{name}:{media}"));
        }
        // The time of the push would be in the manifest: two pushes of the same would be two artifacts.
        command.args(["--annotation", "org.opencontainers.image.created=1970-01-01T00:00:00Z"]);
        self.client.run(command.current_dir(folder.path()))?;
        self.resolve(reference)
    }

    /// Pushes a WebAssembly component by the CNCF's layout; the digest of its manifest.
    pub fn push_component(&self, reference: &str, config: &[u8], name: &str, component: &[u8]) -> Result<String> {
        self.push(reference, Some((WASM_CONFIG, config)), &[(name, WASM, component)])
    }

    /// Pulls an artifact's files into a folder: those that have a name.
    pub fn pull(&self, reference: &str, folder: &Path) -> Result<()> {
        let mut command = self.command(&["pull", reference]);
        self.client.run(command.arg("--output").arg(folder)).map(drop)
    }

    /// Pushes an artifact of that type that refers to the one at `reference`.
    pub fn attach(&self, reference: &str, artifact_type: &str, (name, media, content): File<'_>) -> Result<()> {
        let folder = tempfile::tempdir_in(self.client.home()).map_err(|error| self.client.failed(error))?;
        fs::write(folder.path().join(name), content).map_err(|error| self.client.failed(error))?;
        let mut command = self.command(&["attach", "--artifact-type", artifact_type, reference]);
        self.client.run(command.arg(format!("{name}:{media}")).current_dir(folder.path())).map(drop)
    }

    /// The digest of the manifest that a reference means.
    pub fn resolve(&self, reference: &str) -> Result<String> {
        let digest = self.client.run(&mut self.command(&["resolve", reference]))?;
        Ok(String::from_utf8_lossy(&digest).trim().to_string())
    }

    /// A manifest's exact bytes.
    pub fn manifest(&self, reference: &str) -> Result<Vec<u8>> {
        self.client.run(&mut self.command(&["manifest", "fetch", reference]))
    }

    /// A blob's exact bytes; `reference` ends in its digest.
    pub fn blob(&self, reference: &str) -> Result<Vec<u8>> {
        self.client.run(&mut self.command(&["blob", "fetch", "--output", "-", reference]))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client.command();
        command.args(arguments);
        if self.client.ca.is_none() {
            command.arg("--plain-http");
        }
        command
    }
}
