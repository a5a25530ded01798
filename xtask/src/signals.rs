//! Ctrl-C and its kind. The first asks: loops end, guards are dropped in order, every child is stopped by its owner. The
//! second, when that takes too long, kills what was started and still runs, and ends at once. Either way nothing is left.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts to listen.
pub(crate) fn install() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if ASKED.swap(true, Ordering::Relaxed) {
                jackfield_peers::process::kill_all();
                std::process::exit(128 + signal);
            }
        }
    });
    Ok(())
}

/// Whether it is time to stop.
pub(crate) fn asked_to_stop() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Fails when it is time to stop. For steps that come one after another.
pub(crate) fn go_on() -> Result<()> {
    if asked_to_stop() {
        bail!("stopped");
    }
    Ok(())
}

/// Waits until it is time to stop, or until `over` says that there is nothing to wait for.
pub(crate) fn wait(mut over: impl FnMut() -> bool) {
    while !asked_to_stop() && !over() {
        std::thread::sleep(Duration::from_millis(100));
    }
}
