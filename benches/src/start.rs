//! What it costs until the first call: compiling, the cache, an instance, a host with many integrations.

use std::{path::Path, time::Instant};

use anyhow::Result;
use bytes::Bytes;
use jackfield_core::{Host, NewIntegration};
use jackfield_engine::{Engine, EngineConfig};
use sha2::Digest as _;

use crate::{
    bare,
    echo::{self, Bench, Ours as _, packed},
    race::{median, race, way},
    table::Table,
};

const GROUP: &str = "start";

/// All of it.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    let rounds = if quick { 3 } else { 15 };
    for name in ["echo", "etcd"] {
        loading(table, name, packed(name)?, rounds).await?;
    }
    loading(table, "a component of 1.5 MB", large()?, rounds).await?;
    instances(table, quick).await?;
    let count = if quick { 100 } else { 1000 };
    integrations(table, 1, count, rounds.min(7)).await?;
    integrations(table, count / 10, count, rounds.min(7)).await
}

/// A component of 1.5 MB of code: one of ours, inside a component with much more in it.
fn large() -> Result<Bytes> {
    // Functions that differ, so that nothing can be shared; about 400 bytes each.
    let mut wat = String::from("(component (core module $m (memory 1)\n");
    for n in 0..3_700_u64 {
        wat += "(func (param i64 i32) (result i64) (local i64)\n";
        for step in 1..=8 {
            let constants = [n.wrapping_mul(0x9e37_79b9_7f4a_7c15), (n + step).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)];
            wat += &format!(
                "(local.set 2 (i64.xor (local.get 0) (i64.const {})))
                 (loop (local.set 2 (i64.add (i64.mul (local.get 2) (i64.const {})) (i64.load (local.get 1))))
                   (i64.store offset=8 (local.get 1) (local.get 2))
                   (br_if 0 (i64.lt_u (local.get 2) (i64.const {n}))))\n",
                constants[0] as i64, constants[1] as i64
            );
        }
        wat += "(local.get 2))\n";
    }
    wat += ") (core instance (instantiate $m)))";
    Ok(wat::parse_str(&wat)?.into())
}

async fn loading(table: &mut Table, name: &str, wasm: Bytes, rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config =
        || EngineConfig { cache_dir: Some(folder.path().into()), max_instances: 10, ..EngineConfig::default() };
    let case = format!("{name} ({:.2} MB)", wasm.len() as f64 / 1e6);
    let compiled = Instant::now();
    let engine = Engine::new(config())?;
    if let Err(error) = engine.load(wasm.clone()).await {
        // It is code without a plugin's exports: that is found out only once it is compiled and kept.
        anyhow::ensure!(error.to_string().contains("fit"), "{error}");
    }
    table.add(GROUP, &case, "compiled", compiled.elapsed().as_secs_f64() * 1e3, "ms", "");
    let (mut cached, mut hashed, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let digest = sha2::Sha256::digest(&wasm).into();
    for _ in 0..rounds {
        let engine = Engine::new(config())?;
        let start = Instant::now();
        let plugin = engine.load(wasm.clone()).await;
        cached.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(engine.stats().compiled == 0, "the cache was not used");
        let engine = Engine::new(config())?;
        let start = Instant::now();
        let _ = engine.load_hashed(wasm.clone(), digest).await;
        hashed.push(start.elapsed().as_secs_f64() * 1e3);
        if plugin.is_ok() {
            let start = Instant::now();
            engine.load(wasm.clone()).await?;
            again.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    table.add(GROUP, &case, "from the cache", median(cached), "ms", "");
    table.add(GROUP, &case, "from the cache, its digest known", median(hashed), "ms", "as the host loads it");
    if !again.is_empty() {
        table.add(GROUP, &case, "loaded already", median(again), "ms", "its digest is all that is computed");
    }
    Ok(())
}

async fn instances(table: &mut Table, quick: bool) -> Result<()> {
    let pre = bare::pre()?;
    let bench = Bench::new().await?;
    let cold = bench.cold();
    let operation = bench.operation("number");
    let mut ways = [
        way("bare wasmtime, one call", move |n| {
            let pre = pre.clone();
            async move {
                for _ in 0..n {
                    let mut store = bare::store(pre.engine());
                    let instance = pre.instantiate_async(&mut store).await.ours()?;
                    let client = echo::Client::new(&mut store, &instance).ours()?;
                    client.bench_echo_echo().call_number(&mut store, 7).await.ours()?.ok();
                }
                Ok(())
            }
        }),
        way("jackfield, one call", move |n| {
            let (pool, operation) = (cold.clone(), operation.clone());
            async move {
                for _ in 0..n {
                    let context = jackfield_engine::CallContext::new("echo", std::time::Duration::from_secs(5));
                    pool.call(operation.clone(), Bytes::from_static(b"{\"n\":7}"), context).await?;
                }
                Ok(())
            }
        }),
    ];
    let times = race(&mut ways, if quick { 3 } else { 31 }).await?;
    for (way, ns) in ways.iter().zip(&times) {
        let note = format!("{:.2} x bare", ns / times[0]);
        table.add(GROUP, "instantiate, call, drop", way.name, ns / 1000.0, "us", &note);
    }
    Ok(())
}

/// The echo as another plugin, which shares no code with it.
fn renamed(name: &str) -> Result<Vec<u8>> {
    echo::repacked(|manifest| name.clone_into(&mut manifest.plugin.name))
}

async fn integrations(table: &mut Table, plugins: usize, count: usize, rounds: usize) -> Result<()> {
    let case = match plugins {
        1 => format!("{count} integrations"),
        _ => format!("{plugins} plugins, {count} integrations"),
    };
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let host = Host::builder().data_dir(&data).build().await?;
    for n in 0..plugins {
        host.install_plugin(renamed(&format!("echo-{n}"))?).await?;
    }
    for n in 0..count {
        host.add_integration(NewIntegration::new(format!("echo-{n}"), format!("echo-{}", n % plugins))).await?;
    }
    host.shutdown().await;
    drop(host);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let host = Host::builder().data_dir(&data).build().await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(host.integrations().len() == count, "integrations are missing");
        host.shutdown().await;
    }
    table.add(GROUP, &case, "jackfield, the host", median(times), "ms", "");
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(program(&data).await?);
    }
    table.add(GROUP, &case, "jackfield serve, until ready", median(times), "ms", "");
    Ok(())
}

/// Milliseconds from the start of the program until it says that it is ready.
async fn program(data: &Path) -> Result<f64> {
    use tokio::io::AsyncReadExt as _;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let start = Instant::now();
    let mut child = tokio::process::Command::new(echo::program())
        .args(["serve", "--data"])
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .env("RUST_LOG", "error")
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let ready = loop {
        let answered = async {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, request).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer.starts_with("HTTP/1.1 200"))
        };
        if answered.await.unwrap_or(false) {
            break start.elapsed().as_secs_f64() * 1e3;
        }
        anyhow::ensure!(child.try_wait()?.is_none(), "jackfield ended");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    };
    child.start_kill()?;
    child.wait().await?;
    Ok(ready)
}
