//! What is remembered of calls: what the audit trail costs a read, how fast a trail is verified, and how many writes a
//! second are noted and recorded on the disk, before and after they are carried out, beside the disk's own flush.

use std::{hint::black_box, io::Write as _, sync::Arc, time::Instant};

use anyhow::Result;
use jackfield_audit::{Chain, Expectations, Key, Kind, Outcome, Record, Request, verify};
use jackfield_core::{CallRequest, Host};

use crate::{
    echo,
    race::{median, percentile, race, way},
    table::Table,
};

const GROUP: &str = "audit";
const RECORDS: u64 = 20_000;

/// All of it.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    trail(table, quick).await?;
    reads(table, quick).await?;
    writes(table, quick).await
}

/// A record of about 500 bytes.
fn record(n: u64) -> Record {
    Record {
        at: 1_700_000_000_000,
        subject: "local".into(),
        target: Some("prod-prometheus".into()),
        plugin_digest: Some(format!("sha256:{}", "7f".repeat(32))),
        revision: Some(12),
        call: Some(n),
        requests: vec![Request {
            endpoint: "api".into(),
            method: "GET".into(),
            host: Some("prometheus.internal:9090".into()),
            path: Some("/api/v1/query".into()),
            status: Some(200),
            received: 512,
            ms: Some(1.25),
            ..Request::default()
        }],
        outcome: Some(Outcome::Ok),
        ms: Some(1.5),
        ..Record::new(Kind::Call, "metrics.query")
    }
}

async fn trail(table: &mut Table, quick: bool) -> Result<()> {
    let key = Key::generate()?;
    let mut chain = Chain::begin("bench", &key);
    let mut text = chain.header().to_line();
    for n in 0..RECORDS {
        text.push_str(&chain.append(&record(n)).text);
    }
    text.push_str(&chain.close(0, &key));
    let (text, record) = (Arc::new(text), Arc::new(record(1)));
    let size = format!("records of {} bytes", text.len() as u64 / RECORDS);
    let mut ways = [
        way("append", move |times| {
            let (mut chain, record) = (chain.clone(), record.clone());
            async move {
                (0..times).for_each(|_| drop(black_box(chain.append(&record))));
                Ok(())
            }
        }),
        way("verify", move |times| {
            let text = text.clone();
            async move {
                for _ in 0..times {
                    let verified = verify(text.as_bytes(), &Expectations::default())?;
                    anyhow::ensure!(verified.records == RECORDS, "{verified:?}");
                }
                Ok(())
            }
        }),
    ];
    let took = race(&mut ways, if quick { 3 } else { 9 }).await?;
    table.add(GROUP, "a trail", "append", 1e9 / took[0], "rec/s", &size);
    table.add(GROUP, "a trail", "verify", 1e9 / took[1] * RECORDS as f64, "rec/s", &size);
    Ok(())
}

/// A call by JSON, with and without a trail.
async fn reads(table: &mut Table, quick: bool) -> Result<()> {
    let hosts = [echo::host_with(Host::builder().without_audit()).await?, echo::host().await?];
    let call = |host: Host| {
        move |times| {
            let host = host.clone();
            async move {
                for _ in 0..times {
                    black_box(host.call(CallRequest::new("echo", "echo", "note", echo::note_json())).await?);
                }
                Ok(())
            }
        }
    };
    let [bare, audited] = hosts.clone();
    let mut ways = [way("core, JSON, no trail", call(bare)), way("core, JSON, with a trail", call(audited))];
    let took = race(&mut ways, if quick { 3 } else { 15 }).await?;
    for (way, ns) in ways.iter().zip(&took) {
        let note = format!("{:+.2} us", (ns - took[0]) / 1e3);
        table.add(GROUP, "a read of 300 bytes", way.name, *ns, "ns", &note);
    }
    for host in hosts {
        host.shutdown().await;
    }
    Ok(())
}

/// Writes that are on the disk before and after, in the journal and in the trail. They write nothing themselves.
async fn writes(table: &mut Table, quick: bool) -> Result<()> {
    const CALLERS: usize = 64;
    let each = if quick { 20 } else { 400 };
    let folder = tempfile::tempdir()?;
    let mut floor = Vec::new();
    let mut file = std::fs::File::create(folder.path().join("floor"))?;
    for _ in 0..100 {
        file.write_all(&[7; 512])?;
        let start = Instant::now();
        file.sync_data()?;
        floor.push(start.elapsed().as_secs_f64() * 1e6);
    }
    table.add(GROUP, "the disk", "a flush of 512 bytes", median(floor), "us", "");
    let host = echo::host_with(Host::builder().data_dir(folder.path().join("data"))).await?;
    let start = Instant::now();
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(each);
                for _ in 0..each {
                    let start = Instant::now();
                    host.call(CallRequest::new("echo", "echo", "keep", echo::note_json())).await?;
                    latencies.push(start.elapsed().as_secs_f64() * 1e6);
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let rate = (CALLERS * each) as f64 / start.elapsed().as_secs_f64();
    let (p50, p99) = (percentile(&mut latencies, 50) / 1e3, percentile(&mut latencies, 99) / 1e3);
    let note = format!("p50 {p50:.1} ms, p99 {p99:.1} ms");
    table.add(GROUP, "64 callers", "writes noted and recorded", rate, "writes/s", &note);
    host.shutdown().await;
    Ok(())
}
