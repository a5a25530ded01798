//! The guest of all benchmarks, what it is asked, and hosts that have it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::{Host, HostBuilder, NewIntegration};
use jackfield_engine::{
    CallContext, Callable, Engine, EngineConfig, Limits, LogLevel, LogSink, NoSecrets, Outbound, OutboundRequest,
    OutboundResponse, Pool, Services, StateItem, StateMutation, StateStore, Versioned, types::Error,
};
use jackfield_reflect::reflect;
use jackfield_registry::{Contents, Manifest, Package, pack, strip};

pub(crate) mod bindings {
    //! The types of `bench:echo`, as an embedder has them.
    #![allow(missing_docs, unreachable_pub, reason = "generated")]

    wasmtime::component::bindgen!({
        path: ["../wit/types", "echo/wit"],
        inline: "package bench:client; world client { export bench:echo/echo@0.1.0; }",
        exports: { default: async },
    });
}

pub(crate) use bindings::{Client, exports::bench::echo::echo::Memo};

/// wasmtime's errors as those of this program.
pub(crate) trait Ours<T> {
    fn ours(self) -> Result<T>;
}

impl<T> Ours<T> for wasmtime::Result<T> {
    fn ours(self) -> Result<T> {
        self.map_err(|error| anyhow::anyhow!("{error:#}"))
    }
}

/// A packed guest.
pub(crate) fn packed(name: &str) -> Result<Bytes> {
    let file = target().join("plugins").join(format!("{name}.wasm"));
    let read = std::fs::read(&file).with_context(|| format!("{}: `cargo xtask guests` builds it", file.display()))?;
    Ok(read.into())
}

/// The echo with another manifest, as another plugin or another version.
pub(crate) fn repacked(change: impl FnOnce(&mut Manifest)) -> Result<Vec<u8>> {
    let file = packed("echo")?;
    let Package { mut manifest, .. } = Package::read(&file)?;
    change(&mut manifest);
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("echo/wit");
    let contents = Contents { wit_dirs: &[&wit], ..Contents::default() };
    Ok(pack(&strip(&file)?, &manifest, &contents)?)
}

/// The target folder that this program was built into.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).map(PathBuf::from).unwrap_or_default()
}

/// The built `jackfield`.
pub(crate) fn program() -> PathBuf {
    target().join("release/jackfield")
}

/// A record of 200 bytes of text, 300 as JSON.
pub(crate) fn note() -> Memo {
    Memo {
        id: 9_007_199_254_740_993,
        title: "A disk of db-7 is nearly full".into(),
        body: "The volume /var/lib/postgresql has 3 % left and grows by half a gigabyte an hour; it is full at about four in the morning unless something is done.".into(),
        tags: vec!["disk".into(), "postgres".into(), "db-7".into()],
        done: false,
        weight: 0.97,
    }
}

/// The same as parameters of `note`.
pub(crate) fn note_json() -> Bytes {
    let note = note();
    let body = serde_json::json!({"note": {
        "id": note.id.to_string(), "title": note.title, "body": note.body, "tags": note.tags, "done": note.done,
        "weight": note.weight,
    }});
    body.to_string().into()
}

/// An engine with the guest, and no host around it.
pub(crate) struct Bench {
    pub(crate) pool: Arc<Pool>,
    operations: Vec<Callable>,
}

impl Bench {
    pub(crate) async fn new() -> Result<Self> {
        let wasm = packed("echo")?;
        let config = EngineConfig { max_instances: 200, ..EngineConfig::default() };
        let engine = Engine::new(config)?;
        let types = include_str!("../../wit/types/types.wit").replacen("@0.1.0;", "@0.1.0 {", 1) + "}";
        let wit = format!("{}\n{types}", include_str!("../echo/wit/echo.wit"));
        let operations = reflect(&wasm, &wit)?.capabilities.remove(0).operations;
        let nothing = Arc::new(Nothing);
        let services = Services {
            integration: "bench".into(),
            config: "{}".into(),
            outbound: nothing.clone(),
            state: nothing.clone(),
            log: nothing,
            secrets: Arc::new(NoSecrets),
        };
        let limits = Limits { concurrency: 128, max_idle: 128, ..Limits::default() };
        let plugin = engine.load(wasm).await?;
        let operations = operations.iter().map(|operation| plugin.callable(operation)).collect::<Result<_, _>>()?;
        Ok(Self { pool: Pool::new(plugin, services, limits), operations })
    }

    /// A pool that keeps no instance: each call makes its own.
    pub(crate) fn cold(&self) -> Arc<Pool> {
        self.pool.beside(Limits { max_idle: 0, ..Limits::default() })
    }

    pub(crate) fn operation(&self, name: &str) -> Callable {
        self.operations.iter().find(|o| o.operation().name == name).expect("the guest has it").clone()
    }
}

/// A host in memory with the integration `echo`.
pub(crate) async fn host() -> Result<Host> {
    host_with(Host::builder()).await
}

/// A host of this kind with the integration `echo`.
pub(crate) async fn host_with(builder: HostBuilder) -> Result<Host> {
    let host = builder.build().await?;
    host.install_plugin(packed("echo")?.to_vec()).await?;
    let mut new = NewIntegration::new("echo", "echo");
    new.config.insert("url".into(), "http://127.0.0.1:9".into());
    host.add_integration(new).await?;
    Ok(host)
}

struct Nothing;

#[async_trait]
impl Outbound for Nothing {
    async fn send(&self, _: &CallContext, _: OutboundRequest) -> Result<OutboundResponse, Error> {
        std::future::pending().await
    }
}

#[async_trait]
impl StateStore for Nothing {
    async fn get(&self, _: &str) -> Result<Option<Versioned>, Error> {
        Ok(None)
    }
    async fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<StateItem>, Error> {
        Ok(Vec::new())
    }
    async fn commit(&self, _: Vec<StateMutation>) -> Result<u64, Error> {
        Ok(0)
    }
}

impl LogSink for Nothing {
    fn write(&self, _: &CallContext, _: LogLevel, _: &str) {}
}
