//! What hosts weigh: each in a process of its own, so that nothing of one is in the figure of another.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use jackfield_core::{CallRequest, Host, NewIntegration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
    task::JoinSet,
};

use crate::{echo::packed, table::Table};

const GROUP: &str = "memory";

/// All of it.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    let counts: &[usize] = if quick { &[0, 100] } else { &[0, 1000, 10_000] };
    let mut empty = 0.0;
    for (index, count) in counts.iter().enumerate() {
        // Added by one process and measured in another, which finds them there as a host does at its start.
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data").display().to_string();
        measured(&["add", &count.to_string(), &data]).await?;
        let mib = measured(&["idle", "0", &data]).await?;
        if index == 0 {
            empty = mib;
        }
        let note = format!("{:+.1} MiB", mib - empty);
        table.add(GROUP, &format!("{count} idle integrations"), "jackfield, resident", mib, "MiB", &note);
    }
    let calls = if quick { 50 } else { 1000 };
    let before = measured(&["flight", "0"]).await?;
    let mib = measured(&["flight", &calls.to_string()]).await?;
    let note = format!("{:+.1} MiB; all answered", mib - before);
    table.add(GROUP, &format!("{calls} calls in flight"), "jackfield, resident", mib, "MiB", &note);
    Ok(())
}

async fn measured(what: &[&str]) -> Result<f64> {
    let child = Command::new(std::env::current_exe()?)
        .arg("__memory")
        .args(what)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.wait_with_output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().with_context(|| format!("{what:?}: {} {said}", output.status))
}

/// The child's side: does what it is told and prints its resident memory.
pub(crate) fn child(mut words: impl Iterator<Item = String>) -> Result<()> {
    let what = words.next().unwrap_or_default();
    let count: usize = words.next().unwrap_or_default().parse()?;
    let data = words.next();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Host::builder().health_interval(Duration::from_secs(3600));
        if let Some(data) = data {
            builder = builder.data_dir(data);
        }
        let host = builder.build().await?;
        host.install_plugin(packed("echo")?.to_vec()).await?;
        let mib = if what == "flight" { flight(&host, count).await? } else { add(&host, count).await? };
        println!("{mib}");
        host.shutdown().await;
        Ok(())
    })
}

/// So many integrations that nobody calls.
async fn add(host: &Host, count: usize) -> Result<f64> {
    for n in 0..count {
        host.add_integration(NewIntegration::new(format!("echo-{n}"), "echo")).await?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    resident()
}

/// So many calls that wait for an outside system, all of which answer in the end.
async fn flight(host: &Host, count: usize) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut new = NewIntegration::new("echo", "echo");
    new.config.insert("url".into(), format!("http://{}", listener.local_addr()?).into());
    host.add_integration(new).await?;
    let (go, gone) = tokio::sync::watch::channel(false);
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut gone, arrived) = (gone.clone(), arrived.clone());
            tokio::spawn(async move {
                let mut head = [0; 2048];
                let _ = stream.read(&mut head).await;
                let _ = arrived.send(());
                let _ = gone.wait_for(|go| *go).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            });
        }
    });
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let host = host.clone();
        calls.spawn(async move {
            let answer = host.call(CallRequest::new("echo", "echo", "fetch", &br#"{"path":"/x"}"#[..])).await?;
            anyhow::ensure!(*answer == *b"200", "{answer:?}");
            Ok(())
        });
    }
    for _ in 0..count {
        tokio::select! {
            arrival = arrivals.recv() => arrival.context("the outside system is gone")?,
            Some(early) = calls.join_next() => early?.context("a call ended before it was answered")?,
        }
    }
    let mib = resident()?;
    go.send_replace(true);
    while let Some(call) = calls.join_next().await {
        call??;
    }
    Ok(mib)
}

/// Resident memory of this process, in MiB.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("only Linux tells")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
