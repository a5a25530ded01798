//! What every part of the host works with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use jackfield_engine::{CallError, Engine};
use jackfield_gateway::Dialer;
use jackfield_store::Store;
use tokio::sync::{Notify, watch};

use crate::{EventKind, Result, clock::now_ms, events::Events, faults, integrations::Integration, view::View};

/// The least time between two events about one integration's crashes: a crash loop is one fact, not a thousand.
const FAULT_EVENTS: Duration = Duration::from_secs(1);

/// The host's parts.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dialer: Arc<Dialer>,
    /// Written by the registrar only.
    pub(crate) view: ArcSwap<View>,
    pub(crate) events: Events,
    pub(crate) registrar: crate::registrar::Queue,
    /// Told whenever the view changes.
    pub(crate) changed: Notify,
    /// `true` once the host ends.
    pub(crate) stop: watch::Sender<bool>,
}

impl Shared {
    /// Fails once the host ends.
    pub(crate) fn open(&self) -> Result<()> {
        if *self.stop.borrow() { Err(faults::shutting_down()) } else { Ok(()) }
    }

    /// Counts a guest's fault and tells of it.
    pub(crate) fn guest_fault(&self, integration: &Integration, action: &str, error: &CallError) {
        if !error.is_guest_fault() {
            return;
        }
        integration.live.traps.fetch_add(1, Ordering::Relaxed);
        if integration.live.fault_told.may_tell() {
            let plugin = Some(integration.record.plugin.as_str());
            let message = format!("`{action}`: {error}");
            self.events.emit(EventKind::GuestFault, Some(&integration.name), plugin, crate::guest_log::clean(&message));
        }
    }
}

/// Lets one through each second.
#[derive(Debug)]
pub(crate) struct Throttle(AtomicI64);

impl Default for Throttle {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Throttle {
    fn may_tell(&self) -> bool {
        let now = now_ms();
        let gap = i64::try_from(FAULT_EVENTS.as_millis()).unwrap_or(i64::MAX);
        let last = self.0.load(Ordering::Relaxed);
        // `abs_diff`, so that a clock that was set back does not silence it for long.
        now.abs_diff(last) >= gap.unsigned_abs()
            && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_is_told_once_a_second() {
        let throttle = Throttle::default();
        assert!(throttle.may_tell());
        assert!(!throttle.may_tell());
    }
}
