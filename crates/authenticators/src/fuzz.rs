//! Fuzz targets: plain functions over bytes that must return, whatever the bytes are. The tests run them over a corpus
//! and seeded mutations of it; libFuzzer can drive the same functions.

use claviger_kernel::Secret;

use crate::password::{MAX_CODE_POINTS, PasswordHash, PasswordPolicy, PresentedPassword};

/// The PHC parser: what it reads it prints back byte for byte, and never beyond its limits.
pub fn phc(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(hash) = PasswordHash::parse(text) {
        assert_eq!(hash.to_string(), text);
        assert!(hash.parameters().memory_kib() <= 256 * 1024);
        assert!(u64::from(hash.parameters().memory_kib()) * u64::from(hash.parameters().passes()) <= 1024 * 1024);
    }
}

/// The password policy: the first line is the context, the rest the candidate. What may be chosen may be presented.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let (context, candidate) = text.split_once('\n').unwrap_or(("", text));
    let candidate = Secret::from(candidate);
    let policy = PasswordPolicy::default();
    let alone = policy.check(&candidate, &[context], false);
    if let Ok(chosen) = &alone {
        assert!(policy.check(&candidate, &[context], true).is_ok());
        assert!(policy.check(&candidate, &[], true).is_ok());
        assert!(candidate.expose().chars().count() >= policy.minimum(false));
        let (chosen, typed) = (chosen.presented(), PresentedPassword::new(&candidate));
        assert_eq!(Some(chosen.as_str()), typed.as_ref().ok().map(PresentedPassword::as_str));
        assert!(chosen.as_str().chars().count() <= MAX_CODE_POINTS);
    }
}

#[cfg(test)]
mod tests {
    use claviger_kernel::{Entropy, SeededEntropy};

    const PHC: &[&[u8]] = &[
        b"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        b"$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        b"$argon2i$v=19$m=4294967295,t=4294967295,p=1$$",
        b"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    ];
    const POLICY: &[&[u8]] = &[
        b"ottilie.sandberg@example.org\nottiliesandberg1234567890",
        b"a@b@c\nP@ssw0rdP@ssw0rd2024!!",
        b"\n1234567890qwertyuiop0000000000",
        "Zo\u{eb} \u{fdfa}\ncafe\u{301} na\u{ef}ve \u{fdfa} \u{1f5dd}\u{fe0f} \0 \u{3000}".as_bytes(),
    ];

    /// Runs `target` over `corpus` and `rounds` mutations of it: bytes changed, cut, doubled, joined.
    fn run(target: fn(&[u8]), corpus: &[&[u8]], rounds: usize) {
        let entropy = SeededEntropy::new(7);
        for input in corpus {
            target(input);
        }
        for round in 0..rounds {
            let mut dice = [0u8; 24];
            entropy.fill(&mut dice);
            let mut input = corpus[round % corpus.len()].to_vec();
            for roll in dice.chunks_exact(4).take(1 + usize::from(dice[23] % 6)) {
                let place = usize::from(u16::from_le_bytes([roll[0], roll[1]])) % (input.len() + 1);
                match roll[2] % 6 {
                    0 => input.insert(place, roll[3]),
                    1 => input.truncate(place),
                    2 => input.extend_from_within(place..),
                    3 => input.extend_from_slice(corpus[usize::from(roll[3]) % corpus.len()]),
                    4 => drop(input.drain(..place)),
                    _ => input.splice(place..place, *b"1$=,").for_each(drop),
                }
                input.truncate(8 * 1024);
            }
            target(&input);
        }
    }

    #[test]
    fn the_phc_parser_survives_anything() {
        run(super::phc, PHC, 50_000);
    }

    #[test]
    fn the_policy_survives_anything() {
        run(super::policy, POLICY, 1_000);
    }
}
