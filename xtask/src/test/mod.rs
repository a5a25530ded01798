//! `cargo xtask test`: everything that can be tested, in one cargo run, then a short run of every fuzz target, and a summary
//! that says what it was tested against. A test that could not run for want of an outside system is counted as skipped, never as passed.

mod summary;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use jackfield_peers::record;

use crate::{args::FuzzOptions, cargo, compatibility, fuzz, setup, signals};
use summary::Summary;

/// So long does each fuzz target run: enough to meet what a change has broken near the inputs that are known.
const FUZZ_SECONDS: u32 = 10;

/// Runs the tests whose names contain one of the words, or all; whether all passed.
pub(crate) fn run(filter: &[String]) -> Result<bool> {
    setup::for_tests()?;
    let temporary = tempfile::tempdir()?;
    let record = temporary.path().join("peers.jsonl");
    fs::write(&record, "")?;

    cargo::step("tests: building and running (release: the one profile whose dependencies are compiled)");
    let mut tests = cargo::cargo();
    tests
        .args(["test", "--release", "--workspace", "--no-fail-fast"])
        .args(filter)
        .env("JACKFIELD_PLUGINS_DIR", cargo::packed_plugins())
        .env(record::VARIABLE, &record);
    let (clean, mut summary) = run_tests(&mut tests)?;
    let record = fs::read_to_string(&record).context("reading what ran against which system")?;
    summary.add_record(&record);
    let mut outdated = None;
    if filter.is_empty() {
        outdated = compatibility::keep(&record)?;
        let options = FuzzOptions { seconds: FUZZ_SECONDS, at_once: 2, targets: Vec::new() };
        summary.add_fuzzing(FUZZ_SECONDS, &fuzz::run(&options)?);
    }
    print!("{summary}");
    if let Some(outdated) = outdated {
        println!("{outdated}");
    }
    if summary.executed() == 0 {
        bail!("no test ran; does the filter name one?");
    }
    Ok(clean && summary.failed() == 0)
}

/// Runs cargo, showing what it prints and counting on the way. Whether it succeeded, and the counts.
fn run_tests(command: &mut Command) -> Result<(bool, Summary)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let output = child.stdout.take().context("cargo without output")?;
    let reader = std::thread::spawn(move || {
        let mut summary = Summary::default();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            summary.add_line(&line);
        }
        summary
    });
    // The reader ends when the last holder of the pipe has: cargo, and the tests it started.
    while child.try_wait()?.is_none() {
        if signals::asked_to_stop() {
            let _ = child.kill();
            let _ = child.wait();
            bail!("stopped");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let status = child.wait()?;
    let Ok(summary) = reader.join() else { bail!("the tests' output could not be read") };
    Ok((status.success(), summary))
}
