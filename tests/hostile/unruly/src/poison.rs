//! An allocator that panics when something is freed, once it is told to: the host has the guest free its answers, and that
//! is the one place where guest code runs after it has answered.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, Ordering},
};

/// From now on, nothing is freed in peace.
pub(crate) static ON: AtomicBool = AtomicBool::new(false);

struct Poison;

// SAFETY: the system's allocator, which is never called in another way than it was called here.
unsafe impl GlobalAlloc for Poison {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ON.load(Ordering::Relaxed) {
            std::process::abort();
        }
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Poison = Poison;
