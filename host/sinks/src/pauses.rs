//! How long to wait before what failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
/// A receiver that is back is noticed within a minute.
const MOST: Duration = Duration::from_secs(60);

/// Pauses that double, each shortened at random by up to a half, so that hosts that failed together do not come together.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pauses {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(MOST);
        // Without randomness everything still works, only less evenly.
        let random = getrandom::u32().unwrap_or(u32::MAX / 2);
        pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_again_after_a_success() {
        let mut pauses = Pauses::default();
        for most in [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000] {
            let pause = pauses.next().as_millis();
            assert!((most / 2..=most).contains(&pause), "{pause} for {most}");
        }
        pauses.reset();
        assert!(pauses.next() <= FIRST);
    }
}
