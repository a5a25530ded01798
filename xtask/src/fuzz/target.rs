//! One target: its program, its inputs, and a run of it.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::report::Report;
use crate::cargo;

/// An input may take so many seconds. What is longer than a blink on this machine is minutes on a smaller one.
const SECONDS_AN_INPUT: u32 = 5;
/// A target may hold so many MiB. The inputs are kilobytes.
const MEMORY_MIB: u32 = 2048;

/// Says to a target where to put the inputs that it makes itself, of our WIT and our plugins' manifests.
const SEEDS: &str = "JACKFIELD_FUZZ_SEEDS";

/// A target by its name.
pub(super) struct Target {
    name: String,
}

impl Target {
    pub(super) fn new(name: String) -> Self {
        Self { name }
    }

    /// What cargo calls its program.
    pub(super) fn program_name(&self) -> String {
        format!("fuzz-{}", self.name)
    }

    /// Starts a run.
    pub(super) fn start(&self, seconds: u32) -> Result<Run<'_>> {
        let folder = cargo::target().join("fuzz").join(&self.name);
        let (bred, findings, made) = (folder.join("corpus"), folder.join("findings"), folder.join("seeds"));
        for folder in [&bred, &findings, &made] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let log = folder.join("log");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let ours = cargo::workspace().join("fuzz");
        let mut command = Command::new(cargo::target().join("release").join(self.program_name()));
        command
            // What is bred goes to the first folder.
            .args([&bred, &made, &ours.join("corpus").join(&self.name)])
            .env(SEEDS, &made)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={SECONDS_AN_INPUT}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .args(["-print_final_stats=1", "-reload=0"]);
        let words = ours.join("words").join(format!("{}.dict", self.name));
        if words.is_file() {
            command.arg(format!("-dict={}", words.display()));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start the fuzz target {}", self.name))?;
        Ok(Run { target: self, child, log })
    }
}

/// A run under way; stopped when it is dropped.
pub(super) struct Run<'t> {
    target: &'t Target,
    child: Child,
    log: PathBuf,
}

impl Run<'_> {
    /// How it ended, once it has.
    pub(super) fn ended(&mut self) -> Result<Option<Report>> {
        let Some(status) = self.child.try_wait()? else { return Ok(None) };
        let log = fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        Ok(Some(Report::read(&self.target.name, &String::from_utf8_lossy(&log), status.success())))
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
