//! etcd: one member or a cluster of three, and its own client `etcdctl`, which is how tests see what is really stored.
//! A member keeps its ports and data over a stop and a start, so that a restart is a restart.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    PeerError, Process, Result, http, ports, process,
    program::{Executable, Program},
    record,
};

const NAME: &str = "etcd";

/// One running member.
#[derive(Debug)]
pub struct Etcd {
    process: Option<Process>,
    executable: Executable,
    arguments: Vec<String>,
    scheme: &'static str,
    address: String,
    version: String,
    folder: TempDir,
}

/// What a member has for TLS, in files that last as long as it.
#[derive(Clone, Copy, Debug)]
pub struct ServerTls<'f> {
    /// Its certificate, which must be good for a client too.
    pub certificate: &'f Path,
    /// Its private key.
    pub key: &'f Path,
    /// The CA of its clients' certificates.
    pub ca: &'f Path,
}

impl Etcd {
    /// Starts a single member whose version begins so (empty: any) and waits until it answers.
    pub fn start(version: &'static str) -> Result<Etcd> {
        let executable = Program { version, ..Program::any(NAME, NAME, "etcd-server") }.find()?;
        process::on_free_ports(|| {
            let peer = format!("http://127.0.0.1:{}", ports::free());
            let mut etcd = Etcd::prepare(&executable, "one", "127.0.0.1", &peer, &format!("one={peer}"))?;
            etcd.spawn()?;
            etcd.wait_healthy()?;
            record::used(NAME, &etcd.version);
            Ok(etcd)
        })
    }

    /// Starts a single member that speaks TLS with its clients and demands certificates of them.
    pub fn start_demanding(tls: &ServerTls<'_>) -> Result<Etcd> {
        let executable = Program::any(NAME, NAME, "etcd-server").find()?;
        process::on_free_ports(|| {
            let peer = format!("http://127.0.0.1:{}", ports::free());
            let mut etcd = Etcd::prepare(&executable, "one", "127.0.0.1", &peer, &format!("one={peer}"))?;
            let health = format!("127.0.0.1:{}", ports::free());
            for argument in &mut etcd.arguments {
                if argument.contains("client-urls=") {
                    *argument = argument.replace("=http://", "=https://");
                }
            }
            let files = [("cert-file", tls.certificate), ("key-file", tls.key), ("trusted-ca-file", tls.ca)];
            etcd.arguments.extend(files.map(|(flag, file)| format!("--{flag}={}", file.display())));
            etcd.arguments.push("--client-cert-auth".into());
            // The one address that answers without a certificate, and says only whether there is a leader.
            etcd.arguments.push(format!("--listen-metrics-urls=http://{health}"));
            etcd.scheme = "https";
            etcd.spawn()?;
            let Some(process) = &mut etcd.process else { return Err(PeerError::failed(NAME, "is stopped")) };
            process.wait_ready(Duration::from_secs(30), || {
                http::get_json(&health, "/health").is_ok_and(|answer| answer["health"] == "true")
            })?;
            record::used("etcd, client certificates", executable.package_version.as_deref().unwrap_or("of PATH"));
            Ok(etcd)
        })
    }

    fn prepare(executable: &Executable, name: &str, ip: &str, peer: &str, cluster: &str) -> Result<Etcd> {
        let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
        let address = format!("{ip}:{}", ports::free_on(ip));
        let arguments = [
            ("name", name.to_string()),
            ("data-dir", folder.path().join("data").display().to_string()),
            ("listen-client-urls", format!("http://{address}")),
            ("advertise-client-urls", format!("http://{address}")),
            ("listen-peer-urls", peer.to_string()),
            ("initial-advertise-peer-urls", peer.to_string()),
            ("initial-cluster", cluster.to_string()),
            // Old auto-compaction defaults differ between releases; tests compact when they mean to.
            ("auto-compaction-retention", "0".to_string()),
        ];
        let arguments = arguments.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
        Ok(Etcd {
            process: None,
            executable: executable.clone(),
            arguments,
            scheme: "http",
            address,
            version: String::new(),
            folder,
        })
    }

    fn spawn(&mut self) -> Result<()> {
        let mut command = self.executable.command();
        // An etcd of the user's own may have left its settings in the environment.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD")) {
            command.env_remove(name);
        }
        command.args(&self.arguments);
        self.process = Some(Process::start(NAME, &mut command, &self.folder.path().join("log"))?);
        Ok(())
    }

    fn wait_healthy(&mut self) -> Result<()> {
        let address = self.address.clone();
        let Some(process) = &mut self.process else { return Err(PeerError::failed(NAME, "is stopped")) };
        process.wait_ready(Duration::from_secs(30), || {
            // A linearizable read proves that there is a leader.
            let key = json!({"key": "AA=="});
            http::post_json(&address, "/v3/kv/range", &key).is_ok_and(|response| response.status == 200)
        })?;
        self.version = version(&address)?;
        Ok(())
    }

    /// Stops the member; its data and ports stay.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts a stopped member again on the same data and ports.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.spawn()?;
        self.wait_healthy()
    }

    /// Where it serves clients, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its client address as a URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What it says its version is.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its process while it runs, e.g. to freeze it.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// etcd's own client for this member.
    pub fn client(&self) -> Result<Etcdctl> {
        Etcdctl::new(&self.url())
    }
}

/// The version that the server at `address` says it has.
pub fn version(address: &str) -> Result<String> {
    let answer = http::get_json(address, "/version").map_err(|error| PeerError::failed(NAME, error))?;
    let version = answer["etcdserver"].as_str();
    version.map(str::to_string).ok_or_else(|| PeerError::failed(NAME, format!("tells no version: {answer}")))
}

/// Three members that are one store.
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<Etcd>,
}

impl EtcdCluster {
    /// Starts three members on 127.0.0.1 to 127.0.0.3 and waits until they agree.
    pub fn start(version: &'static str) -> Result<EtcdCluster> {
        let executable = Program { version, ..Program::any(NAME, NAME, "etcd-server") }.find()?;
        process::on_free_ports(|| {
            let peers: Vec<(String, String, String)> = (1..=3)
                .map(|number| {
                    let ip = format!("127.0.0.{number}");
                    let url = format!("http://{ip}:{}", ports::free_on(&ip));
                    (format!("m{number}"), ip, url)
                })
                .collect();
            let cluster: Vec<String> = peers.iter().map(|(name, _, url)| format!("{name}={url}")).collect();
            let cluster = cluster.join(",");
            let mut members = Vec::new();
            for (name, ip, url) in &peers {
                members.push(Etcd::prepare(&executable, name, ip, url, &cluster)?);
            }
            // All are started before one is waited for: none is healthy without a second.
            members.iter_mut().try_for_each(Etcd::spawn)?;
            members.iter_mut().try_for_each(Etcd::wait_healthy)?;
            record::used("etcd, 3 members", &members[0].version);
            Ok(EtcdCluster { members })
        })
    }

    /// The members.
    pub fn members(&mut self) -> &mut [Etcd] {
        &mut self.members
    }

    /// The members' client addresses as URLs.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(Etcd::url).collect()
    }
}

/// etcd's own client.
#[derive(Debug, Clone)]
pub struct Etcdctl {
    executable: Executable,
    endpoints: String,
    user: Option<String>,
}

impl Etcdctl {
    /// A client of the given endpoints, separated by commas.
    pub fn new(endpoints: &str) -> Result<Etcdctl> {
        let executable = Program::any("etcdctl", "etcdctl", "etcd-client").find()?;
        Ok(Etcdctl { executable, endpoints: endpoints.into(), user: None })
    }

    /// The same client as a user, `name:password`.
    pub fn as_user(self, user: &str) -> Etcdctl {
        Etcdctl { user: Some(user.into()), ..self }
    }

    /// Runs it with these arguments; what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().map_err(|error| PeerError::failed("etcdctl", error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(PeerError::failed("etcdctl", String::from_utf8_lossy(&output.stderr)))
    }

    /// The value of a key, if there is such a key.
    pub fn get(&self, key: &str) -> Result<Option<String>> {
        // The value ends where the one newline that etcdctl adds begins.
        let listed = self.run(&["get", key])?;
        Ok(listed.strip_prefix(&format!("{key}\n")).map(|rest| rest.strip_suffix('\n').unwrap_or(rest).to_string()))
    }

    /// Starts it without waiting, its output on a pipe.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        self.command(arguments).stdout(Stdio::piped()).spawn().map_err(|error| PeerError::failed("etcdctl", error))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.executable.command();
        command.env("ETCDCTL_API", "3").arg(format!("--endpoints={}", self.endpoints));
        command.args(self.user.iter().map(|user| format!("--user={user}"))).args(arguments);
        command.stdin(Stdio::null());
        command
    }
}
