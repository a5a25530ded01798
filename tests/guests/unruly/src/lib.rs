//! A guest that misbehaves on request, for the tests of the engine.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(Guest);

/// The guest.
pub struct Guest;

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Plugin for Guest {
    fn check_health() -> Result<Health> {
        Ok(Health::healthy("as unruly as ever"))
    }
}

impl Unruly for Guest {
    fn echo(value: unruly::Everything) -> Result<unruly::Everything> {
        Ok(value)
    }

    fn count() -> Result<u32> {
        Ok(CALLS.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn spin() -> Result<()> {
        let mut n = 0_u64;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }

    fn sleep(ms: u64) -> Result<()> {
        std::thread::sleep(Duration::from_millis(ms));
        Ok(())
    }

    fn grow(mib: u32) -> Result<u64> {
        let block = vec![1_u8; usize::try_from(mib).unwrap_or(0) << 20];
        Ok(block.iter().map(|b| u64::from(std::hint::black_box(*b))).sum())
    }

    fn crash(message: String) -> Result<()> {
        panic!("{message}");
    }

    fn recurse() -> Result<u64> {
        #[expect(unconditional_recursion, reason = "that is the point")]
        fn down(n: u64) -> u64 {
            let frame = std::hint::black_box([n; 64]);
            down(frame[0] + 1) + frame[63]
        }
        Ok(down(0))
    }

    fn long(bytes: u64) -> Result<String> {
        Ok("x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    #[expect(clippy::print_stdout, reason = "that is the point")]
    fn print(lines: u32) -> Result<()> {
        for line in 0..lines {
            println!("line {line}");
        }
        jackfield_sdk::warn!("printed {lines} lines");
        Ok(())
    }

    fn fail() -> Result<()> {
        Err(Error::rate_limited(Some(1500), "slow down").downstream().code("E42"))
    }

    fn fetch(path: String) -> Result<Vec<u8>> {
        http::get("api", &path).send()?.bytes()
    }

    fn submit(path: String, then_crash: bool, _: WriteOptions) -> Result<u16> {
        let status = http::post("api", &path).send()?.status();
        assert!(!then_crash, "crashed after the answer");
        Ok(status)
    }
}
