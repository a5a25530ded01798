//! Runs plugins: one wasmtime engine, a compile cache, instance pools, limits and calls.
//!
//! The engine decides how a guest runs and how much of the machine it may use. It does not decide what a guest may reach:
//! everything that leaves the sandbox goes through the traits in [`services`], which the core fills. The design follows
//! from measurement: plain WIT functions, WASI 0.2, `call_async` with the component model's concurrency support switched
//! off, and **one call has one instance to itself**, so a trap, a deadline or a cancelled client costs one instance and
//! nothing else.
//!
//! ```no_run
//! # async fn run(wasm: Vec<u8>, services: jackfield_engine::Services, operation: std::sync::Arc<jackfield_reflect::Operation>) -> Result<(), Box<dyn std::error::Error>> {
//! use jackfield_engine::{CallContext, Engine, EngineConfig, Limits, Pool};
//!
//! let engine = Engine::new(EngineConfig::default())?;
//! let plugin = engine.load(wasm.into()).await?;
//! let callable = plugin.callable(&operation)?;
//! let pool = Pool::new(plugin, services, Limits::default());
//! let context = CallContext::new("key-value.get", std::time::Duration::from_secs(5));
//! let params = r#"{"key": "greeting"}"#.into();
//! let answer = pool.call(callable, params, context).await?;
//! # Ok(())
//! # }
//! ```

mod background;
mod bindings;
mod cache;
mod call;
mod callable;
mod clock;
mod compile;
mod config;
mod context;
mod direct;
mod engine;
mod error;
mod guest;
mod guest_error;
mod idle;
mod imports;
pub mod issuer;
pub mod lifecycle;
mod limit;
mod limiter;
mod linker;
mod meter;
mod plugin;
mod pool;
mod running;
mod schedule;
pub mod services;
mod settings;
mod share;
mod slots;
mod stdio;

/// The version of the runtime, as advisories about it name versions.
pub const WASMTIME_VERSION: &str = "48.0.8";

pub use callable::Callable;
pub use compile::{Compiler, serve_compilations};
pub use config::{EngineConfig, Limits};
pub use context::CallContext;
pub use engine::{Engine, EngineStats};
pub use error::{CallError, EngineError};
pub use guest::{Guest, GuestState};
pub use limit::Limit;
pub use plugin::Plugin;
pub use pool::{Pool, PoolStats};
pub use schedule::give_way;
pub use services::{
    DeleteMutation, LogLevel, LogSink, NoSecrets, Outbound, OutboundBody, OutboundRequest, OutboundResponse, Secrets,
    Services, SetMutation, StateExpect, StateItem, StateMutation, StateStore, Versioned, no_secrets,
};

/// The types of `jackfield:types/types`.
pub mod types {
    pub use crate::bindings::jackfield::types::types::*;
}
