//! Choices that a seed decides (SplitMix64): a run that failed is made again with its seed. What threads make of it
//! together depends on the machine; what each of them does, one after another, does not.

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::Range,
    time::Duration,
};

/// A source of choices.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A seed that nobody chose; short enough to be typed.
    pub fn any_seed() -> u64 {
        RandomState::new().hash_one("soak") % 1_000_000
    }

    /// A source of its own for one of several.
    pub fn of(seed: u64, number: u64) -> Random {
        Random(Random(seed).next() ^ Random(!number).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in the range, which must not be empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// A time in the range, in milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// One of them; there must be one.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.within(0..all.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_choices_again_and_each_worker_has_its_own() {
        let choices = |mut random: Random| (0..50).map(|_| random.within(10..20)).collect::<Vec<_>>();
        assert_eq!(choices(Random::of(7, 1)), choices(Random::of(7, 1)));
        assert_ne!(choices(Random::of(7, 1)), choices(Random::of(7, 2)));
        assert_ne!(choices(Random::of(7, 1)), choices(Random::of(8, 1)));
        assert!(choices(Random::new(3)).iter().all(|choice| (10..20).contains(choice)));
    }
}
