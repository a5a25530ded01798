//! Prometheus, 2.x or 3.x: scrapes what it is told, tells an Alertmanager, and can start with samples of a known past.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    PeerError, Process, Result, http, ports, process,
    program::{Executable, Program},
    record,
};

const NAME: &str = "prometheus";

/// How a Prometheus is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How its version begins, e.g. `2.` or `3.`; empty for any.
    pub version: &'static str,
    /// What it scrapes every second: a job's name and its target as `host:port`. It always scrapes itself as `prometheus`.
    pub scrape: Vec<(String, String)>,
    /// The Alertmanager it tells, as `host:port`.
    pub alertmanager: Option<String>,
    /// A rules file's text.
    pub rules: Option<String>,
    /// Samples to start with, in the OpenMetrics text format with timestamps.
    pub samples: Option<String>,
}

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    address: String,
    version: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one and waits until it answers queries.
    pub fn start(options: Options) -> Result<Prometheus> {
        let executable = Program { version: options.version, ..Program::any(NAME, NAME, NAME) }.find()?;
        process::on_free_ports(|| Prometheus::start_with(&executable, &options))
    }

    fn start_with(executable: &Executable, options: &Options) -> Result<Prometheus> {
        let failed = |error: std::io::Error| PeerError::failed(NAME, error);
        let folder = tempfile::tempdir().map_err(failed)?;
        let address = format!("127.0.0.1:{}", ports::free());
        let data = folder.path().join("data");
        fs::write(folder.path().join("prometheus.yml"), configuration(options, &address)).map_err(failed)?;
        fs::write(folder.path().join("rules.yml"), options.rules.as_deref().unwrap_or("groups: []\n"))
            .map_err(failed)?;
        if let Some(samples) = &options.samples {
            let file = folder.path().join("samples.txt");
            fs::write(&file, samples).map_err(failed)?;
            backfill(&file, &data)?;
        }
        let mut process = Process::start(
            NAME,
            executable
                .command()
                .current_dir(folder.path())
                .arg("--config.file=prometheus.yml")
                .arg(format!("--storage.tsdb.path={}", data.display()))
                .arg("--storage.tsdb.retention.time=10y")
                .arg(format!("--web.listen-address={address}"))
                .arg("--rules.alert.resend-delay=3s")
                .arg("--enable-feature=native-histograms"),
            &folder.path().join("log"),
        )?;
        process
            .wait_ready(Duration::from_secs(60), || http::get(&address, "/-/ready").is_ok_and(|r| r.status == 200))?;
        let version = version(&address)?;
        record::used(NAME, &version);
        Ok(Prometheus { process, address, version, _folder: folder })
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

    /// Waits until a query has an answer.
    pub fn wait_for(&mut self, query: &str) -> Result<()> {
        let path = format!("/api/v1/query?query={}", http::encode(query));
        let address = self.address.clone();
        self.process.wait_ready(Duration::from_secs(45), || {
            let answer = http::get_json(&address, &path).unwrap_or_default();
            answer["data"]["result"].as_array().is_some_and(|series| !series.is_empty())
        })
    }
}

/// The version that the server at `address` says it has.
pub fn version(address: &str) -> Result<String> {
    let failed = |why: String| PeerError::failed(NAME, why);
    let answer = http::get_json(address, "/api/v1/status/buildinfo").map_err(|error| failed(error.to_string()))?;
    let version = answer["data"]["version"].as_str().ok_or_else(|| failed(format!("tells no version: {answer}")))?;
    Ok(version.split('+').next().unwrap_or(version).to_string())
}

fn configuration(options: &Options, own: &str) -> String {
    let job =
        |name: &str, target: &str| serde_json::json!({"job_name": name, "static_configs": [{"targets": [target]}]});
    let mut jobs = vec![job(NAME, own)];
    jobs.extend(options.scrape.iter().map(|(name, target)| job(name, target)));
    let tells: Vec<Value> = options
        .alertmanager
        .iter()
        .map(|target| serde_json::json!({"static_configs": [{"targets": [target]}]}))
        .collect();
    // JSON is YAML.
    serde_json::json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": tells},
        "scrape_configs": jobs,
    })
    .to_string()
}

/// Writes samples into a data folder with `promtool`, which is the only way to give Prometheus a past. Every release
/// of Prometheus reads the blocks that the older one writes.
fn backfill(samples: &Path, data: &Path) -> Result<()> {
    let promtool = Program::any("promtool", "promtool", NAME).find()?;
    let output = promtool
        .command()
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(samples)
        .arg(data)
        .output()
        .map_err(|error| PeerError::failed("promtool", error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(PeerError::failed("promtool", String::from_utf8_lossy(&output.stderr)))
}
