//! rsyslog as a receiver: it listens on one port for streams and datagrams, and writes what it understood of each message
//! as a line of JSON, its own reading of the structured data included.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{PeerError, Process, Result, cache, debian, ports, process, program::SUITES, record};

const NAME: &str = "rsyslog";
/// The daemon and the libraries of it that a machine without it has not.
const PACKAGES: [&str; 3] = ["rsyslog", "libestr0", "libfastjson4"];

/// A running rsyslog.
#[derive(Debug)]
pub struct Rsyslog {
    process: Process,
    address: String,
    daemon: Daemon,
    folder: TempDir,
}

/// The daemon, and where its libraries and modules are.
#[derive(Clone, Debug)]
struct Daemon {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl Daemon {
    fn find() -> Result<Daemon> {
        let installed = Daemon { program: "/usr/sbin/rsyslogd".into(), libraries: None };
        if installed.version().is_some() {
            return Ok(installed);
        }
        let mut tried = Vec::new();
        for suite in SUITES {
            match Daemon::of_suite(suite) {
                Ok(daemon) if daemon.version().is_some() => return Ok(daemon),
                Ok(_) => tried.push(format!("that of {suite} does not start")),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(PeerError::missing(NAME, format!("not installed, and {}. Remedy: install rsyslog", tried.join("; "))))
    }

    fn of_suite(suite: &str) -> std::io::Result<Daemon> {
        let folder = cache::root().join("peers").join(format!("{NAME}-any-{suite}"));
        cache::fill_once(&folder, |draft| {
            let source = debian::Suite::open(suite)?;
            PACKAGES.iter().try_for_each(|package| {
                let version = source.versions(package)?.into_iter().next();
                let version = version.ok_or_else(|| std::io::Error::other(format!("{suite} has no {package}")))?;
                source.unpack(package, &version, draft)
            })
        })?;
        let machine = fs::read_dir(folder.join("usr/lib"))?.flatten().map(|entry| entry.path());
        let libraries = machine.into_iter().find(|path| path.join("rsyslog").is_dir());
        Ok(Daemon { program: folder.join("usr/sbin/rsyslogd"), libraries })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries).arg("-M").arg(libraries.join("rsyslog"));
        }
        command
    }

    fn version(&self) -> Option<String> {
        let output = self.command().arg("-v").output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().nth(1).map(str::to_owned)
    }
}

fn configuration(folder: &Path, port: &str) -> String {
    let folder = folder.display();
    format!(
        r#"global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imtcp")
module(load="imudp")
module(load="mmpstrucdata")
input(type="imtcp" address="127.0.0.1" port="{port}")
input(type="imudp" address="127.0.0.1" port="{port}")
template(name="line" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
  property(outname="data" name="$!rfc5424-sd" format="jsonf")
}}
action(type="mmpstrucdata")
action(type="omfile" file="{folder}/messages" template="line")
"#
    )
}

impl Rsyslog {
    /// Starts one and waits until it listens.
    pub fn start() -> Result<Rsyslog> {
        let daemon = Daemon::find()?;
        process::on_free_ports(|| Rsyslog::start_with(daemon.clone()))
    }

    fn start_with(daemon: Daemon) -> Result<Rsyslog> {
        let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
        let address = format!("127.0.0.1:{}", ports::free());
        let process = run(&daemon, folder.path(), &address)?;
        record::used(NAME, &daemon.version().unwrap_or_default());
        Ok(Rsyslog { process, address, daemon, folder })
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Starts it again; what it has received stays.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        self.process = run(&self.daemon, self.folder.path(), &self.address)?;
        Ok(())
    }

    /// What it has received: an object a message.
    pub fn messages(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("messages")).unwrap_or_default();
        let read = |line: &str| -> Option<Value> {
            let mut message: Value = serde_json::from_str(line).ok()?;
            // It writes what it read of the structured data as a text of JSON.
            let data = message.get("data").and_then(Value::as_str).and_then(|data| serde_json::from_str(data).ok());
            message["data"] = data.unwrap_or_default();
            Some(message)
        };
        text.lines().filter_map(read).collect()
    }
}

fn run(daemon: &Daemon, folder: &Path, address: &str) -> Result<Process> {
    let failed = |error: std::io::Error| PeerError::failed(NAME, error);
    let port = address.rsplit(':').next().unwrap_or_default();
    let file = folder.join("rsyslog.conf");
    fs::write(&file, configuration(folder, port)).map_err(failed)?;
    // Left behind by one that was killed.
    let pid = folder.join("pid");
    if pid.exists() {
        fs::remove_file(&pid).map_err(failed)?;
    }
    let mut command = daemon.command();
    command.arg("-n").arg("-f").arg(&file).arg("-i").arg(&pid);
    let mut process = Process::start(NAME, &mut command, &folder.join("log"))?;
    process.wait_ready(Duration::from_secs(20), || TcpStream::connect(address).is_ok())?;
    Ok(process)
}
