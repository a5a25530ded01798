//! What the operating system is told of a thread. The standard library has no word for it.
//!
//! Linux (from 6.12) has a thread that wakes up preempt one with a longer slice at once. A short call would otherwise wait
//! until such a thread has had its slice, 3 ms by default: ten times what the call takes.

#[cfg(target_os = "linux")]
use std::{io, time::Duration};

/// For how long a thread that gives way computes before others like it have their turn.
#[cfg(target_os = "linux")]
const SLICE: Duration = Duration::from_millis(20);

/// Has the thread that calls this give way to every other that wakes up, and lowers its priority to a nice value (0 is
/// normal, 19 the lowest). For threads whose work is not measured in microseconds. Where that cannot be done, and on other
/// systems than Linux, where such things belong to the process, nothing changes.
pub fn give_way(nice: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = set(nice, SLICE) {
        tracing::debug!(%error, "the priority of a thread cannot be lowered");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

/// `struct sched_attr` of sched(7), in its first version, which every kernel takes.
#[cfg(target_os = "linux")]
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Nanoseconds: the slice, for an ordinary thread. Kernels before 6.12 ignore it.
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Sets both for this thread. Where that is refused, the priority only.
#[cfg(target_os = "linux")]
fn set(nice: i32, slice: Duration) -> io::Result<()> {
    let attributes = Attributes {
        size: 48,
        policy: 0, // SCHED_OTHER
        nice,
        runtime: u64::try_from(slice.as_nanos()).unwrap_or(0),
        ..Attributes::default()
    };
    const { assert!(size_of::<Attributes>() == 48) };
    // SAFETY: the kernel reads as many bytes as `size` says, which the structure has, and keeps nothing.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done == 0 {
        return Ok(());
    }
    rustix::process::nice(nice).map(drop).map_err(io::Error::from)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_gives_way_has_the_lower_priority_and_the_others_keep_theirs() {
        let nice = || rustix::process::nice(0).unwrap();
        let before = nice();
        std::thread::spawn(move || {
            set(7, SLICE).unwrap();
            assert_eq!(nice(), 7);
        })
        .join()
        .unwrap();
        assert_eq!(nice(), before);
    }
}
