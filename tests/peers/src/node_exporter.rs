//! node-exporter: something real to scrape.

use std::time::Duration;

use tempfile::TempDir;

use crate::{
    PeerError, Process, Result, http, ports, process,
    program::{Executable, Program},
    record,
};

const NAME: &str = "node-exporter";

/// A running node-exporter.
#[derive(Debug)]
pub struct NodeExporter {
    _process: Process,
    address: String,
    version: String,
    _folder: TempDir,
}

impl NodeExporter {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<NodeExporter> {
        let executable = Program::any(NAME, "prometheus-node-exporter", "prometheus-node-exporter").find()?;
        process::on_free_ports(|| NodeExporter::start_with(&executable))
    }

    fn start_with(executable: &Executable) -> Result<NodeExporter> {
        let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
        let address = format!("127.0.0.1:{}", ports::free());
        // The collectors that need no other service and cost little.
        let mut process = Process::start(
            NAME,
            executable
                .command()
                .arg(format!("--web.listen-address={address}"))
                .args(["--collector.disable-defaults", "--collector.loadavg", "--collector.meminfo"])
                .args(["--collector.stat", "--collector.uname", "--collector.time"]),
            &folder.path().join("log"),
        )?;
        let mut page = String::new();
        process.wait_ready(Duration::from_secs(30), || match http::get(&address, "/metrics") {
            Ok(response) if response.status == 200 => {
                page = response.text();
                true
            }
            _ => false,
        })?;
        let version = version_in(&page).unwrap_or("unknown").to_string();
        record::used(NAME, &version);
        Ok(NodeExporter { _process: process, address, version, _folder: folder })
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it says its version is.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn version_in(page: &str) -> Option<&str> {
    let line = page.lines().find(|line| line.starts_with("node_exporter_build_info{"))?;
    line.split("version=\"").last()?.split(['"', '+']).next()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_read_from_the_metrics() {
        let page = "x 1\nnode_exporter_build_info{goversion=\"go1\",version=\"1.5.0+ds\"} 1\n";
        assert_eq!(super::version_in(page), Some("1.5.0"));
    }
}
