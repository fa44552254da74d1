//! How hard a hash is made: Argon2id's memory, passes and lanes, within bounds at both ends.

use core::fmt;

/// The most memory that one hash may ask for, ours or a stored one: 256 MiB (A114).
pub(super) const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most lanes that one hash may have.
pub(super) const MAX_LANES: u32 = 16;
/// The most work that one hash may ask for, memory times passes: 1 GiB written once (A114).
pub(super) const MAX_COST: u64 = 1024 * 1024;
/// The least memory that new hashes may use: the smallest of OWASP's equivalent sets (7 MiB, 5 passes).
const MIN_MEMORY_KIB: u32 = 7 * 1024;
/// The least work that new hashes may take: the same set.
const MIN_COST: u64 = 35 * 1024;

/// Argon2id's cost parameters (RFC 9106 §3.1). The default is OWASP's minimum set: 19 MiB, two passes, one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashParameters {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Default for HashParameters {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl HashParameters {
    /// Parameters for new hashes: `memory_kib` in KiB, `passes` over it, in `lanes`.
    ///
    /// More than one lane only shortens the single hash on an idle machine; it costs throughput and buys no safety here.
    ///
    /// # Errors
    /// What is out of bounds, and the bound: memory from 7,168 to 262,144 KiB, memory times passes from 35,840 to
    /// 1,048,576 KiB, lanes from 1 to 16.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, ParameterError> {
        if memory_kib < MIN_MEMORY_KIB {
            return Err(ParameterError::MemoryTooSmall);
        }
        let parameters = match Self::stored(memory_kib, passes, lanes) {
            Ok(parameters) => parameters,
            Err(error) => return Err(error),
        };
        if parameters.cost() < MIN_COST {
            return Err(ParameterError::CostTooSmall);
        }
        Ok(parameters)
    }

    /// Parameters that make a hash worthless and quick to compute (64 KiB, one pass), for tests that are not about hashing.
    pub const fn insecure_for_tests() -> Self {
        Self { memory_kib: 64, passes: 1, lanes: 1 }
    }

    /// Parameters as a stored hash names them: bounded above only, a weak old hash is still verified.
    pub(super) const fn stored(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, ParameterError> {
        if lanes < 1 || lanes > MAX_LANES {
            return Err(ParameterError::Lanes);
        }
        if memory_kib < 8 * lanes {
            return Err(ParameterError::MemoryTooSmall);
        }
        if memory_kib > MAX_MEMORY_KIB {
            return Err(ParameterError::MemoryTooLarge);
        }
        if passes < 1 {
            return Err(ParameterError::CostTooSmall);
        }
        let parameters = Self { memory_kib, passes, lanes };
        if parameters.cost() > MAX_COST {
            return Err(ParameterError::CostTooLarge);
        }
        Ok(parameters)
    }

    /// Memory in KiB, `m` in a PHC string.
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory, `t` in a PHC string.
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes, `p` in a PHC string.
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    /// The work of one hash: KiB times passes.
    pub(super) const fn cost(self) -> u64 {
        self.memory_kib as u64 * self.passes as u64
    }

    /// Whether a hash made with `self` should be made anew with `current`: only upwards. `current` is at least as hard in
    /// memory and in work, and harder in one of them (A115).
    pub(super) const fn weaker_than(self, current: Self) -> bool {
        self.memory_kib <= current.memory_kib
            && self.cost() <= current.cost()
            && (self.memory_kib < current.memory_kib || self.cost() < current.cost())
    }
}

impl fmt::Display for HashParameters {
    /// As in a PHC string: `m=19456,t=2,p=1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory_kib, self.passes, self.lanes)
    }
}

/// Why cost parameters were refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParameterError {
    /// Too little memory to be worth hashing, or less than eight blocks a lane.
    #[error("too little memory: new hashes take at least 7168 KiB, any hash at least 8 KiB a lane")]
    MemoryTooSmall,
    /// More memory than one hash may take.
    #[error("too much memory: one hash takes at most 262144 KiB")]
    MemoryTooLarge,
    /// Too little work.
    #[error("too little work: memory times passes is at least 35840 KiB for new hashes, and passes at least 1")]
    CostTooSmall,
    /// More work than one hash may cause.
    #[error("too much work: memory times passes is at most 1048576 KiB")]
    CostTooLarge,
    /// Lanes out of bounds.
    #[error("lanes must be from 1 to 16")]
    Lanes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_for_new_hashes_have_a_floor_and_a_ceiling() {
        for sound in [(19_456, 2), (7_168, 5), (9_216, 4), (12_288, 3), (47_104, 1), (65_536, 3), (262_144, 4)] {
            assert!(HashParameters::new(sound.0, sound.1, 1).is_ok(), "{sound:?}");
        }
        assert_eq!(HashParameters::new(7_167, 8, 1), Err(ParameterError::MemoryTooSmall));
        assert_eq!(HashParameters::new(19_456, 1, 1), Err(ParameterError::CostTooSmall));
        assert_eq!(HashParameters::new(262_145, 1, 1), Err(ParameterError::MemoryTooLarge));
        assert_eq!(HashParameters::new(262_144, 5, 1), Err(ParameterError::CostTooLarge));
        assert_eq!(HashParameters::new(u32::MAX, u32::MAX, 1), Err(ParameterError::MemoryTooLarge));
        assert_eq!(HashParameters::new(19_456, u32::MAX, 1), Err(ParameterError::CostTooLarge));
        assert_eq!(HashParameters::new(19_456, 2, 0), Err(ParameterError::Lanes));
        assert_eq!(HashParameters::new(19_456, 2, 17), Err(ParameterError::Lanes));
    }

    #[test]
    fn a115_a_rehash_only_ever_goes_up() {
        let parameters = |memory, passes| HashParameters::stored(memory, passes, 1).unwrap();
        let (owasp, more_memory, more_work) = (parameters(19_456, 2), parameters(47_104, 1), parameters(65_536, 3));
        for (stored, current) in [(owasp, more_memory), (owasp, more_work), (more_memory, more_work)] {
            assert!(stored.weaker_than(current), "{stored} below {current}");
            assert!(!current.weaker_than(stored), "{current} never becomes {stored}");
            assert!(!stored.weaker_than(stored));
        }
        let much_work_little_memory = parameters(9_216, 64);
        assert!(!much_work_little_memory.weaker_than(owasp), "less work is no improvement");
        assert!(!owasp.weaker_than(much_work_little_memory), "less memory is no improvement");
    }
}
