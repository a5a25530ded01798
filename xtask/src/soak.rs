//! `cargo xtask soak`: what it does is in `tests/src/soak`; here it is only built and started.

use anyhow::Result;

use crate::{cargo, setup};

/// Builds the server and the soak, and lets it run.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    setup::programs()?;
    cargo::step("soak");
    let mut soak = std::process::Command::new(cargo::jackfield().with_file_name("jackfield-soak"));
    soak.args(words).env("JACKFIELD_PLUGINS_DIR", cargo::packed_plugins());
    cargo::run("the soak", &mut soak)?;
    Ok(true)
}
