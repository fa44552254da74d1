//! The machine's randomness. Nothing else in the workspace asks for it.

use claviger_kernel::{Entropy, Secret};

/// Randomness from the operating system through AWS-LC's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods)] // the one place that the ban leads to
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("a machine without randomness must stop");
    }
}

/// A new 256-bit secret: a key, a session secret, a token secret.
pub fn random_secret(entropy: &dyn Entropy) -> Secret<[u8; 32]> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let secret = Secret::new(bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    secret
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a070_secrets_have_256_bits_no_collision_and_no_bias() {
        let secrets: HashSet<[u8; 32]> = (0..100_000).map(|_| *random_secret(&SystemEntropy).expose()).collect();
        assert_eq!(secrets.len(), 100_000);
        // Every single bit is set in half of the secrets: 100,000 throws stray from 50,000 by 158 (one sigma).
        for bit in 0..256 {
            let set = secrets.iter().filter(|secret| secret[bit / 8] >> (bit % 8) & 1 == 1).count();
            assert!((48_900..=51_100).contains(&set), "bit {bit} is set in {set} of 100,000 secrets");
        }
    }
}
