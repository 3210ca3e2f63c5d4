//! Random numbers that a seed decides for ever: another version of a library must not change what a seed means.

use std::ops::Range;
use std::time::Duration;

/// SplitMix64, of <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Of this seed.
    pub fn of(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range.
    pub fn number(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.number(0..times) == 0
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// One of them.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.number(0..choices.len() as u64) as usize].clone()
    }
}
