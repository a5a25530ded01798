//! Everything that must be there before Jackfield can run or be tested. Each part looks first and acts only where
//! something is missing, so a second run costs next to nothing.

pub(crate) mod guests;
pub(crate) mod source;
pub(crate) mod target;

use anyhow::Result;

use crate::cargo;

/// Target, program and packed plugins.
pub(crate) fn everything() -> Result<()> {
    target::ensure()?;
    program()?;
    guests::build()?;
    Ok(())
}

/// Builds the `jackfield` program.
pub(crate) fn program() -> Result<()> {
    cargo::step("jackfield: building (release; the first time compiles the WebAssembly runtime, which takes minutes)");
    cargo::run("the build of jackfield", cargo::cargo().args(["build", "--release", "--package", "jackfield-cli"]))
}
