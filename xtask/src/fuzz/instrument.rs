//! Our own crates with counters in them, so that libFuzzer sees which input went where, by the stable compiler and without
//! building anything of others' a second time.
//!
//! `RUSTFLAGS` would change how every dependency is compiled, and the WebAssembly runtime takes minutes. Cargo lets another
//! program stand in for the compiler of a workspace's own crates only; this program is that other one too, when the
//! environment says so. What it adds are options of LLVM, which the stable compiler passes on.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context, Result};

/// Says to this program that it stands in for the compiler.
const VARIABLE: &str = "JACKFIELD_FUZZ_COMPILER";

/// What is added. libFuzzer wants the counters, where each of them is in the code, and what is compared to what;
/// assertions and overflow checks turn silent mistakes into crashes.
const COUNTED: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Its tables and the linker's removal of unused code agree only within one unit.
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

/// Packages that no target links.
const UNCOUNTED: [&str; 2] = ["jackfield-tests", "jackfield-peers"];

/// Makes cargo compile the workspace's own crates through this program.
pub(super) fn instrument(cargo: &mut Command) -> Result<()> {
    let this = std::env::current_exe().context("this program does not know where it is")?;
    cargo.env("RUSTC_WORKSPACE_WRAPPER", this).env(VARIABLE, "1");
    Ok(())
}

/// Whether this program was started in the compiler's stead.
pub(crate) fn is_compiler() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Becomes the compiler; returns only if there is none.
pub(crate) fn compile() -> std::io::Error {
    let mut words = std::env::args_os().skip(1);
    let Some(compiler) = words.next() else { return std::io::ErrorKind::NotFound.into() };
    let words: Vec<OsString> = words.collect();
    let mut command = Command::new(compiler);
    command.args(&words).env_remove(VARIABLE);
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    if is_counted(&package, &words) {
        command.args(COUNTED);
    }
    command.exec()
}

/// Whether what is compiled ends up in a target, where libFuzzer is to count with. Build scripts, compile-time macros and
/// what they are made of run inside cargo and the compiler; cargo compiles those without optimisation. Our tests of the
/// whole product link nothing of it, and so no target links anything of them.
fn is_counted(package: &str, words: &[OsString]) -> bool {
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let elsewhere = has("proc-macro") || has("build_script_build") || UNCOUNTED.contains(&package);
    has("--crate-name") && has("opt-level=3") && !elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(package: &str, line: &str) -> bool {
        is_counted(package, &line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_ends_up_in_a_target_is_counted() {
        assert!(counted("jackfield-net", "--crate-name jackfield_net --crate-type lib -C opt-level=3"));
        assert!(!counted("jackfield-registry", "--crate-name jackfield_registry --crate-type lib -C embed-bitcode=no"));
        assert!(!counted("macros", "--crate-name macros --crate-type proc-macro -C opt-level=3"));
        assert!(!counted("jackfield-net", "--crate-name build_script_build --crate-type bin -C opt-level=3"));
        assert!(!counted("jackfield-tests", "--crate-name architecture --test -C opt-level=3"));
        assert!(!counted("", "-vV"));
    }
}
