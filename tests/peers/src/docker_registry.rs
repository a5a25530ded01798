//! The reference registry of OCI artifacts, `docker-registry`: storage of its own, deletion allowed, with or without users and TLS.
//! Releases 2.x know no referrers API, so what refers to an artifact is found under the fallback tag.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    PeerError, Process, Result, http, ports, process,
    program::{Executable, Program, reported_version},
    record,
};

const NAME: &str = "docker-registry";

/// How a registry is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'o> {
    /// Who may use it: names and passwords. Everybody where there are none.
    pub users: &'o [(&'o str, &'o str)],
    /// Its certificate and private key in PEM files that last as long as it. Without them it speaks plain HTTP.
    pub tls: Option<(&'o Path, &'o Path)>,
}

/// A running registry.
#[derive(Debug)]
pub struct DockerRegistry {
    process: Process,
    scheme: &'static str,
    address: String,
    version: String,
    folder: TempDir,
}

impl DockerRegistry {
    /// Starts one that everybody may use over plain HTTP.
    pub fn start() -> Result<DockerRegistry> {
        DockerRegistry::start_with(Options::default())
    }

    /// Starts one over plain HTTP that demands a name and a password.
    pub fn with_users(users: &[(&str, &str)]) -> Result<DockerRegistry> {
        DockerRegistry::start_with(Options { users, tls: None })
    }

    /// Starts one that everybody may use over TLS.
    pub fn with_tls(certificate: &Path, key: &Path) -> Result<DockerRegistry> {
        DockerRegistry::start_with(Options { users: &[], tls: Some((certificate, key)) })
    }

    /// Starts one and waits until it answers.
    pub fn start_with(options: Options<'_>) -> Result<DockerRegistry> {
        let executable = Program::any(NAME, NAME, NAME).find()?;
        let users = htpasswd(options.users)?;
        process::on_free_ports(|| DockerRegistry::attempt(&executable, &users, options.tls))
    }

    fn attempt(executable: &Executable, users: &str, tls: Option<(&Path, &Path)>) -> Result<DockerRegistry> {
        let failed = |error: std::io::Error| PeerError::failed(NAME, error);
        let folder = tempfile::tempdir().map_err(failed)?;
        let address = format!("127.0.0.1:{}", ports::free());
        let mut configuration = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": folder.path().join("storage")},
                "delete": {"enabled": true},
            },
            "http": {"addr": address, "secret": "of a test"},
        });
        if let Some((certificate, key)) = tls {
            configuration["http"]["tls"] = json!({"certificate": certificate, "key": key});
        }
        if !users.is_empty() {
            let file = folder.path().join("htpasswd");
            fs::write(&file, users).map_err(failed)?;
            configuration["auth"] = json!({"htpasswd": {"realm": "test", "path": file}});
        }
        let file = folder.path().join("registry.yml");
        // JSON is YAML.
        fs::write(&file, configuration.to_string()).map_err(failed)?;
        let mut command = executable.command();
        // It would let the environment overrule its file.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
            command.env_remove(name);
        }
        command.arg("serve").arg(&file);
        let mut process = Process::start(NAME, &mut command, &folder.path().join("log"))?;
        // Whom it does not know and who does not speak TLS with it get an answer too.
        process.wait_ready(Duration::from_secs(30), || http::get(&address, "/v2/").is_ok())?;
        let version = executable.package_version.clone().unwrap_or_else(|| reported_version(&executable.path));
        record::used(NAME, &version);
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok(DockerRegistry { process, scheme, address, version, folder })
    }

    /// Where it listens, as `host:port`: what a reference to an artifact begins with.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its process, e.g. to freeze or stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The file in which it keeps a blob or manifest with this digest (`sha256:…`), e.g. to damage it.
    pub fn stored(&self, digest: &str) -> PathBuf {
        let hex = digest.rsplit(':').next().unwrap_or_default();
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(hex.get(..2).unwrap_or_default()).join(hex).join("data")
    }
}

/// The users as a file of `htpasswd`, which the registry reads with bcrypt hashes only.
fn htpasswd(users: &[(&str, &str)]) -> Result<String> {
    users.iter().map(|(name, password)| Ok(format!("{name}:{}\n", bcrypt(password)?))).collect()
}

/// The hash by the machine's own `crypt`, which every Debian has in its Perl.
fn bcrypt(password: &str) -> Result<String> {
    const SETTING: &str = "$2y$05$abcdefghijklmnopqrstuu";
    let mut command = Command::new("perl");
    command.args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, SETTING]);
    let output = command.output().map_err(|error| PeerError::missing(NAME, format!("users need perl: {error}")))?;
    let hash = String::from_utf8_lossy(&output.stdout).into_owned();
    if hash.starts_with("$2y$") {
        return Ok(hash);
    }
    Err(PeerError::missing(NAME, "users need bcrypt, which this machine's crypt does not know"))
}
