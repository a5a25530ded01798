//! One call: bare wasmtime, the engine by types and by JSON, the host, and what other hosts of plugins do.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use jackfield_core::CallRequest;
use jackfield_engine::{CallContext, Guest};
use jackfield_reflect::{AnswerLimits, Heap, JsonLimits, Memory, encode};
use tokio::sync::Mutex;
use wasmtime::component::Val;

use crate::{
    bare::Bare,
    echo::{self, Bench, Client, Ours as _},
    extism::Extism,
    grpc::Grpc,
    race::{Way, median, race, way},
    table::Table,
};

const TIMEOUT: Duration = Duration::from_secs(30);

fn context() -> CallContext {
    // As the host does it: the name is there already.
    static OPERATION: LazyLock<Arc<str>> = LazyLock::new(|| "echo.note".into());
    CallContext::new(OPERATION.clone(), TIMEOUT)
}

/// The typed calls of bare wasmtime and of the engine, side by side.
macro_rules! typed {
    ($bare:expr, $bench:expr, $call:ident, $argument:expr) => {{
        let (bare, pool) = ($bare.clone(), $bench.pool.clone());
        let (here, there) = (Arc::new($argument), Arc::new($argument));
        [
            way("bare wasmtime, typed", move |n| {
                let (bare, argument) = (bare.clone(), here.clone());
                async move {
                    let Bare { store, client, .. } = &mut *bare.lock().await;
                    for _ in 0..n {
                        client
                            .bench_echo_echo()
                            .$call(&mut *store, (*argument).as_argument())
                            .await
                            .ours()?
                            .map_err(failed)?;
                    }
                    Ok(())
                }
            }),
            way("jackfield, typed", move |n| {
                let (pool, argument) = (pool.clone(), there.clone());
                async move {
                    for _ in 0..n {
                        let argument = &argument;
                        pool.typed(context(), async move |guest: &mut Guest| {
                            let (store, client) = guest.bindings(|store, instance| Client::new(store, instance))?;
                            client.bench_echo_echo().$call(store, (**argument).as_argument()).await
                        })
                        .await?
                        .map_err(failed)?;
                    }
                    Ok(())
                }
            }),
        ]
    }};
}

/// What a function takes, from what is kept.
trait AsArgument {
    type As<'a>
    where
        Self: 'a;
    fn as_argument(&self) -> Self::As<'_>;
}

impl AsArgument for u32 {
    type As<'a> = u32;
    fn as_argument(&self) -> u32 {
        *self
    }
}

impl AsArgument for echo::Memo {
    type As<'a> = &'a echo::Memo;
    fn as_argument(&self) -> &Self {
        self
    }
}

impl AsArgument for Vec<u8> {
    type As<'a> = &'a [u8];
    fn as_argument(&self) -> &[u8] {
        self
    }
}

fn failed<E: std::fmt::Debug>(error: E) -> anyhow::Error {
    anyhow::anyhow!("the guest failed: {error:?}")
}

/// JSON in and out by the engine.
fn json(bench: &Bench, operation: &str, params: Bytes) -> Way {
    let (pool, operation) = (bench.pool.clone(), bench.operation(operation));
    way("jackfield engine, JSON", move |n| {
        let (pool, operation, params) = (pool.clone(), operation.clone(), params.clone());
        async move {
            for _ in 0..n {
                pool.call(operation.clone(), params.clone(), context()).await?;
            }
            Ok(())
        }
    })
}

/// JSON in and out by the host: names looked up, limits, metrics, tracks.
fn core(host: &jackfield_core::Host, operation: &'static str, params: Bytes) -> Way {
    let host = host.clone();
    way("jackfield core, JSON", move |n| {
        let (host, params) = (host.clone(), params.clone());
        async move {
            for _ in 0..n {
                host.call(CallRequest::new("echo", "echo", operation, params.clone())).await?;
            }
            Ok(())
        }
    })
}

/// One caller.
pub(crate) async fn one(table: &mut Table, quick: bool) -> Result<()> {
    let rounds = if quick { 3 } else { 31 };
    let bare = Arc::new(Mutex::new(Bare::new().await?));
    let bench = Bench::new().await?;
    let host = echo::host().await?;
    let extism = Extism::load();
    if let Err(error) = &extism {
        println!("extism is left out: {error:#}");
    }
    let grpc = Grpc::start().await?;
    let bytes = vec![7_u8; 64 << 10];
    let base64 = base64(bytes.len());

    let mut ways: Vec<Way> = typed!(bare, bench, call_number, 7_u32).into();
    ways.push(json(&bench, "number", Bytes::from_static(b"{\"n\":7}")));
    ways.push(core(&host, "number", Bytes::from_static(b"{\"n\":7}")));
    ways.extend(extism.as_ref().ok().map(|e| e.way(4)));
    ways.push(grpc.way(4));
    show(table, "u32", &mut ways, rounds, 0).await?;

    let mut ways: Vec<Way> = typed!(bare, bench, call_note, echo::note()).into();
    ways.push(values(&bare));
    ways.push(json(&bench, "note", echo::note_json()));
    ways.push(core(&host, "note", echo::note_json()));
    ways.extend(extism.as_ref().ok().map(|e| e.way(200)));
    ways.push(grpc.way(200));
    show(table, "record of 200 bytes", &mut ways, rounds, 0).await?;

    let mut ways: Vec<Way> = typed!(bare, bench, call_bytes, bytes.clone()).into();
    ways.push(json(&bench, "bytes", base64.clone()));
    ways.push(core(&host, "bytes", base64));
    ways.extend(extism.as_ref().ok().map(|e| e.way(64 << 10)));
    ways.push(grpc.way(64 << 10));
    show(table, "64 KiB in and out", &mut ways, rounds, 0).await?;

    let mut ways: Vec<Way> = typed!(bare, bench, call_rows, 1000_u32).into();
    let params = Bytes::from_static(b"{\"count\":1000}");
    ways.push(json(&bench, "rows", params.clone()));
    ways.push(core(&host, "rows", params.clone()));
    let answer = bench.pool.call(bench.operation("rows"), params, context()).await?;
    show(table, "1,000 rows", &mut ways, rounds, answer.len()).await?;
    host.shutdown().await;
    Ok(())
}

/// What of a JSON call is not wasmtime's: reading the parameters and writing the answer, here of values that were just read.
pub(crate) async fn parts(table: &mut Table, quick: bool) -> Result<()> {
    let bench = Bench::new().await?;
    let cases =
        [("number", Bytes::from_static(b"{\"n\":7}")), ("note", echo::note_json()), ("bytes", base64(64 << 10))];
    for (name, params) in cases {
        let operation = bench.operation(name).operation().clone();
        let mut memory = Heap::default();
        let value = operation.decode_params(&params, &JsonLimits::default())?.place(&mut memory)?;
        let (reading, writing, memory) = (operation.clone(), operation, Arc::new((value, memory.0)));
        let mut ways = [
            way("reading the parameters", move |n| {
                let (operation, params) = (reading.clone(), params.clone());
                async move {
                    for _ in 0..n {
                        std::hint::black_box(operation.decode_params(&params, &JsonLimits::default())?);
                    }
                    Ok(())
                }
            }),
            way("writing the answer", move |n| {
                let (operation, memory) = (writing.clone(), memory.clone());
                async move {
                    let limits = AnswerLimits { max_bytes: usize::MAX, max_values: usize::MAX };
                    let shape = operation.ok.as_ref().ok_or_else(|| anyhow::anyhow!("no shape"))?;
                    for _ in 0..n {
                        let mut json = Vec::with_capacity(256);
                        encode(shape, &memory.0, Memory::utf8(&memory.1), &limits, &mut json)?;
                        std::hint::black_box(json);
                    }
                    Ok(())
                }
            }),
        ];
        let times = race(&mut ways, if quick { 3 } else { 31 }).await?;
        for (way, ns) in ways.iter().zip(times) {
            table.add("parts of a JSON call", name, way.name, ns, "ns", "");
        }
    }
    Ok(())
}

/// The parameters of `bytes` for so many bytes.
fn base64(bytes: usize) -> Bytes {
    format!("{{\"bytes\":\"{}\"}}", "BwcH".repeat(bytes / 3) + "Bw==").into()
}

/// `note` of bare wasmtime with values that are there already.
fn values(bare: &Arc<Mutex<Bare>>) -> Way {
    let note = echo::note();
    let text = |text: &str| Val::String(text.to_owned());
    let fields = [
        ("id", Val::U64(note.id)),
        ("title", text(&note.title)),
        ("body", text(&note.body)),
        ("tags", Val::List(note.tags.iter().map(|tag| text(tag)).collect())),
        ("done", Val::Bool(note.done)),
        ("weight", Val::Float64(note.weight)),
    ];
    let params = vec![Val::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())];
    let (bare, params) = (bare.clone(), Arc::new(params));
    way("bare wasmtime, values", move |n| {
        let (bare, params) = (bare.clone(), params.clone());
        async move {
            let mut bare = bare.lock().await;
            for _ in 0..n {
                bare.note_values(&params).await?;
            }
            Ok(())
        }
    })
}

async fn show(table: &mut Table, case: &str, ways: &mut [Way], rounds: usize, bytes: usize) -> Result<()> {
    let times = race(ways, rounds).await?;
    let bare = times.first().copied().unwrap_or(f64::NAN);
    for (way, ns) in ways.iter().zip(&times) {
        let mut note = format!("{:.2} x bare, {:+.2} us", ns / bare, (ns - bare) / 1000.0);
        if bytes > 0 && way.name.contains("JSON") {
            note += &format!(", {:.0} MB/s", bytes as f64 / ns * 1000.0);
        }
        table.add("one caller", case, way.name, *ns, "ns", &note);
    }
    Ok(())
}

/// Sixty-four callers against one.
pub(crate) async fn many(table: &mut Table, quick: bool) -> Result<()> {
    let (calls, rounds) = if quick { (20_000, 3) } else { (200_000, 9) };
    let bench = Arc::new(Bench::new().await?);
    let host = echo::host().await?;
    let mut figures = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..rounds {
        for (way, figures) in figures.iter_mut().enumerate() {
            for (index, callers) in [1, 64].into_iter().enumerate() {
                let start = std::time::Instant::now();
                let tasks: Vec<_> = (0..callers)
                    .map(|_| {
                        let (bench, host) = (bench.clone(), host.clone());
                        tokio::spawn(async move { repeat(way, &bench, &host, calls / callers).await })
                    })
                    .collect();
                for task in tasks {
                    task.await??;
                }
                figures[index].push(calls as f64 / start.elapsed().as_secs_f64());
            }
        }
    }
    for (name, [one, many]) in
        ["jackfield, typed", "jackfield engine, JSON", "jackfield core, JSON"].iter().zip(figures)
    {
        let (one, many) = (median(one), median(many));
        table.add("callers", "record, 1 caller", name, one, "calls/s", "");
        table.add("callers", "record, 64 callers", name, many, "calls/s", &format!("{:.2} x one caller", many / one));
    }
    host.shutdown().await;
    Ok(())
}

async fn repeat(way: usize, bench: &Bench, host: &jackfield_core::Host, times: usize) -> Result<()> {
    let (note, json, operation) = (echo::note(), echo::note_json(), bench.operation("note"));
    for _ in 0..times {
        match way {
            0 => {
                let note = &note;
                let call = async move |guest: &mut Guest| {
                    let (store, client) = guest.bindings(|store, instance| Client::new(store, instance))?;
                    client.bench_echo_echo().call_note(store, note).await
                };
                bench.pool.typed(context(), call).await?.map_err(failed)?;
            }
            1 => drop(bench.pool.call(operation.clone(), json.clone(), context()).await?),
            _ => drop(host.call(CallRequest::new("echo", "echo", "note", json.clone())).await?),
        }
    }
    Ok(())
}
