//! VictoriaMetrics, single node: a second implementation of Prometheus's query API, so that what we take for the API
//! is not one program's habit.

use std::time::Duration;

use tempfile::TempDir;

use crate::{
    PeerError, Process, Result, http, ports, process,
    program::{Executable, Program},
    record,
};

const NAME: &str = "victoria-metrics";

/// A running VictoriaMetrics.
#[derive(Debug)]
pub struct VictoriaMetrics {
    process: Process,
    address: String,
    version: String,
    _folder: TempDir,
}

impl VictoriaMetrics {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<VictoriaMetrics> {
        let executable = Program::any(NAME, NAME, NAME).find()?;
        process::on_free_ports(|| VictoriaMetrics::start_with(&executable))
    }

    fn start_with(executable: &Executable) -> Result<VictoriaMetrics> {
        let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
        let address = format!("127.0.0.1:{}", ports::free());
        let mut process = Process::start(
            NAME,
            executable
                .command()
                .arg(format!("-storageDataPath={}", folder.path().join("data").display()))
                .arg(format!("-httpListenAddr={address}"))
                .args(["-search.latencyOffset=0s", "-retentionPeriod=10y", "-search.disableCache"]),
            &folder.path().join("log"),
        )?;
        process
            .wait_ready(Duration::from_secs(30), || http::get(&address, "/health").is_ok_and(|r| r.status == 200))?;
        let version = version(&address, executable)?;
        record::used(NAME, &version);
        Ok(VictoriaMetrics { process, address, version, _folder: folder })
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

    /// Stores samples in Prometheus's text format with timestamps in milliseconds, and waits until they can be found.
    pub fn import(&self, samples: &str) -> Result<()> {
        let failed = |why: String| PeerError::failed(NAME, why);
        let answer = http::request(&self.address, "POST", "/api/v1/import/prometheus", &[], samples.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        if answer.status >= 300 {
            return Err(failed(format!("refused samples with {}: {}", answer.status, answer.text())));
        }
        http::get(&self.address, "/internal/force_flush").map_err(|error| failed(error.to_string()))?;
        Ok(())
    }
}

/// The version, from the program's own metrics. Debian's builds do not know theirs: then it is the package's.
fn version(address: &str, executable: &Executable) -> Result<String> {
    let page = http::get(address, "/metrics").map_err(|error| PeerError::failed(NAME, error))?.text();
    let told = page.lines().find(|line| line.starts_with("vm_app_version{")).and_then(semantic_version);
    Ok(told.or_else(|| executable.package_version.clone()).unwrap_or_else(|| "unknown".into()))
}

/// The first `N.N.N` in a text.
fn semantic_version(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let parts: Vec<&str> = word.trim_matches('.').split('.').collect();
        (parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.len() < 5)).then(|| parts.join("."))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!(super::semantic_version("x-20220801-v1.79.5+ds1 go1").as_deref(), Some("1.79.5"));
        assert_eq!(super::semantic_version("vm_app_version{version=\"\", short_version=\"\"} 1"), None);
    }
}
