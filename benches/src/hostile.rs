//! Clients that have guests misbehave, and the outside system that those ask: in processes of their own and of the lowest
//! priority. In the field they are other machines: what it costs to read thirty megabytes is not to be measured as the
//! server's, nor as its neighbour's.

use std::{
    io::Read as _,
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use axum::{body::Body, routing::any};
use bytes::Bytes;
use http_body_util::Full;
use jackfield_crafted::{GUESTS, Guest};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
    runtime::Runtime,
};

use crate::http::{connect, send};

/// Ways to misbehave, and the parameters that are given: operations of `unruly`, and crafted plugins that are hostile as a
/// whole and called by their name.
pub(crate) const WAYS: [(&str, &str); 25] = [
    ("spin", "{}"),
    ("recurse", "{}"),
    ("descend", r#"{"depth":10000000}"#),
    ("creep", "{}"),
    ("grow", r#"{"mib":1500}"#),
    ("crowd", r#"{"count":10000000}"#),
    ("long", r#"{"bytes":30000000}"#),
    ("lie", r#"{"bytes":1073741824}"#),
    ("crash", r#"{"message":"the sky fell"}"#),
    ("poison", "{}"),
    ("chatter", r#"{"length":4000}"#),
    ("hammer", r#"{"path":"/x"}"#),
    ("hoard", r#"{"path":"/x"}"#),
    ("fetch", r#"{"path":"/never"}"#),
    ("fill", r#"{"options":{}}"#),
    // Every call has to make an instance, which never starts.
    ("start-traps", NOW),
    ("start-spins", NOW),
    ("start-grows", NOW),
    ("each-panics", NOW),
    ("fills-tables", NOW),
    ("leaks-timers", NOW),
    ("leaks-tokens", NOW),
    ("destroys-with-a-trap", NOW),
    ("destroys-by-recursion", NOW),
    ("allocates-for-ever", NOW),
];
/// What crafted plugins are told.
const NOW: &str = r#"{"text":"now"}"#;

/// Such a process; it ends when it is stopped, or dropped.
pub(crate) struct Hostile(Child);

impl Hostile {
    /// Starts so many callers for each of so many integrations: of one way, or of all of them.
    pub(crate) fn start(server: SocketAddr, integrations: usize, way: Option<usize>, callers: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?);
        child.args(["__hostile", &server.to_string(), &integrations.to_string(), &callers.to_string()]);
        child.args(way.map(|way| way.to_string()));
        Ok(Self(child.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?))
    }

    /// Ends it; how many calls it made.
    pub(crate) async fn stop(mut self) -> Result<u64> {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().await?;
        String::from_utf8_lossy(&output.stdout).trim().parse().context("the hostile clients did not say what they did")
    }
}

/// What that process does.
pub(crate) fn clients(mut words: impl Iterator<Item = String>) -> Result<()> {
    let mut word = || words.next().context("__hostile SERVER INTEGRATIONS CALLERS [WAY]");
    let (server, integrations, callers) = (word()?.parse()?, word()?.parse()?, word()?.parse()?);
    let way = word().ok().map(|way| way.parse()).transpose()?;
    let calls = Arc::new(AtomicU64::new(0));
    let count = calls.clone();
    let runtime = elsewhere(move || println!("{}", count.load(Ordering::Relaxed)))?;
    runtime.block_on(all(server, integrations, way, callers, &calls))
}

/// A runtime for what would be another machine. The process ends, with these last words, when its parent lets go of it.
fn elsewhere(last: impl FnOnce() + Send + 'static) -> Result<Runtime> {
    #[cfg(target_os = "linux")]
    rustix::process::nice(19)?;
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        last();
        std::process::exit(0);
    });
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn all(
    server: SocketAddr,
    integrations: usize,
    way: Option<usize>,
    callers: usize,
    calls: &Arc<AtomicU64>,
) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..integrations {
        for caller in 0..callers {
            let way = way.unwrap_or((n + caller) % WAYS.len());
            let (name, params) = *WAYS.get(way).context("no such way")?;
            let path = match GUESTS.iter().find(|guest| guest.name == name) {
                Some(guest) => crafted(server, guest, n).await?,
                None => format!("/v1/integrations/wild-{n}/unruly/{name}"),
            };
            tasks.spawn(one(server, path, params, calls.clone()));
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Sees to it that a crafted plugin is installed and has an integration of this number; where that is called.
async fn crafted(server: SocketAddr, guest: &Guest, number: usize) -> Result<String> {
    let file = http::Request::post("/v1/plugins?allow-unsigned=true")
        .header("host", "localhost")
        .header("content-type", "application/wasm");
    let mut sender = connect(server).await?;
    let response = sender.send_request(file.body(Full::new(guest.packed().into()))?).await?;
    anyhow::ensure!(response.status().is_success(), "{} is not installed: {}", guest.name, response.status());
    let name = format!("{}-{number}", guest.name);
    let new = format!(r#"{{"name":"{name}","plugin":"{}"}}"#, guest.name);
    // It may be there already.
    let _ = send(&mut connect(server).await?, "/v1/integrations", new.into()).await;
    Ok(format!("/v1/integrations/{name}/crafted/act"))
}

async fn one(server: SocketAddr, path: String, params: &'static str, calls: Arc<AtomicU64>) {
    loop {
        // It fails, of course; a new connection each time.
        if let Ok(mut sender) = connect(server).await {
            let _ = send(&mut sender, &path, params.into()).await;
        }
        calls.fetch_add(1, Ordering::Relaxed);
        // Not a test of the kernel's accept queue; also an open breaker answers at once.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An outside system that answers everything; the body of `/never` never ends.
pub(crate) struct Outside {
    pub(crate) url: String,
    _child: Child,
}

impl Outside {
    pub(crate) async fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?);
        let mut child =
            child.arg("__outside").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().context("it has no output")?;
        let url = BufReader::new(stdout).lines().next_line().await?.context("the outside system does not start")?;
        Ok(Self { url, _child: child })
    }
}

/// What that process does.
pub(crate) fn outside() -> Result<()> {
    elsewhere(|| ())?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        let endless = async || Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>());
        let router = axum::Router::new().route("/never", any(endless)).fallback(async || "hello");
        Ok(axum::serve(listener, router).await?)
    })
}
