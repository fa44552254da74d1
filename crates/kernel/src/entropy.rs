//! Randomness as the code sees it: handed in, so that a test can replay a run.

use std::sync::{Mutex, PoisonError};

/// The only way in which our code gets random bytes. The real source stands in `crypto`.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with bytes that nobody can predict. Does not fail: a machine without randomness must stop.
    fn fill(&self, bytes: &mut [u8]);
}

/// A replayable source for tests (SplitMix64). Predictable, hence never for a secret that leaves a test.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// A source whose bytes depend on `seed` alone.
    pub const fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
