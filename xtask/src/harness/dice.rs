//! Seeded chance, so that a run of a proof can be repeated with the moments it chose.

/// xorshift64*: enough to spread moments, and equal everywhere.
pub struct Dice(u64);

impl Dice {
    /// Equal seeds give equal throws.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from `low` up to and without `high`; `low` where the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let thrown = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        low + thrown % high.saturating_sub(low).max(1)
    }
}
