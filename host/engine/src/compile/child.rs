//! The child's side: reads a component from standard input, writes its code to standard output, and ends.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use crate::{EngineConfig, settings::wasmtime_config};

/// What the child may hold of memory, in bytes. Measured: the largest plugins seen (18 MB of Python) take 1.1 GB.
pub(super) const MAX_MEMORY: u64 = 3 << 30;
/// What it may use of processor time, in seconds, over all its threads.
pub(super) const MAX_CPU_SECONDS: u64 = 120;
/// Below every thread that serves a call.
const NICENESS: i32 = 15;
/// The exit status that says that standard error has the reason, in a sentence for the operator.
pub(super) const REFUSED: u8 = 65;

/// Compiles one component for an engine that was given this program as its [`Compiler`](crate::Compiler), within bounds on
/// memory and processor time that are set here, before a byte of the component is read.
///
/// A program calls this first of all when it is started with the arguments that it named in the `Compiler`, and ends with
/// what is returned.
pub fn serve_compilations() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // The parent reads it; without one there is nobody to tell.
            let _ = io::stderr().write_all(reason.as_bytes());
            ExitCode::from(REFUSED)
        }
    }
}

fn serve() -> Result<(), String> {
    bound().map_err(|e| format!("its compiler could not be bounded: {e}"))?;
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).map_err(|e| format!("it could not be read: {e}"))?;
    // No pool: nothing is run here. How instances are made has no bearing on the code.
    let engine =
        wasmtime::Engine::new(&wasmtime_config(&EngineConfig::default(), false)).map_err(|e| format!("{e:#}"))?;
    let code = engine.precompile_component(&wasm).map_err(|e| format!("{e:#}"))?;
    io::stdout().lock().write_all(&code).map_err(|e| format!("its code could not be handed over: {e}"))
}

#[cfg(unix)]
fn bound() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let lower = |resource, most: u64| {
        let maximum = getrlimit(resource).maximum.map_or(most, |old| old.min(most));
        setrlimit(resource, Rlimit { current: Some(maximum), maximum: Some(maximum) })
    };
    // Private writable memory, which is what a compiler takes; address space that is only reserved does not count.
    lower(Resource::Data, MAX_MEMORY)?;
    lower(Resource::Cpu, MAX_CPU_SECONDS)?;
    // A crash of the compiler leaves no image of anybody's component.
    lower(Resource::Core, 0)?;
    rustix::process::nice(NICENESS)?;
    Ok(())
}

#[cfg(not(unix))]
fn bound() -> io::Result<()> {
    Ok(())
}
