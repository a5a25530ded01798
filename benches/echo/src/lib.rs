//! A guest that gives back what it gets, for the benchmarks.

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(Guest);

/// The guest.
pub struct Guest;

impl Plugin for Guest {
    fn check_health() -> Result<Health> {
        Ok(Health::healthy("an echo"))
    }
}

impl Echo for Guest {
    fn number(n: u32) -> Result<u32> {
        Ok(n)
    }

    fn note(note: echo::Memo) -> Result<echo::Memo> {
        Ok(note)
    }

    fn keep(_: echo::Memo, _: WriteOptions) -> Result<()> {
        Ok(())
    }

    fn bytes(bytes: Vec<u8>) -> Result<Vec<u8>> {
        Ok(bytes)
    }

    fn text(text: String) -> Result<String> {
        Ok(text)
    }

    fn rows(count: u32) -> Result<Vec<echo::Row>> {
        let row = |n: u32| echo::Row {
            at: 1_760_000_000_000 + u64::from(n) * 15_000,
            name: format!("node-{}.example", n % 100),
            value: f64::from(n) / 7.0,
        };
        Ok((0..count).map(row).collect())
    }

    fn fetch(path: String) -> Result<u16> {
        Ok(http::get("api", &path).send()?.status())
    }
}
