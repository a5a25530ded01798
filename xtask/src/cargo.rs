//! Where things are in the checkout, and running tools with their progress shown.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use jackfield_peers::process;

use crate::signals;

/// The checkout.
pub(crate) fn workspace() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
}

/// Where cargo builds to.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// The built `jackfield` program.
pub(crate) fn jackfield() -> PathBuf {
    target().join("release").join("jackfield")
}

/// Where packed plugins are put.
pub(crate) fn packed_plugins() -> PathBuf {
    target().join("plugins")
}

/// Cargo, in the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Announces a step.
pub(crate) fn step(what: &str) {
    println!("\x1b[1m==>\x1b[0m {what}");
}

/// Runs a command to its end, its output shown.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    signals::go_on()?;
    let name = command.get_program().to_string_lossy().into_owned();
    let cannot = || format!("{what}: cannot run {name}; is it installed and on PATH?");
    let mut child = command.spawn().with_context(cannot)?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if signals::asked_to_stop() {
            process::terminate(&mut child);
            bail!("stopped");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    signals::go_on()?;
    if !status.success() {
        bail!("{what} failed ({name}: {status}); the reason is above");
    }
    Ok(())
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}; is it installed and on PATH?"))?;
    if !output.status.success() {
        bail!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
