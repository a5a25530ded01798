//! A started program and its end. Everything that this crate or the tour starts goes through here, so one rule holds
//! for all: what was started is stopped, by its pid and by nothing broader, also when the starter panics or is told to stop.
//!
//! A child has a process group of its own: Ctrl-C in a terminal reaches only the starter, which stops its children in
//! order and lets them finish writing.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{PeerError, Result};

/// How long a program may take to stop when asked before it is killed.
const GRACE: Duration = Duration::from_secs(8);

static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A running program. Dropping it stops it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a program whose output goes to the file `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Process> {
        let failed = |error: std::io::Error| PeerError::failed(name, format!("could not be started: {error}"));
        let output = File::options().create(true).append(true).open(log).map_err(failed)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        running().push(child.id());
        Ok(Process { name: name.into(), child, log: log.into(), ended: None })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
            if self.ended.is_some() {
                forget(self.child.id());
            }
        }
        self.ended
    }

    /// Waits until `ready` says so. Fails with the end of its log when it ends first or takes longer than `within`.
    pub fn wait_ready(&mut self, within: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + within;
        while !ready() {
            if let Some(status) = self.ended() {
                return Err(self.failure(&format!("ended with {status} before it was ready")));
            }
            if Instant::now() > deadline {
                return Err(self.failure(&format!("was not ready within {} s", within.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.ended
    }

    /// Asks it to stop, and kills it when it does not. Its exit status.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        if self.wait(GRACE).is_none() {
            self.kill();
        }
        self.ended
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(GRACE);
    }

    /// Stops it where it stands: it keeps its sockets and answers nothing.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// An error about this program that ends with the last lines it wrote.
    pub fn failure(&self, what: &str) -> PeerError {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(12)..].join("\n  ");
        PeerError::failed(&self.name, format!("{what}; the last it wrote:\n  {tail}"))
    }

    fn signal(&mut self, signal: Signal) {
        // A child that was not yet waited for keeps its pid, so this cannot reach a stranger.
        if self.ended().is_none()
            && let Some(pid) = Pid::from_raw(self.child.id() as i32)
        {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.thaw();
        self.stop();
    }
}

/// Ends a child that may have children of its own to stop: asks it, and kills it when it does not end.
pub fn terminate(child: &mut Child) {
    let deadline = Instant::now() + GRACE;
    // A child that was not yet waited for keeps its pid, so this cannot reach a stranger.
    if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(child.id() as i32)) {
        let _ = kill_process(pid, Signal::TERM);
    }
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Kills everything that was started here and still runs. For the second Ctrl-C, when an orderly stop takes too long.
pub fn kill_all() {
    for pid in running().drain(..) {
        if let Some(pid) = Pid::from_raw(pid as i32) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn running() -> std::sync::MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn forget(pid: u32) {
    running().retain(|running| *running != pid);
}

/// Runs `start` again when it failed because its port was taken in the meantime: between picking a free port and
/// binding it, another program may have been faster.
pub fn on_free_ports<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..2 {
        match start() {
            Err(error) if error.to_string().contains("address already in use") => {}
            other => return other,
        }
    }
    start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (tempfile::TempDir, Process) {
        let temp = tempfile::tempdir().unwrap();
        let process = Process::start("sleep", Command::new("sleep").arg("60"), &temp.path().join("log")).unwrap();
        (temp, process)
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let (_temp, process) = sleeper();
        let pid = Pid::from_raw(process.pid() as i32).unwrap();
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn a_frozen_process_is_stopped_too() {
        let (_temp, mut process) = sleeper();
        process.freeze();
        let pid = Pid::from_raw(process.pid() as i32).unwrap();
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn a_program_that_ends_early_is_reported_with_its_output() {
        let temp = tempfile::tempdir().unwrap();
        let mut process = Process::start(
            "sh",
            Command::new("sh").args(["-c", "echo no such thing; exit 3"]),
            &temp.path().join("log"),
        )
        .unwrap();
        let error = process.wait_ready(Duration::from_secs(5), || false).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no such thing"), "{error}");
    }
}
