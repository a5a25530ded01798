//! `cargo xtask bench`: what is measured is in `benches/`; here it is only built and started.

use anyhow::Result;

use crate::{cargo, setup};

/// Builds everything that is measured, and measures it.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    setup::programs()?;
    let mut bench = std::process::Command::new(cargo::jackfield().with_file_name("jackfield-bench"));
    bench.args(words);
    cargo::run("the benchmarks", &mut bench)?;
    Ok(true)
}
