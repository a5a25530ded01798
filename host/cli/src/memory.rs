//! Memory that is free goes back to the system. The allocator gives it back when somebody allocates or frees; a server that
//! has answered its last large request may do neither for hours, and would keep what that took.

use std::{thread, time::Duration};

/// How often it is looked for what can be given back: seldom enough that what is used again is found where it was.
const INTERVAL: Duration = Duration::from_secs(2);

/// Gives back what is free, as long as the program runs.
pub(crate) fn give_back() {
    // On a thread of its own: giving back much takes milliseconds.
    let keeper = thread::Builder::new().name("memory".into()).spawn(|| {
        loop {
            thread::sleep(INTERVAL);
            collect();
        }
    });
    if let Err(error) = keeper {
        tracing::debug!(%error, "nobody gives free memory back");
    }
}

#[expect(unsafe_code, reason = "the allocator has no other interface for it")]
fn collect() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
