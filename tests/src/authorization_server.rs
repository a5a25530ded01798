//! An OAuth 2.0 authorization server (oidc-provider, certified by the OpenID Foundation) and a system that takes its tokens.

use std::time::Duration;

use jackfield_peers::{PeerError, Process, Result, http, ports, process, record};
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{self, Packages};

const NAME: &str = "oidc-provider";
const VERSION: &str = "8.8.1";

/// One running server.
#[derive(Debug)]
pub struct AuthorizationServer {
    _process: Process,
    address: String,
    _folder: TempDir,
}

impl AuthorizationServer {
    /// Starts one that knows these clients (RFC 7591 metadata), and waits until it answers.
    pub fn start(clients: &Value) -> Result<AuthorizationServer> {
        let packages = Packages::with(NAME, &format!("{NAME}@{VERSION}"))?;
        process::on_free_ports(|| {
            let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
            let port = ports::free();
            let address = format!("127.0.0.1:{port}");
            let mut command = node::script("authorization-server.mjs");
            command.arg(packages.file("oidc-provider/lib/index.js")).arg(port.to_string()).arg(clients.to_string());
            let mut process = Process::start(NAME, &mut command, &folder.path().join("log"))?;
            process.wait_ready(Duration::from_secs(30), || {
                http::get(&address, "/.well-known/openid-configuration").is_ok_and(|response| response.status == 200)
            })?;
            record::used(NAME, VERSION);
            Ok(AuthorizationServer { _process: process, address, _folder: folder })
        })
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has the person open an address in her browser and consent; where the browser ends.
    pub fn person_at(&self, url: &str) -> String {
        let escaped: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.person(&format!("at={escaped}"))
    }

    /// Has the person type a code and consent.
    pub fn person_types(&self, code: &str) {
        self.person(&format!("code={code}"));
    }

    fn person(&self, does: &str) -> String {
        let told = http::get_json(&self.address, &format!("/person?{does}")).unwrap();
        told["url"].as_str().unwrap().to_owned()
    }

    /// Has the person say no the next time that she is asked.
    pub fn deny(&self) {
        http::get_json(&self.address, "/deny").unwrap();
    }

    /// Ends every consent.
    pub fn end(&self) {
        http::get_json(&self.address, "/end").unwrap();
    }

    /// Makes every token void that it has given; how many those were.
    pub fn forget(&self) -> u64 {
        http::get_json(&self.address, "/forget").unwrap()["count"].as_u64().unwrap()
    }
}
