//! Everything that must be there before Jackfield can run or be tested. Each part looks first and acts only where
//! something is missing, so a second run costs next to nothing.

pub(crate) mod guests;
pub(crate) mod source;
pub(crate) mod target;

use anyhow::Result;

use crate::cargo;

/// Target, program and packed plugins, for use.
pub(crate) fn everything() -> Result<()> {
    target::ensure()?;
    program()?;
    guests::build()?;
    Ok(())
}

/// As [`everything`], for the tests. The program is built by the same cargo selection that the tests are: cargo unites the
/// features of all it is asked for, and another selection would compile the WebAssembly runtime a second time.
pub(crate) fn for_tests() -> Result<()> {
    target::ensure()?;
    cargo::step(
        "jackfield and the tests: building (release; the first time compiles the WebAssembly runtime, which takes minutes)",
    );
    let mut build = cargo::cargo();
    build.args(["test", "--release", "--workspace", "--no-run"]);
    cargo::run("the build of the tests", &mut build)?;
    guests::build()?;
    Ok(())
}

/// Every program of this checkout, those that only measure and test among them, and the packed plugins.
pub(crate) fn programs() -> Result<()> {
    target::ensure()?;
    cargo::step(
        "all programs: building (release; the first time compiles the WebAssembly runtime, which takes minutes)",
    );
    let mut build = cargo::cargo();
    // With a test among what is asked for, cargo unites the features as for all tests, and nothing is built twice.
    build.args(["build", "--release", "--workspace", "--bins", "--test", "architecture"]);
    cargo::run("the build of the programs", &mut build)?;
    guests::build()?;
    Ok(())
}

/// Builds the `jackfield` program.
pub(crate) fn program() -> Result<()> {
    cargo::step("jackfield: building (release; the first time compiles the WebAssembly runtime, which takes minutes)");
    cargo::run("the build of jackfield", cargo::cargo().args(["build", "--release", "--package", "jackfield-cli"]))
}
