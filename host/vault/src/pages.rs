//! Memory for one secret: pages that no other value shares, kept out of swap (`mlock`), out of core dumps
//! (`MADV_DONTDUMP`) and out of children (`MADV_WIPEONFORK`), and overwritten before they are given back.
//!
//! The system may allow less: a process may lock only so much, and not every system can leave pages out of dumps. A secret
//! that cannot be locked is kept all the same, and [`protected`] tells, so that the operator is told at the start.
#![allow(unsafe_code, reason = "the system's calls for memory")]

use std::sync::atomic::{AtomicBool, Ordering};

/// Something could not be locked so far.
static SWAPPABLE: AtomicBool = AtomicBool::new(false);

/// Whether all secrets so far are kept out of swap.
pub(crate) fn protected() -> bool {
    cfg!(unix) && !SWAPPABLE.load(Ordering::Relaxed)
}

#[cfg(unix)]
pub(crate) use unix::Pages;

#[cfg(not(unix))]
pub(crate) use elsewhere::Pages;

#[cfg(unix)]
mod unix {
    use std::{ptr::NonNull, sync::atomic::Ordering};

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
    use zeroize::Zeroize as _;

    use super::SWAPPABLE;

    /// Pages of a secret's own.
    pub(crate) struct Pages {
        start: NonNull<u8>,
        len: usize,
        /// What was mapped: whole pages, none for an empty secret.
        mapped: usize,
    }

    // SAFETY: the pages belong to this value alone and are written through `&mut` only.
    unsafe impl Send for Pages {}
    // SAFETY: as above.
    unsafe impl Sync for Pages {}

    impl Pages {
        /// Room for so many bytes, all 0.
        ///
        /// # Panics
        /// When the system has no memory, as every allocation does.
        pub(crate) fn new(len: usize) -> Self {
            let mapped = len.next_multiple_of(rustix::param::page_size());
            if mapped == 0 {
                return Self { start: NonNull::dangling(), len, mapped };
            }
            let access = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new mapping, at an address that the system chooses.
            let start = unsafe { mmap_anonymous(std::ptr::null_mut(), mapped, access, MapFlags::PRIVATE) };
            let start = start.ok().and_then(|start| NonNull::new(start.cast::<u8>()));
            let start = start.unwrap_or_else(|| panic!("no memory for a secret of {len} bytes"));
            // SAFETY: the mapping was made a moment ago, and none of these changes what is in it.
            unsafe {
                if mlock(start.as_ptr().cast(), mapped).is_err() {
                    SWAPPABLE.store(true, Ordering::Relaxed);
                }
                #[cfg(target_os = "linux")]
                for advice in [Advice::LinuxDontDump, Advice::LinuxWipeOnFork] {
                    let _ = madvise(start.as_ptr().cast(), mapped, advice);
                }
            }
            Self { start, len, mapped }
        }

        pub(crate) fn bytes(&self) -> &[u8] {
            // SAFETY: `len` bytes are mapped there, as long as this value lives.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }

        pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
            // SAFETY: as above, and nobody else can reach them.
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            self.bytes_mut().zeroize();
            if self.mapped > 0 {
                // SAFETY: nothing refers to the pages any more. What is unmapped is unlocked.
                let _ = unsafe { munmap(self.start.as_ptr().cast(), self.mapped) };
            }
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use zeroize::Zeroizing;

    /// Memory of a secret's own.
    pub(crate) struct Pages(Zeroizing<Vec<u8>>);

    impl Pages {
        /// Room for so many bytes, all 0.
        pub(crate) fn new(len: usize) -> Self {
            Self(Zeroizing::new(vec![0; len]))
        }

        pub(crate) fn bytes(&self) -> &[u8] {
            &self.0
        }

        pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }
}
