//! The soak as a program: `cargo xtask soak` builds and starts it. It prints a line at each rest, a summary, and a last line
//! of JSON; its exit code tells whether all was well.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person at a terminal")]

use std::process::ExitCode;

use jackfield_peers::process;
use jackfield_tests::soak::{self, Plan, Random};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

const USAGE: &str = "Usage: jackfield-soak [--minutes N] [--seed S]";
/// How long it takes when nothing else is said.
const MINUTES: u64 = 10;

fn main() -> ExitCode {
    let (minutes, seed) = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // The server is a child in a process group of its own: whoever ends this program early must not leave it behind.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return ExitCode::FAILURE };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            process::kill_all();
            std::process::exit(128 + signal);
        }
    });
    let seed = seed.unwrap_or_else(Random::any_seed);
    println!("soak of {minutes} min, seed {seed}; ~ marks the warm-up");
    match soak::run(&Plan::minutes(minutes, seed), |line| println!("{line}")) {
        Ok(report) => {
            println!("{report}\n{}", report.json());
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<(u64, Option<u64>), String> {
    let (mut minutes, mut seed) = (MINUTES, None);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
            value.parse::<u64>().map_err(|_| format!("`{word}` takes a whole number, not `{value}`"))
        };
        match word.as_str() {
            "--minutes" => minutes = number()?,
            "--seed" => seed = Some(number()?),
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    Ok((minutes, seed))
}
