//! A healthy integration's calls while another, or a hundred others, misbehave: by the built server, over REST.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
};

use crate::{
    echo,
    http::{connect, send},
    race::percentile,
    table::Table,
};

const GROUP: &str = "neighbour";

/// Ways to misbehave: the operation and its parameters.
const WAYS: [(&str, &str); 12] = [
    ("spin", "{}"),
    ("recurse", "{}"),
    ("descend", r#"{"depth":10000000}"#),
    ("creep", "{}"),
    ("grow", r#"{"mib":1500}"#),
    ("crowd", r#"{"count":10000000}"#),
    ("long", r#"{"bytes":30000000}"#),
    ("lie", r#"{"bytes":1073741824}"#),
    ("chatter", r#"{"length":4000}"#),
    ("hammer", r#"{"path":"/x"}"#),
    ("hoard", r#"{"path":"/x"}"#),
    ("fill", r#"{"options":{}}"#),
];

/// All of it.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    let time = Duration::from_millis(if quick { 500 } else { 4000 });
    let server = Server::start().await?;
    server.post("/v1/integrations", r#"{"name":"healthy","plugin":"echo"}"#.into()).await?;
    let outside = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", outside.local_addr()?);
    tokio::spawn(answer_all(outside));
    let crowd = if quick { 10 } else { 100 };
    for n in 0..crowd {
        let new = serde_json::json!({"name": format!("wild-{n}"), "plugin": "unruly", "config": {"url": url}});
        server.post("/v1/integrations", new.to_string().into()).await?;
    }
    let alone = server.healthy(time).await?;
    report(table, "alone", &alone, &alone);
    for (operation, params) in WAYS {
        let hostile = Hostile::start(server.address, 0..1, &[(operation, params)], 4);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let beside = server.healthy(time).await?;
        let calls = hostile.stop().await;
        report(table, &format!("beside {operation} x 4 ({calls})"), &beside, &alone);
    }
    let hostile = Hostile::start(server.address, 0..crowd, &WAYS, 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside = server.healthy(time * 2).await?;
    let calls = hostile.stop().await;
    report(table, &format!("beside {crowd} hostile ({calls})"), &beside, &alone);
    Ok(())
}

/// Microseconds of calls and of health checks.
struct Latencies {
    p50: f64,
    p99: f64,
    worst: f64,
    health_worst: f64,
    calls: usize,
}

fn report(table: &mut Table, case: &str, now: &Latencies, alone: &Latencies) {
    let note = format!(
        "{:.2} x alone; p50 {:.0} us, worst {:.1} ms, health worst {:.1} ms, {} calls",
        now.p99 / alone.p99,
        now.p50,
        now.worst / 1000.0,
        now.health_worst / 1000.0,
        now.calls
    );
    table.add(GROUP, case, "healthy p99", now.p99, "us", &note);
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
            let mut install = Command::new(echo::program());
            install.args(["plugin", "install"]).arg(file).args(["--server", &format!("http://{address}")]);
            let output = install.output().await?;
            anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
        let mut all = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            send(&mut sender, "/v1/integrations/healthy/echo/note", echo::note_json()).await?;
            all.push(start.elapsed().as_secs_f64() * 1e6);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let calls = all.len();
        let (p50, p99) = (percentile(&mut all, 50), percentile(&mut all, 99));
        let worst = all.last().copied().unwrap_or(f64::NAN);
        Ok(Latencies { p50, p99, worst, health_worst: health.await??, calls })
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

/// Callers that make guests misbehave, until they are stopped.
struct Hostile {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Hostile {
    fn start(
        address: SocketAddr,
        which: std::ops::Range<usize>,
        ways: &[(&'static str, &'static str)],
        callers: usize,
    ) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for n in which {
            for caller in 0..callers {
                let Some((operation, params)) = ways.get((n + caller) % ways.len()).copied() else { continue };
                let (stop, calls) = (stop.clone(), calls.clone());
                tasks.push(tokio::spawn(async move {
                    let path = format!("/v1/integrations/wild-{n}/unruly/{operation}");
                    while !stop.load(Ordering::Relaxed) {
                        // It fails, of course; a new connection each time.
                        if let Ok(mut sender) = connect(address).await {
                            let _ = send(&mut sender, &path, params.into()).await;
                        }
                        calls.fetch_add(1, Ordering::Relaxed);
                        // Not a test of the kernel's accept queue; also an open breaker answers at once.
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }));
            }
        }
        Self { stop, calls, tasks }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        self.calls.load(Ordering::Relaxed)
    }
}

/// An outside system that answers everything.
async fn answer_all(listener: TcpListener) {
    let router = axum::Router::new().fallback(async || "hello");
    let _ = axum::serve(listener, router).await;
}
