//! Fuzz targets as plain functions: `cargo test` runs them over seeds and seeded mutations, libFuzzer over all else.

use claviger_kernel::{FamilyId, Secret};

use crate::MacKey;
use crate::jose::{Algorithm, PublicJwk, VerifyingKey};
use crate::opaque::{Kind, OpaqueKeys, mint, parse};
use crate::sealed::{open, seal};

/// A ring whose keys the fuzzer cannot guess its way around, but a corpus can be made for.
fn ring() -> OpaqueKeys {
    OpaqueKeys::new(7, MacKey::new(&Secret::new([7; 32])))
}

/// A value of `kind` that [`fuzz_opaque`] accepts.
pub fn valid_opaque(kind: Kind) -> String {
    mint(kind, &ring(), FamilyId::from_bytes([1; 16]), 3, &Secret::new([5; 32])).expose().clone()
}

/// Opaque values: whatever is accepted must be exactly what its parts make again.
pub fn fuzz_opaque(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let ring = ring();
    for kind in Kind::ALL {
        if let Ok(value) = parse(kind, text, &ring) {
            let id: FamilyId = value.id();
            let again = mint(kind, &ring, id, value.generation(), value.secret());
            assert_eq!(again.expose(), text, "two spellings of one value");
        }
    }
}

/// A sealed value that [`fuzz_sealed`] accepts.
pub fn valid_sealed() -> String {
    seal(&ring(), br#"{"iss":"https://id.test"}"#).expose().clone()
}

/// Sealed values: whatever opens must be exactly what its plaintext makes again.
pub fn fuzz_sealed(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(plaintext) = open(&ring(), text) {
        assert_eq!(seal(&ring(), plaintext.expose()).expose(), text, "two spellings of one value");
    }
}

/// Public keys as JWK: no panic, and what is accepted is written so that it is read again as the same.
pub fn fuzz_jwk(data: &[u8]) {
    for algorithm in Algorithm::ALL {
        if let Ok(jwk) = PublicJwk::parse(data, algorithm) {
            let written = serde_json::to_vec(&jwk).expect("a JWK is plain strings");
            assert_eq!(PublicJwk::parse(&written, algorithm), Ok(jwk.clone()));
            let _ = VerifyingKey::new(&jwk);
        }
    }
}

/// Calls `target` with every seed and with `rounds` mutations of the seeds; the same every time, unless the environment
/// asks for `CLAVIGER_MUTATIONS` times as many, or for a chance that begins with `CLAVIGER_SEED`, as `xtask long` does.
///
/// # Panics
/// If either is set to something that is no number.
pub fn mutate(seeds: &[Vec<u8>], rounds: u32, target: fn(&[u8])) {
    use claviger_kernel::{Entropy as _, SeededEntropy};

    let asked = |name| std::env::var(name).ok().map(|text| text.parse().expect("the variable is a number"));
    let entropy = SeededEntropy::new(asked("CLAVIGER_SEED").unwrap_or(u64::from(rounds)));
    let draw = |below: usize| {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % below.max(1)
    };
    for seed in seeds {
        target(seed);
    }
    for _ in 0..u64::from(rounds) * asked("CLAVIGER_MUTATIONS").unwrap_or(1) {
        let mut data = seeds[draw(seeds.len())].clone();
        for _ in 0..=draw(4) {
            let at = draw(data.len() + 1);
            match draw(6) {
                0 if at < data.len() => data[at] ^= 1 << draw(8),
                1 if at < data.len() => data[at] = u8::try_from(draw(256)).unwrap_or(0),
                2 if at < data.len() => drop(data.remove(at)),
                3 => data.truncate(at),
                4 => data.insert(at, b"{}[]\":,.\\e9-+_AQ="[draw(17)]),
                _ => {
                    let other = &seeds[draw(seeds.len())];
                    let from = draw(other.len() + 1);
                    let until = (from + draw(64)).min(other.len());
                    data.splice(at..at, other[from..until].iter().copied());
                }
            }
        }
        target(&data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_values_stand_seeded_mutation() {
        let seeds: Vec<Vec<u8>> = Kind::ALL.map(|kind| valid_opaque(kind).into_bytes()).into();
        mutate(&seeds, 60_000, fuzz_opaque);
    }

    #[test]
    fn sealed_values_stand_seeded_mutation() {
        mutate(&[valid_sealed().into_bytes(), b"cvat_AQAAAAcA".to_vec()], 60_000, fuzz_sealed);
    }

    #[test]
    fn jwks_stand_seeded_mutation() {
        let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"1","use":"sig","alg":"ES256"}"#;
        let rsa = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp","e":"AQAB"}"#;
        mutate(&[ec.into(), rsa.into()], 60_000, fuzz_jwk);
    }
}
