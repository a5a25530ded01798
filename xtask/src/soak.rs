//! `cargo xtask soak`: what it does is in `tests/src/soak`; here it is only built and started.

use anyhow::Result;

use crate::{cargo, setup};

/// Builds the server and the soak, and lets it run.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    setup::target::ensure()?;
    cargo::step("soak: building (release; the first time compiles the WebAssembly runtime, which takes minutes)");
    let mut build = cargo::cargo();
    // With a test among what is asked for, cargo unites the features as for all tests, and nothing is built twice.
    build.args(["build", "--release", "--workspace", "--bins", "--test", "soak"]);
    cargo::run("the build of the soak", &mut build)?;
    setup::guests::build()?;
    cargo::step("soak");
    let mut soak = std::process::Command::new(cargo::jackfield().with_file_name("jackfield-soak"));
    soak.args(words).env("JACKFIELD_PLUGINS_DIR", cargo::packed_plugins());
    cargo::run("the soak", &mut soak)?;
    Ok(true)
}
