//! What a component may import: Jackfield's own interfaces, and the part of WASI 0.2 that reaches nothing.

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime_wasi::{
    WasiView as _,
    cli::{WasiCli, WasiCliView as _},
    filesystem::{WasiFilesystem, WasiFilesystemView as _},
    p2::{add_to_linker_proxy_interfaces_async, bindings as wasi},
    random::WasiRandom,
};

use crate::{EngineError, GuestState, bindings};

/// Links everything there is. Sockets are left out, not merely switched off; the file system is there because every
/// language's standard library imports it, and is empty.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    // io, clocks, random, stdin, stdout and stderr …
    add_to_linker_proxy_interfaces_async(l)?;
    // … and what standard libraries want besides.
    wasi::cli::environment::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::cli::exit::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::cli::terminal_input::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::cli::terminal_output::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, GuestState::cli)?;
    wasi::random::insecure::add_to_linker::<_, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    wasi::random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    wasi::filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, GuestState::filesystem)?;
    wasi::filesystem::types::add_to_linker::<_, WasiFilesystem>(l, GuestState::filesystem)?;
    bindings::Plugin::add_to_linker::<_, HasSelf<_>>(l, |state| state)?;
    Ok(linker)
}

/// Explains the first import that is not offered, if its name alone tells.
pub(crate) fn missing_import(engine: &wasmtime::Engine, component: &Component) -> Option<EngineError> {
    component
        .component_type()
        .imports(engine)
        .find_map(|(import, _)| Some(EngineError::Import { import: import.to_owned(), remedy: remedy(import)? }))
}

fn remedy(import: &str) -> Option<String> {
    let package = import.split(['/', '@']).next().unwrap_or_default();
    match package {
        "wasi:cli" | "wasi:io" | "wasi:clocks" | "wasi:random" | "wasi:filesystem" | "jackfield:types" => None,
        "jackfield:plugin" => {
            let offered = import.rsplit_once('@').is_some_and(|(_, version)| version.starts_with("0.1."));
            (!offered).then(|| "this host offers jackfield:plugin@0.1.0; use a newer host or an older SDK".to_owned())
        }
        "wasi:sockets" => {
            Some("a plugin has no sockets: declare an endpoint and use jackfield:plugin/outbound".to_owned())
        }
        "wasi:http" => Some("use jackfield:plugin/outbound, which signs requests and checks the grant".to_owned()),
        _ => Some(
            "a plugin may import jackfield:plugin and WASI 0.2's cli, io, clocks, random and filesystem".to_owned(),
        ),
    }
}
