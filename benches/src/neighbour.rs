//! A healthy integration's calls while another, or a hundred others, misbehave: by the built server, over REST.

use std::{
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use tokio::process::{Child, Command};

use crate::{
    echo,
    hostile::{Hostile, Outside, WAYS},
    http::{connect, send},
    race::percentile,
    table::Table,
};

const GROUP: &str = "neighbour";

/// All of it, or one way alone.
pub(crate) async fn all(table: &mut Table, quick: bool, only: Option<&str>) -> Result<()> {
    let time = Duration::from_millis(if quick { 500 } else { 4000 });
    let server = Server::start().await?;
    server.post("/v1/integrations", r#"{"name":"healthy","plugin":"echo"}"#.into()).await?;
    let outside = Outside::start().await?;
    let crowd = if quick { 10 } else { 100 };
    for n in 0..crowd {
        let new = serde_json::json!({"name": format!("wild-{n}"), "plugin": "unruly", "config": {"url": outside.url}});
        server.post("/v1/integrations", new.to_string().into()).await?;
    }
    // Before each way the server is alone for a while; all of that is what the ways are held against.
    let mut alone = Latencies::default();
    let mut cases = Vec::new();
    // `all` is no way: it stands for the last case.
    let chosen = |operation: &str| only.is_none_or(|only| only == operation);
    for (way, (operation, _)) in WAYS.iter().enumerate().filter(|(_, (operation, _))| chosen(operation)) {
        alone.add(server.healthy(time / 2).await?);
        let hostile = Hostile::start(server.address, 1, Some(way), 4)?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let beside = server.healthy(time).await?;
        cases.push((format!("beside {operation} x 4 ({})", hostile.stop().await?), beside));
    }
    alone.add(server.healthy(time / 2).await?);
    if chosen("all") {
        let hostile = Hostile::start(server.address, crowd, None, 2)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let beside = server.healthy(time * 2).await?;
        cases.push((format!("beside {crowd} hostile ({})", hostile.stop().await?), beside));
    }

    let p99 = percentile(&mut alone.calls, 99);
    cases.insert(0, ("alone".to_owned(), alone));
    for (case, mut latencies) in cases {
        latencies.report(table, &case, p99);
    }
    Ok(())
}

/// Microseconds of calls, and of the slowest health check.
#[derive(Default)]
struct Latencies {
    calls: Vec<f64>,
    health_worst: f64,
}

impl Latencies {
    fn add(&mut self, more: Self) {
        self.calls.extend(more.calls);
        self.health_worst = self.health_worst.max(more.health_worst);
    }

    fn report(&mut self, table: &mut Table, case: &str, alone: f64) {
        let (p50, p99) = (percentile(&mut self.calls, 50), percentile(&mut self.calls, 99));
        let note = format!(
            "{:.2} x alone; p50 {p50:.0} us, worst {:.1} ms, health worst {:.1} ms, {} calls",
            p99 / alone,
            percentile(&mut self.calls, 100) / 1000.0,
            self.health_worst / 1000.0,
            self.calls.len()
        );
        table.add(GROUP, case, "healthy p99", p99, "us", &note);
    }
}

/// Runs a command to its end; what it wrote.
async fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().await?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

struct Server {
    address: SocketAddr,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(echo::program())
            .args(["serve", "--data"])
            .arg(folder.path().join("data"))
            .args(["--listen", &address.to_string()])
            .env("RUST_LOG", "error")
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        while connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let server = Self { address, _child: child, _folder: folder };
        for plugin in ["echo", "unruly"] {
            let file = echo::target().join("plugins").join(format!("{plugin}.wasm"));
            let server = format!("http://{address}");
            let plan = run(Command::new(echo::program())
                .args(["plugin", "inspect"])
                .arg(&file)
                .args(["--server", &server, "-o", "json"]))
            .await?;
            let plan: serde_json::Value = serde_json::from_slice(&plan)?;
            let mut install = Command::new(echo::program());
            install.args(["plugin", "install", "--allow-unsigned"]).arg(file).args(["--server", &server]);
            if let Some(accept) = plan["accept"].as_str() {
                install.args(["--accept", accept]);
            }
            run(&mut install).await?;
        }
        Ok(server)
    }

    async fn post(&self, path: &str, body: Bytes) -> Result<Bytes> {
        send(&mut connect(self.address).await?, path, body).await
    }

    /// One healthy caller, at a pace that leaves the machine idle for the most part, and one who asks for health.
    async fn healthy(&self, time: Duration) -> Result<Latencies> {
        let end = Instant::now() + time;
        let health = tokio::spawn(health(self.address, end));
        let mut sender = connect(self.address).await?;
        let mut calls = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            send(&mut sender, "/v1/integrations/healthy/echo/note", echo::note_json()).await?;
            calls.push(start.elapsed().as_secs_f64() * 1e6);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Latencies { calls, health_worst: health.await?? })
    }
}

async fn health(address: SocketAddr, end: Instant) -> Result<f64> {
    let mut worst = 0.0_f64;
    while Instant::now() < end {
        let start = Instant::now();
        let mut sender = connect(address).await?;
        let request = http::Request::get("/healthz").header("host", "localhost");
        let response = sender.send_request(request.body(http_body_util::Full::default())?).await?;
        anyhow::ensure!(response.status() == 200, "{}", response.status());
        worst = worst.max(start.elapsed().as_secs_f64() * 1e6);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(worst)
}
