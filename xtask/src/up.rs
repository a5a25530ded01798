//! `cargo xtask up`: Jackfield beside real systems, a tour of calls, then everything stays until Ctrl-C. A system that
//! already listens on its usual port is used as it is and left alone; what this machine cannot have is left out, with
//! the reason. With `--check` nothing is shared: own systems, free ports, throw-away data, and every answer is judged.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use jackfield_peers::{
    Alertmanager, Etcd, NodeExporter, PeerError, Prometheus, alertmanager, etcd, http,
    jackfield::{Program, Server},
    ports, prometheus,
};
use serde_json::json;

use crate::{
    args::UpOptions,
    cargo, setup, signals,
    tour::{RULES, Sights, Tour},
};

/// Where Jackfield listens when nothing else is said.
const LISTEN: &str = "127.0.0.1:7575";

/// Does it; whether all was well.
pub(crate) fn run(options: &UpOptions) -> Result<bool> {
    setup::everything()?;
    let temporary = tempfile::tempdir()?;
    let data = match (&options.data, options.check) {
        (Some(data), _) => std::path::absolute(data)?,
        (None, true) => temporary.path().join("data"),
        (None, false) => cargo::workspace().join(".jackfield"),
    };
    let listen = match (&options.listen, options.check) {
        (Some(address), _) => address.clone(),
        (None, true) => format!("127.0.0.1:{}", ports::free()),
        (None, false) => LISTEN.to_string(),
    };

    cargo::step("outside systems: looking for them, fetching what is missing");
    let neighbours = Neighbours::start(options.check, &listen)?;
    signals::go_on()?;
    cargo::step(&format!("jackfield: starting on {listen} with its data in {}", data.display()));
    let log = temporary.path().join("jackfield.log");
    let mut server = Program::at(cargo::jackfield())?.serve_on(&data, &listen, &log)?;
    connect(&server, &neighbours)?;

    cargo::step("tour");
    let (calls, failed) = Tour::make(&server, &neighbours.sights)?;
    println!();
    if options.check {
        let ended = server.process().stop();
        drop((server, neighbours.owned));
        let clean = ended.is_some_and(|status| status.success());
        if !clean {
            println!("jackfield did not stop cleanly: {ended:?}");
        }
        println!("{}", json!({"tour": calls, "peers": neighbours.versions}));
        return Ok(failed == 0 && clean);
    }
    if failed > 0 {
        println!("{failed} of {} calls failed; everything stays up for a look at why.", calls.len());
    }
    stay(&mut server, &neighbours, &log)?;
    Ok(failed == 0)
}

/// Shows where everything is and waits for Ctrl-C.
fn stay(server: &mut Server, neighbours: &Neighbours, log: &Path) -> Result<()> {
    println!("Jackfield      {} (API: {}/openapi.json)", server.url(), server.url());
    for (name, address) in neighbours.addresses() {
        println!("{name:<14} http://{address}");
    }
    println!("Program        {}", cargo::jackfield().display());
    println!("Log            {}", log.display());
    println!("Press Ctrl-C to stop what was started here.");
    let process = server.process();
    signals::wait(|| process.ended().is_some());
    if signals::asked_to_stop() {
        cargo::step("stopping");
        return Ok(());
    }
    bail!(process.failure("ended by itself"))
}

/// Installs the packed plugins and adds the integrations, or brings them up to date.
fn connect(server: &Server, neighbours: &Neighbours) -> Result<()> {
    let folder = cargo::packed_plugins();
    let url = |address: &Option<String>| address.as_ref().map(|address| json!({"url": format!("http://{address}")}));
    let sights = &neighbours.sights;
    let wanted = [
        ("prom", "prometheus", url(&sights.prometheus)),
        ("alerts", "alertmanager", url(&sights.alertmanager)),
        ("etcd", "etcd", url(&sights.etcd)),
        ("play", "playground", Some(json!({}))),
    ];
    for (integration, plugin, config) in wanted {
        let (status, answer) = server.install(&folder.join(format!("{plugin}.wasm")))?;
        if !matches!(status, 200 | 201) {
            bail!("plugin {plugin} could not be installed: {status} {answer}");
        }
        if let Some(config) = config {
            server.integrate(integration, plugin, &config).with_context(|| format!("integration {integration}"))?;
        }
    }
    Ok(())
}

/// The systems beside Jackfield.
#[derive(Default)]
struct Neighbours {
    sights: Sights,
    /// By name, for the last line of `--check`.
    versions: BTreeMap<&'static str, String>,
    owned: Owned,
}

/// What was started here; dropping it stops it.
#[derive(Default)]
struct Owned {
    prometheus: Option<Prometheus>,
    alertmanager: Option<Alertmanager>,
    etcd: Option<Etcd>,
    exporter: Option<NodeExporter>,
}

impl Neighbours {
    fn start(check: bool, jackfield: &str) -> Result<Neighbours> {
        let mut all = Neighbours { sights: Sights { own: true, ..Sights::default() }, ..Neighbours::default() };
        let attach = |port: u16, path: &str| if check { None } else { listening(port, path) };

        if let Some(address) = attach(9093, "/-/healthy") {
            all.attached("alertmanager", alertmanager::version(&address)?);
            all.sights.alertmanager = Some(address);
        } else if let Some(own) = available(Alertmanager::start(""), check)? {
            all.started("alertmanager", own.version());
            all.sights.alertmanager = Some(own.address().into());
            all.owned.alertmanager = Some(own);
        }
        signals::go_on()?;
        if let Some(address) = attach(9090, "/-/healthy") {
            all.attached("prometheus", prometheus::version(&address)?);
            all.sights.prometheus = Some(address);
        } else {
            all.start_prometheus(check, jackfield)?;
        }
        signals::go_on()?;
        if let Some(address) = attach(2379, "/health") {
            all.attached("etcd", etcd::version(&address)?);
            all.sights.etcd = Some(address);
        } else if let Some(own) = available(Etcd::start(""), check)? {
            all.started("etcd", own.version());
            all.sights.etcd = Some(own.address().into());
            all.owned.etcd = Some(own);
        }
        Ok(all)
    }

    fn start_prometheus(&mut self, check: bool, jackfield: &str) -> Result<()> {
        let mut scrape = vec![("jackfield".to_string(), jackfield.to_string())];
        if let Some(exporter) = available(NodeExporter::start(), check)? {
            self.started("node-exporter", exporter.version());
            scrape.push(("node".into(), exporter.address().into()));
            self.owned.exporter = Some(exporter);
        }
        let alertmanager = self.sights.alertmanager.clone();
        let rules = Some(RULES.to_string());
        let options = prometheus::Options { scrape, alertmanager, rules, ..prometheus::Options::default() };
        if let Some(mut own) = available(Prometheus::start(options), check)? {
            own.wait_for("up{job=\"prometheus\"} == 1")?;
            self.started("prometheus", own.version());
            self.sights.prometheus = Some(own.address().into());
            self.owned.prometheus = Some(own);
        }
        Ok(())
    }

    fn started(&mut self, name: &'static str, version: &str) {
        println!("    {name} {version}");
        self.versions.insert(name, version.into());
    }

    fn attached(&mut self, name: &'static str, version: String) {
        println!("    {name} {version}, already running here");
        self.sights.own = false;
        self.versions.insert(name, version);
    }

    fn addresses(&self) -> Vec<(&'static str, &str)> {
        let sights = &self.sights;
        let all = [("Prometheus", &sights.prometheus), ("Alertmanager", &sights.alertmanager), ("etcd", &sights.etcd)];
        all.into_iter().filter_map(|(name, address)| Some((name, address.as_deref()?))).collect()
    }
}

/// The address of a healthy server on its usual port.
fn listening(port: u16, path: &str) -> Option<String> {
    let address = format!("127.0.0.1:{port}");
    http::get(&address, path).is_ok_and(|response| response.status == 200).then_some(address)
}

/// A system, or none where this machine cannot have it: then the tour goes on without it, but not a check in CI.
fn available<T>(started: std::result::Result<T, PeerError>, check: bool) -> Result<Option<T>> {
    match started {
        Ok(system) => Ok(Some(system)),
        Err(error) if error.is_missing() && !(check && std::env::var("CI").is_ok_and(|value| value == "true")) => {
            println!("    left out: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
