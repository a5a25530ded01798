//! The `jackfield` program: it serves the host, or asks it, and is nothing but a client of the API that everyone uses.
//!
//! Where the API comes from is decided in [`api`], what `k=v` means in [`params`], how answers look in [`output`], and what
//! a script learns of a failure in [`failure`]. Each noun of the command line has a module in [`args`] (what can be typed)
//! and one in [`commands`] (what it does).

mod api;
mod args;
mod commands;
mod compiler;
mod documents;
mod failure;
mod file;
mod memory;
mod output;
mod params;
mod schema;
mod secret;
mod suggest;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::Cli;
use commands::Context;
use ui::Ui;

/// A call by JSON makes and drops a hundred small values, often on different threads: with the system's allocator that takes
/// half as long again (`cargo xtask bench calls`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if compiler::is_asked() {
        return jackfield_core::serve_compilations();
    }
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            // The message is the last thing there is to say; if it cannot be written, the code still tells.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let context = Context::new(&cli.globals);
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(&context, cli.command)),
        Err(error) => Err(failure::Failure::Failed(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            context.ui.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn parse() -> Result<Cli, clap::Error> {
    // clap colours its own messages before there are any options to look at.
    let plain = std::env::args_os().any(|arg| arg == "--no-color");
    let command = Cli::command().color(if plain { clap::ColorChoice::Never } else { clap::ColorChoice::Auto });
    Cli::from_arg_matches(&command.try_get_matches()?)
}
