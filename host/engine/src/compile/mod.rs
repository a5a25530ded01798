//! From a component to code of this machine.
//!
//! A compiler of a stranger's file is where a host can be made to work for minutes and hold gigabytes: 400 KB of wasm are
//! enough. So it runs in a child process that has bounds of its own, yields to everything else on the machine, and can be
//! killed. Where there is no program to start (an embedder that named none), components are compiled in this process, and
//! only their size is bounded.

mod child;
mod process;

use std::{ffi::OsString, path::PathBuf};

use bytes::Bytes;

pub use child::serve_compilations;

use crate::EngineError;

/// The largest component that is compiled, in bytes. Python's interpreter in a component is 18 MB.
const MAX_COMPONENT: usize = 64 << 20;

/// How to start the program that compiles: one that calls [`serve_compilations`] first of all.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The program; most often the running one ([`std::env::current_exe`]).
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Compiles a component into what [`wasmtime::component::Component::deserialize`] takes.
pub(crate) async fn compile(
    compiler: Option<&Compiler>,
    engine: &wasmtime::Engine,
    wasm: Bytes,
) -> Result<Vec<u8>, EngineError> {
    if wasm.len() > MAX_COMPONENT {
        let message = format!("it has {} bytes, more than the {MAX_COMPONENT} that are compiled", wasm.len());
        return Err(EngineError::Compile(message));
    }
    match compiler {
        Some(compiler) => process::compile(compiler, wasm).await,
        None => {
            let engine = engine.clone();
            let compile =
                move || engine.precompile_component(&wasm).map_err(|e| EngineError::Compile(format!("{e:#}")));
            tokio::task::spawn_blocking(compile).await.map_err(|e| EngineError::Compile(e.to_string()))?
        }
    }
}
