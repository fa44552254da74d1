//! Who computes Argon2id: a fast young implementation, and the reference that it must agree with at every start.
//!
//! Both stand behind one trait; a setting chooses. The fast one is not trusted on its word: before the first worker
//! starts, known answers and random inputs are put to both, and one differing byte stops the start.

use claviger_kernel::{Entropy, Secret};

use super::parameters::HashParameters;

/// Which implementation of Argon2id computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HashEngine {
    /// `argon2-rust`: picks the widest vector unit at run time and keeps its memory in huge pages.
    #[default]
    Fast,
    /// RustCrypto's `argon2`: slower and older. For a machine on which the fast one does not pass its self-test.
    Reference,
}

impl HashEngine {
    pub(super) fn make(self) -> Box<dyn Argon2id> {
        match self {
            Self::Fast => Box::new(Fast(None)),
            Self::Reference => Box::new(Reference(Vec::new())),
        }
    }
}

/// What goes into one hash (RFC 9106 §3.1).
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) secret: &'a [u8],
    pub(super) associated: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) const fn new(password: &'a [u8], salt: &'a [u8]) -> Self {
        Self { password, salt, secret: b"", associated: b"" }
    }
}

/// One worker's Argon2id, with the memory (the arena) that it keeps from one hash to the next.
pub(super) trait Argon2id {
    /// Fills `tag`. Leaves nothing of the input in the arena. Fails only for want of memory.
    fn compute(&mut self, input: Input<'_>, parameters: HashParameters, tag: &mut [u8]) -> Result<(), NotComputed>;

    /// Gives the arena back.
    fn release(&mut self);

    /// How much memory the arena holds, in KiB.
    fn arena_kib(&self) -> u32;
}

/// Why an engine gave no tag, in its own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NotComputed(pub(super) String);

struct Fast(Option<argon2_rust::Hasher>);

impl Argon2id for Fast {
    fn compute(&mut self, input: Input<'_>, parameters: HashParameters, tag: &mut [u8]) -> Result<(), NotComputed> {
        let failed = |error: argon2_rust::Error| NotComputed(error.to_string());
        let argon2 = argon2_rust::Argon2::new(
            argon2_rust::Algorithm::Argon2id,
            argon2_rust::Version::V0x13,
            argon2_rust::Params::builder()
                .memory(argon2_rust::params::Memory::kib(parameters.memory_kib().into()))
                .passes(parameters.passes())
                .lanes(parameters.lanes())
                .threads(1)
                .tag_len(argon2_rust::params::TagLen::bytes(tag.len() as u64))
                .build()
                .map_err(failed)?,
        );
        let hasher = self.0.get_or_insert_with(|| argon2.hasher());
        hasher.set_argon2(argon2);
        hasher.hash_into_with_ad(input.password, input.salt, input.secret, input.associated, tag).map_err(failed)
    }

    fn release(&mut self) {
        self.0 = None;
    }

    fn arena_kib(&self) -> u32 {
        let blocks = self.0.as_ref().map_or(0, argon2_rust::Hasher::reserved_blocks);
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }
}

struct Reference(Vec<argon2::Block>);

impl Argon2id for Reference {
    fn compute(&mut self, input: Input<'_>, parameters: HashParameters, tag: &mut [u8]) -> Result<(), NotComputed> {
        let failed = |error: argon2::Error| NotComputed(error.to_string());
        let mut costs = argon2::ParamsBuilder::new();
        costs.m_cost(parameters.memory_kib()).t_cost(parameters.passes()).p_cost(parameters.lanes());
        costs.data(argon2::AssociatedData::new(input.associated).map_err(failed)?).output_len(tag.len());
        let costs = costs.build().map_err(failed)?;
        let blocks = costs.block_count();
        let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        let argon2 = argon2::Argon2::new_with_secret(input.secret, algorithm, version, costs).map_err(failed)?;
        if let Some(missing) = blocks.checked_sub(self.0.len()) {
            self.0.try_reserve_exact(missing).map_err(|error| NotComputed(error.to_string()))?;
            self.0.resize(blocks, argon2::Block::new());
        }
        let computed = argon2.hash_password_into_with_memory(input.password, input.salt, tag, &mut self.0[..blocks]);
        self.0[..blocks].fill(argon2::Block::new());
        core::hint::black_box(&self.0);
        computed.map_err(failed)
    }

    fn release(&mut self) {
        self.0 = Vec::new();
    }

    fn arena_kib(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

/// The chosen implementation of Argon2id gave a wrong answer at the start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the password hash failed its self-test ({0}); choose the other hash engine, and report this machine")]
pub struct SelfTestFailed(String);

/// Puts known answers to `engine`, and random inputs to it and to the reference; they must agree in every byte.
pub(super) fn self_test(engine: HashEngine, entropy: &dyn Entropy) -> Result<(), SelfTestFailed> {
    answers_are_known(&mut *engine.make())?;
    match engine {
        HashEngine::Fast => answers_agree(&mut *engine.make(), &mut *HashEngine::Reference.make(), entropy),
        HashEngine::Reference => Ok(()),
    }
}

fn answers_are_known(tested: &mut dyn Argon2id) -> Result<(), SelfTestFailed> {
    for known in KNOWN_ANSWERS {
        if *tag(tested, known.input, known.parameters)?.expose() != known.tag {
            return Err(SelfTestFailed(format!("wrong answer to {}", known.name)));
        }
    }
    Ok(())
}

fn answers_agree(
    tested: &mut dyn Argon2id,
    reference: &mut dyn Argon2id,
    entropy: &dyn Entropy,
) -> Result<(), SelfTestFailed> {
    // The last is large enough for the arena to be mapped in huge pages, the others are not.
    for parameters in const { [costs(8, 1, 1), costs(67, 3, 2), costs(256, 2, 1), costs(4096, 1, 1)] } {
        let mut random = [0u8; 64];
        entropy.fill(&mut random);
        let length = usize::from(random[63] % 48);
        let input = Input::new(&random[..length], &random[48..]);
        if tag(tested, input, parameters)? != tag(reference, input, parameters)? {
            return Err(SelfTestFailed(format!("it differs from the reference at {parameters}")));
        }
    }
    Ok(())
}

fn tag(
    engine: &mut dyn Argon2id,
    input: Input<'_>,
    parameters: HashParameters,
) -> Result<Secret<Vec<u8>>, SelfTestFailed> {
    let mut tag = vec![0; 32];
    engine.compute(input, parameters, &mut tag).map_err(|error| SelfTestFailed(error.0))?;
    Ok(Secret::new(tag))
}

struct KnownAnswer {
    name: &'static str,
    input: Input<'static>,
    parameters: HashParameters,
    tag: [u8; 32],
}

const fn costs(memory_kib: u32, passes: u32, lanes: u32) -> HashParameters {
    match HashParameters::stored(memory_kib, passes, lanes) {
        Ok(parameters) => parameters,
        Err(_) => panic!("a known answer is within the limits"),
    }
}

/// RFC 9106 §5.3, and Argon2id answers from the test program of the reference implementation in C.
const KNOWN_ANSWERS: &[KnownAnswer] = &[
    KnownAnswer {
        name: "RFC 9106 §5.3",
        input: Input { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], associated: &[4; 12] },
        parameters: costs(32, 3, 4),
        tag: [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e,
            0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ],
    },
    KnownAnswer {
        name: "reference answer m=256,t=2,p=1",
        input: Input::new(b"password", b"somesalt"),
        parameters: costs(256, 2, 1),
        tag: [
            0x9d, 0xfe, 0xb9, 0x10, 0xe8, 0x0b, 0xad, 0x03, 0x11, 0xfe, 0xe2, 0x0f, 0x9c, 0x0e, 0x2b, 0x12, 0xc1, 0x79,
            0x87, 0xb4, 0xca, 0xc9, 0x0c, 0x2e, 0xf5, 0x4d, 0x5b, 0x30, 0x21, 0xc6, 0x8b, 0xfe,
        ],
    },
    KnownAnswer {
        name: "reference answer m=256,t=2,p=2",
        input: Input::new(b"password", b"somesalt"),
        parameters: costs(256, 2, 2),
        tag: [
            0x6d, 0x09, 0x3c, 0x50, 0x1f, 0xd5, 0x99, 0x96, 0x45, 0xe0, 0xea, 0x3b, 0xf6, 0x20, 0xd7, 0xb8, 0xbe, 0x7f,
            0xd2, 0xdb, 0x59, 0xc2, 0x0d, 0x9f, 0xff, 0x95, 0x39, 0xda, 0x2b, 0xf5, 0x70, 0x37,
        ],
    },
];

#[cfg(test)]
mod tests {
    use claviger_kernel::SeededEntropy;

    use super::*;

    #[test]
    fn both_engines_pass_the_self_test() {
        assert_eq!(self_test(HashEngine::Fast, &SeededEntropy::new(1)), Ok(()));
        assert_eq!(self_test(HashEngine::Reference, &SeededEntropy::new(1)), Ok(()));
    }

    /// The reference, but one bit of each tag of at least `from_kib` is wrong.
    struct Faulty {
        engine: Reference,
        from_kib: u32,
    }

    impl Argon2id for Faulty {
        fn compute(&mut self, input: Input<'_>, parameters: HashParameters, tag: &mut [u8]) -> Result<(), NotComputed> {
            self.engine.compute(input, parameters, tag)?;
            tag[31] ^= u8::from(parameters.memory_kib() >= self.from_kib);
            Ok(())
        }

        fn release(&mut self) {
            self.engine.release();
        }

        fn arena_kib(&self) -> u32 {
            self.engine.arena_kib()
        }
    }

    #[test]
    fn one_wrong_bit_fails_the_self_test() {
        let faulty = |from_kib| Faulty { engine: Reference(Vec::new()), from_kib };
        for from_kib in [32, 256] {
            assert!(answers_are_known(&mut faulty(from_kib)).is_err());
        }
        for from_kib in [8, 67, 256, 4096] {
            let (mut tested, mut reference) = (faulty(from_kib), Reference(Vec::new()));
            assert!(answers_agree(&mut tested, &mut reference, &SeededEntropy::new(1)).is_err());
        }
        let (mut sound, mut reference) = (faulty(u32::MAX), Reference(Vec::new()));
        assert_eq!(answers_are_known(&mut sound), Ok(()));
        assert_eq!(answers_agree(&mut sound, &mut reference, &SeededEntropy::new(1)), Ok(()));
    }

    #[test]
    fn both_engines_agree_on_random_inputs_with_the_arena_kept_from_any_hash_to_any_other() {
        let (mut fast, mut reference) = (HashEngine::Fast.make(), HashEngine::Reference.make());
        let entropy = SeededEntropy::new(2);
        for _ in 0..150 {
            let mut random = [0u8; 320];
            entropy.fill(&mut random);
            let lanes = 1 + u32::from(random[0] % 3);
            let memory = 8 * lanes + u32::from(random[1]) * 2;
            let parameters = HashParameters::stored(memory, 1 + u32::from(random[2] % 3), lanes).unwrap();
            let password = &random[64..64 + usize::from(random[3])];
            let input = Input::new(password, &random[8..16 + usize::from(random[4] % 40)]);
            let (mut left, mut right) = (vec![0; 16 + usize::from(random[5] % 49)], vec![]);
            right.clone_from(&left);
            fast.compute(input, parameters, &mut left).unwrap();
            reference.compute(input, parameters, &mut right).unwrap();
            assert_eq!(left, right, "{parameters}");
        }
    }

    #[test]
    fn an_arena_is_kept_until_it_is_released() {
        for engine in [HashEngine::Fast, HashEngine::Reference] {
            let mut engine = engine.make();
            assert_eq!(engine.arena_kib(), 0, "made at first use");
            engine.compute(Input::new(b"password", b"somesalt"), costs(64, 1, 1), &mut [0; 32]).unwrap();
            assert_eq!(engine.arena_kib(), 64);
            engine.compute(Input::new(b"password", b"somesalt"), costs(32, 1, 1), &mut [0; 32]).unwrap();
            assert_eq!(engine.arena_kib(), 64);
            engine.release();
            assert_eq!(engine.arena_kib(), 0);
        }
    }
}
