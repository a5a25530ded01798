//! What an integration's guests may use: what the manifest asks for, the host's default where it asks for nothing, never
//! more than the host's ceilings. A manifest is a stranger's wish.

use std::time::Duration;

use jackfield_engine::Limits;
use jackfield_registry as registry;

/// The ceilings. Memory must not exceed what the engine reserves an instance (512 MiB).
const MAX_MEMORY_MIB: u32 = 512;
const MAX_CPU_MS: u64 = 60_000;
const MAX_CALL_MS: u64 = 300_000;
const MAX_CONCURRENCY: u32 = 256;
const MAX_RESPONSE_MIB: u32 = 256;
const MAX_STATE_KIB: u64 = 64 << 10;

/// Feeds that may wait at once for one integration. They have places of their own: however many watch, calls get through.
const FEEDS: usize = 64;

/// The limits of an integration's calls.
pub(crate) fn of(wanted: &registry::Limits) -> Limits {
    let mut limits = Limits::default();
    let mib = |mib: u32| usize::try_from(u64::from(mib) << 20).unwrap_or(usize::MAX);
    if let Some(memory) = wanted.memory_mib {
        limits.memory_bytes = mib(memory.min(MAX_MEMORY_MIB));
    }
    if let Some(cpu) = wanted.cpu_ms {
        limits.cpu = Duration::from_millis(cpu.min(MAX_CPU_MS));
    }
    if let Some(timeout) = wanted.call_timeout_ms {
        limits.call_timeout = Duration::from_millis(timeout.min(MAX_CALL_MS));
    }
    if let Some(concurrency) = wanted.concurrency {
        limits.concurrency = usize::try_from(concurrency.min(MAX_CONCURRENCY)).unwrap_or(1);
    }
    if let Some(response) = wanted.response_mib {
        limits.response_bytes = mib(response.min(MAX_RESPONSE_MIB));
    }
    if let Some(state) = wanted.state_kib {
        limits.state_bytes = state.min(MAX_STATE_KIB) << 10;
    }
    limits
}

/// The limits of its change feeds.
pub(crate) fn of_feeds(calls: &Limits) -> Limits {
    Limits { concurrency: FEEDS, max_idle: 1, ..calls.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_gets_what_it_asks_for_up_to_the_ceilings() {
        let modest = registry::Limits { memory_mib: Some(8), state_kib: Some(2), ..registry::Limits::default() };
        let limits = of(&modest);
        assert_eq!((limits.memory_bytes, limits.state_bytes), (8 << 20, 2 << 10));
        assert_eq!(limits.concurrency, Limits::default().concurrency);
        let greedy = registry::Limits {
            memory_mib: Some(u32::MAX),
            cpu_ms: Some(u64::MAX),
            call_timeout_ms: Some(u64::MAX),
            concurrency: Some(u32::MAX),
            response_mib: Some(u32::MAX),
            state_kib: Some(u64::MAX),
        };
        let limits = of(&greedy);
        assert_eq!(limits.memory_bytes, 512 << 20);
        assert_eq!(limits.cpu, Duration::from_secs(60));
        assert_eq!(limits.call_timeout, Duration::from_secs(300));
        assert_eq!((limits.concurrency, limits.response_bytes, limits.state_bytes), (256, 256 << 20, 64 << 20));
    }
}
