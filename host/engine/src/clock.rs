//! The engine's clock as numbers, which atomics can hold and an [`Instant`] is not.

use std::{sync::LazyLock, time::Instant};

/// What is counted from: the clock's first use in this process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds until an instant.
pub(crate) fn ns_at(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds until now.
pub(crate) fn now_ns() -> u64 {
    ns_at(Instant::now())
}

/// Milliseconds until now.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}
