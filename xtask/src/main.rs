//! The two commands a newcomer needs, `cargo xtask up` and `cargo xtask test`, and the set-up that both do themselves.
//!
//! It must build in seconds on a fresh machine, so it depends on nothing of the host: it drives the built `jackfield`
//! program as any user would.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person at a terminal")]

mod args;
mod bench;
mod cargo;
mod compatibility;
mod fuzz;
mod index;
mod setup;
mod signals;
mod soak;
mod test;
mod tour;
mod up;

use std::process::ExitCode;

use args::Task;

fn main() -> ExitCode {
    if fuzz::instrument::is_compiler() {
        eprintln!("xtask: the compiler cannot be started: {}", fuzz::instrument::compile());
        return ExitCode::FAILURE;
    }
    let task = match args::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = signals::install().and_then(|()| match task {
        Task::Help => {
            println!("{}", args::USAGE);
            Ok(true)
        }
        Task::Setup => setup::everything().map(|()| true),
        Task::Guests => setup::guests::build().map(|_| true),
        Task::Test { filter } => test::run(&filter),
        Task::Bench { words } => bench::run(&words),
        Task::Soak { words } => soak::run(&words),
        Task::Compatibility { record } => compatibility::write(record.as_deref()).map(|()| true),
        Task::Fuzz(options) => fuzz::run(&options).map(|reports| fuzz::summarise(&reports)),
        Task::Index(options) => index::run(&options),
        Task::Up(options) => up::run(&options),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
