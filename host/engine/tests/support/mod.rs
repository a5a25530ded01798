//! An engine with a real component that misbehaves on request, and a world around it that answers.
#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs")]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_engine::{
    CallContext, CallError, Engine, EngineConfig, Limits, LogLevel, LogSink, NoSecrets, Outbound, OutboundBody,
    OutboundRequest, OutboundResponse, Plugin, Pool, Services, StateItem, StateMutation, StateStore, Versioned,
    types::Error,
};
use jackfield_reflect::{Operation, reflect};

pub fn component() -> Bytes {
    let folder = std::env::var_os("JACKFIELD_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let file = folder.join("unruly.wasm");
    match std::fs::read(&file) {
        Ok(bytes) => bytes.into(),
        Err(error) => {
            panic!("{}: {error}; `cargo xtask guests` builds it, `cargo xtask test` does so by itself", file.display())
        }
    }
}

fn wit() -> String {
    let read = |path: &str| std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let types = read("../../wit/types/types.wit").replacen("@0.1.0;", "@0.1.0 {", 1) + "}";
    format!("{}\n{types}", read("../../tests/hostile/unruly/wit/unruly.wit"))
}

#[derive(Default)]
pub struct World {
    pub log: Mutex<Vec<(LogLevel, String)>>,
}

impl World {
    fn services(self: &Arc<Self>) -> Services {
        Services {
            integration: "test".into(),
            config: "{}".into(),
            outbound: self.clone(),
            state: self.clone(),
            log: self.clone(),
            secrets: Arc::new(NoSecrets),
        }
    }
}

#[async_trait]
impl Outbound for World {
    async fn send(&self, _: &CallContext, request: OutboundRequest) -> Result<OutboundResponse, Error> {
        match request.path_and_query.as_str() {
            "/hang" => std::future::pending().await,
            path => {
                let body = Box::new(Pieces(vec![Bytes::from(path.to_owned()), Bytes::from_static(b"!")]));
                Ok(OutboundResponse { status: 200, headers: vec![], body })
            }
        }
    }
}

struct Pieces(Vec<Bytes>);

#[async_trait]
impl OutboundBody for Pieces {
    async fn read(&mut self, _: usize) -> Result<Option<Bytes>, Error> {
        Ok(if self.0.is_empty() { None } else { Some(self.0.remove(0)) })
    }
}

#[async_trait]
impl StateStore for World {
    async fn get(&self, _: &str) -> Result<Option<Versioned>, Error> {
        Ok(None)
    }
    async fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<StateItem>, Error> {
        Ok(vec![])
    }
    async fn commit(&self, _: Vec<StateMutation>) -> Result<u64, Error> {
        Ok(1)
    }
}

impl LogSink for World {
    fn write(&self, _: &CallContext, level: LogLevel, message: &str) {
        self.log.lock().unwrap().push((level, message.to_owned()));
    }
}

pub struct Stand {
    pub engine: Arc<Engine>,
    pub plugin: Arc<Plugin>,
    pub pool: Arc<Pool>,
    pub world: Arc<World>,
    pub operations: Vec<Arc<Operation>>,
}

impl Stand {
    pub async fn new(limits: Limits) -> Self {
        Self::with(EngineConfig { max_instances: 50, ..EngineConfig::default() }, limits).await
    }

    pub async fn with(config: EngineConfig, limits: Limits) -> Self {
        Self::of(Engine::new(config).unwrap(), component(), &wit(), limits).await
    }

    /// An integration of any component, by its WIT.
    pub async fn of(engine: Arc<Engine>, wasm: Bytes, wit: &str, limits: Limits) -> Self {
        let operations = reflect(&wasm, wit).unwrap().capabilities.remove(0).operations;
        let plugin = engine.load(wasm).await.unwrap();
        let world = Arc::new(World::default());
        Self { pool: Pool::new(plugin.clone(), world.services(), limits), plugin, engine, world, operations }
    }

    /// The same engine and component as another integration.
    pub async fn neighbour(&self, limits: Limits) -> Self {
        let plugin = self.engine.load(component()).await.unwrap();
        let world = Arc::new(World::default());
        let pool = Pool::new(plugin.clone(), world.services(), limits);
        Self { plugin, pool, engine: self.engine.clone(), world, operations: self.operations.clone() }
    }

    pub async fn call(&self, operation: &str, params: &str) -> Result<String, CallError> {
        self.call_within(operation, params, Duration::from_secs(20)).await
    }

    pub async fn call_within(&self, operation: &str, params: &str, timeout: Duration) -> Result<String, CallError> {
        let operation = self.operations.iter().find(|o| o.name == operation).unwrap();
        let answer = self
            .pool
            .call(
                self.plugin.callable(operation)?,
                Bytes::from(params.to_owned()),
                CallContext::new(operation.action(), timeout),
            )
            .await?;
        Ok(String::from_utf8(answer).unwrap())
    }
}

/// Waits for what happens in the background: a call that moved there is dropped there.
pub async fn eventually(is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("five seconds later it still is not so");
}
