//! A guest that misbehaves on request, for the tests of the engine.

mod hunt;
mod issuer;
mod poison;
mod raw;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(Guest);

/// The guest.
pub struct Guest;

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Plugin for Guest {
    fn check_health() -> Result<Health> {
        // What a check keeps, every later version finds.
        if config::get::<serde_json::Value>()?["keeps"] == true {
            state::set("kept", "by a check")?;
        }
        Ok(Health::healthy("as unruly as ever"))
    }

    fn migrate_config(from_version: &str, config: String) -> Result<String> {
        match from_version {
            "6.6.6" => Err(Error::invalid("", format!("what it was given is {config}"))),
            "7.7.7" => Ok(r#"{"url": "http://elsewhere.example", "note": "migrated"}"#.to_owned()),
            "8.8.8" => Ok("[]".to_owned()),
            "9.9.9" => Err(Error::invalid("/url", "nobody can read this")),
            _ => Ok(config),
        }
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

    fn hold(mib: u32, ms: u64) -> Result<u64> {
        let sum = Self::grow(mib);
        std::thread::sleep(Duration::from_millis(ms));
        sum
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

    fn descend(depth: u64) -> Result<u64> {
        // No accumulator can make a loop of this: a rotation does not distribute over the rest.
        #[inline(never)]
        fn down(n: u64) -> u64 {
            if n == 0 { 0 } else { down(n - 1).rotate_left(1) ^ n }
        }
        Ok(down(std::hint::black_box(depth)))
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

    fn creep() -> Result<u64> {
        let mut blocks = Vec::new();
        loop {
            blocks.push(std::hint::black_box(vec![1_u8; 64 << 10]));
        }
    }

    fn crowd(count: u32) -> Result<Vec<Option<bool>>> {
        Ok(vec![Some(true); usize::try_from(count).unwrap_or(usize::MAX)])
    }

    fn lie(bytes: u32) -> Result<String> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let short = Box::leak(Box::new(0_u8));
        // SAFETY: none. The host must find out.
        Ok(unsafe { String::from_raw_parts(short, bytes, bytes) })
    }

    fn poison() -> Result<String> {
        let answer = "you will regret this".repeat(2);
        poison::ON.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    fn chatter(length: u32) -> Result<()> {
        let line = "la".repeat(usize::try_from(length / 2).unwrap_or(0));
        loop {
            jackfield_sdk::info!("{line}");
        }
    }

    fn hammer(path: String) -> Result<()> {
        loop {
            drop(std::hint::black_box(http::get("api", &path).send()));
        }
    }

    fn gulp(path: String) -> Result<()> {
        loop {
            http::get("api", &path).send()?.bytes()?;
        }
    }

    fn hoard(path: String) -> Result<u32> {
        loop {
            std::mem::forget(http::get("api", &path).send()?);
        }
    }

    fn fill(_: WriteOptions) -> Result<u64> {
        let mut taken = 0;
        for key in 0.. {
            if state::set(format!("key-{key}"), vec![0_u8; 8 << 10]).is_err() {
                break;
            }
            taken += 8 << 10;
        }
        Ok(taken)
    }

    fn leftovers(mib: u32) -> Result<u64> {
        #[cfg(target_arch = "wasm32")]
        {
            let pages = usize::try_from(mib).unwrap_or(0) << 4;
            let first = core::arch::wasm32::memory_grow::<0>(pages);
            if first == usize::MAX {
                return Err(Error::internal("no memory"));
            }
            // SAFETY: these pages were added a moment ago and belong to nobody else.
            let fresh = unsafe { std::slice::from_raw_parts((first << 16) as *const u8, pages << 16) };
            Ok(fresh.iter().filter(|byte| **byte != 0).count() as u64)
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            let _ = mib;
            Ok(0)
        }
    }

    fn look(path: String) -> Result<Vec<u8>> {
        let response = http::get("api", &path).send()?;
        let mut all = format!("{}\n", response.status());
        for (name, value) in response.headers() {
            all.push_str(&format!("{name}: {value}\n"));
        }
        all.push('\n');
        let mut all = all.into_bytes();
        all.extend(response.bytes()?);
        Ok(all)
    }

    fn set_header(name: String, value: String) -> Result<u16> {
        Ok(http::get("api", "/plain").header(&name, value).send()?.status())
    }

    fn attempt(request: unruly::RawRequest) -> Result<Vec<u8>> {
        raw::send(request)
    }

    fn hunt(backwards: Vec<u8>) -> Result<u64> {
        Ok(hunt::count(&backwards))
    }

    fn make_secret() -> Result<String> {
        secrets::generate(32)
    }

    fn say(text: String) -> Result<()> {
        log::info!("{text}");
        Ok(())
    }

    fn compute(ms: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(ms);
        let mut n = 0_u64;
        while Instant::now() < end {
            for _ in 0..10_000 {
                n = std::hint::black_box(n.wrapping_add(1));
            }
        }
        Ok(())
    }
}
