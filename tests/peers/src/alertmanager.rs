//! Alertmanager, alone (no cluster), with two receivers that tell nobody.

use std::{fs, time::Duration};

use tempfile::TempDir;

use crate::{
    PeerError, Process, Result, http, ports, process,
    program::{Executable, Program},
    record,
};

const NAME: &str = "alertmanager";

/// Receivers without a way to tell anybody: alerts are routed, nothing leaves the machine.
const CONFIGURATION: &str = r#"{"route": {"receiver": "default", "group_by": ["alertname"], "group_wait": "1s",
  "routes": [{"receiver": "pager", "matchers": ["severity=\"critical\""]}]},
  "receivers": [{"name": "default"}, {"name": "pager"}]}"#;

/// A running Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    process: Process,
    address: String,
    version: String,
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts one whose version begins so (empty: any) and waits until it answers.
    pub fn start(version: &'static str) -> Result<Alertmanager> {
        // Debian's build reads its templates from where the package would have put them.
        let program = Program {
            peer: NAME,
            executable: "prometheus-alertmanager",
            package: "prometheus-alertmanager",
            version,
            data: Some("/usr/share/prometheus/alertmanager"),
        };
        let executable = program.find()?;
        process::on_free_ports(|| Alertmanager::start_with(&executable))
    }

    fn start_with(executable: &Executable) -> Result<Alertmanager> {
        let failed = |error: std::io::Error| PeerError::failed(NAME, error);
        let folder = tempfile::tempdir().map_err(failed)?;
        let address = format!("127.0.0.1:{}", ports::free());
        fs::write(folder.path().join("alertmanager.yml"), CONFIGURATION).map_err(failed)?;
        let mut process = Process::start(
            NAME,
            executable
                .command()
                .arg(format!("--config.file={}", folder.path().join("alertmanager.yml").display()))
                .arg(format!("--storage.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .arg("--cluster.listen-address="),
            &folder.path().join("log"),
        )?;
        process
            .wait_ready(Duration::from_secs(30), || http::get(&address, "/-/ready").is_ok_and(|r| r.status == 200))?;
        let version = version(&address)?;
        record::used(NAME, &version);
        Ok(Alertmanager { process, address, version, _folder: folder })
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it says its version is.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its process, e.g. to freeze or stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The version that the server at `address` says it has.
pub fn version(address: &str) -> Result<String> {
    let failed = |why: String| PeerError::failed(NAME, why);
    let answer = http::get_json(address, "/api/v2/status").map_err(|error| failed(error.to_string()))?;
    let version = answer["versionInfo"]["version"].as_str();
    Ok(version
        .ok_or_else(|| failed(format!("tells no version: {answer}")))?
        .split('+')
        .next()
        .unwrap_or("")
        .to_string())
}
