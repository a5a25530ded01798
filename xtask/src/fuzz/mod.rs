//! `cargo xtask fuzz`: builds the targets of `fuzz/` with counters and lets libFuzzer breed inputs for each, from those in
//! `fuzz/corpus`, from those that are made of our own WIT, and from what earlier runs bred. An input that breaks a property, takes too long or too much memory is
//! kept, with what was printed, below `target/fuzz/NAME`.

pub(crate) mod instrument;
mod report;
mod target;

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};

use crate::{args::FuzzOptions, cargo, signals};
pub(crate) use report::Report;
use target::Target;

/// Builds and runs the targets that were asked for, or all; how each ended.
pub(crate) fn run(options: &FuzzOptions) -> Result<Vec<Report>> {
    let targets = chosen(&options.targets)?;
    build(&targets)?;
    cargo::step(&format!("fuzzing: {} targets for {} s each", targets.len(), options.seconds));
    let mut waiting = targets.iter();
    let mut running: Vec<target::Run<'_>> = Vec::new();
    let mut reports = Vec::new();
    loop {
        while running.len() < options.at_once
            && let Some(target) = waiting.next()
        {
            running.push(target.start(options.seconds)?);
        }
        if running.is_empty() {
            break;
        }
        // Those that still run are dropped, and with that stopped, when it is time to stop.
        signals::go_on()?;
        std::thread::sleep(Duration::from_millis(50));
        for mut run in std::mem::take(&mut running) {
            match run.ended()? {
                Some(report) => {
                    println!("{report}");
                    reports.push(report);
                }
                None => running.push(run),
            }
        }
    }
    Ok(reports)
}

/// Shows what all of them come to; whether none found anything.
pub(crate) fn summarise(reports: &[Report]) -> bool {
    let tried: u64 = reports.iter().map(|report| report.tried).sum();
    let broken: Vec<&str> = reports.iter().filter(|report| !report.is_clean()).map(|r| r.name.as_str()).collect();
    let found = if broken.is_empty() { "nothing found".to_owned() } else { format!("FOUND: {}", broken.join(", ")) };
    println!("\n{} targets, {tried} inputs: {found}", reports.len());
    broken.is_empty()
}

/// The targets of these names; all where none is named.
fn chosen(names: &[String]) -> Result<Vec<Target>> {
    let folder = cargo::workspace().join("fuzz/corpus");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut all: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; there are {}", all.join(", "));
    }
    all.retain(|name| names.is_empty() || names.contains(name));
    Ok(all.into_iter().map(Target::new).collect())
}

/// Builds the targets by the same selection of packages as the tests, so that dependencies are built once. Cargo counts
/// what only tests depend on into the features of everything else as soon as one test is among what is built; so one is.
fn build(targets: &[Target]) -> Result<()> {
    cargo::step("fuzz targets: building, our own crates with counters");
    let mut build = cargo::cargo();
    build.args(["build", "--release", "--workspace", "--test", "architecture"]);
    for target in targets {
        build.args(["--bin", &target.program_name()]);
    }
    instrument::instrument(&mut build)?;
    cargo::run("the build of the fuzz targets", &mut build)
}
