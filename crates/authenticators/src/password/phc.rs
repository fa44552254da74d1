//! Password hashes as they are stored: PHC strings, read strictly and within limits before anything is computed (A114).

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use claviger_kernel::{Secret, constant_time_eq};

use super::parameters::{HashParameters, ParameterError};

/// Bytes of salt in a new hash.
pub(super) const SALT_LENGTH: usize = 16;
/// Bytes of output in a new hash.
pub(super) const TAG_LENGTH: usize = 32;
const LONGEST_STRING: usize = 256;
const LONGEST_SALT: usize = 48;
const SHORTEST_SALT: usize = 8;
const LONGEST_TAG: usize = 64;
const SHORTEST_TAG: usize = 16;

/// A stored password hash: parameters, salt and tag, which together prove a password and reveal none.
///
/// Prints as a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$salt$tag`, for its column; does not show itself in logs.
#[derive(Clone)]
pub struct PasswordHash {
    parameters: HashParameters,
    salt: Vec<u8>,
    tag: Secret<Vec<u8>>,
}

impl PasswordHash {
    pub(super) const fn new(parameters: HashParameters, salt: Vec<u8>, tag: Secret<Vec<u8>>) -> Self {
        Self { parameters, salt, tag }
    }

    /// Reads a PHC string.
    ///
    /// # Errors
    /// What is wrong with it: not a PHC string, another scheme or version, or costs beyond the limits.
    pub fn parse(text: &str) -> Result<Self, PhcError> {
        if text.len() > LONGEST_STRING {
            return Err(PhcError::Malformed("it is longer than 256 bytes"));
        }
        let mut fields = text.split('$');
        if fields.next() != Some("") {
            return Err(PhcError::Malformed("it does not begin with `$`"));
        }
        let scheme = fields.next().ok_or(PhcError::Malformed("it names no scheme"))?;
        if scheme != "argon2id" {
            return Err(unknown(scheme));
        }
        match fields.next() {
            Some("v=19") => {}
            Some(field) if field.starts_with("v=") => return Err(PhcError::Version),
            Some(field) if field.starts_with("m=") => return Err(PhcError::Version),
            _ => return Err(PhcError::Malformed("it names no version")),
        }
        let mut costs = fields.next().unwrap_or_default().split(',');
        let mut cost = |name| costs.next().and_then(|field| decimal(field.strip_prefix(name)?));
        let [Some(memory), Some(passes), Some(lanes)] = [cost("m="), cost("t="), cost("p=")] else {
            return Err(PhcError::Malformed("its costs are not `m=…,t=…,p=…` in plain decimals"));
        };
        if costs.next().is_some() {
            return Err(PhcError::Malformed("it has parameters other than m, t and p"));
        }
        let parameters = HashParameters::stored(memory, passes, lanes)?;
        let salt = bytes(fields.next(), SHORTEST_SALT, LONGEST_SALT)
            .ok_or(PhcError::Malformed("its salt is not 8 to 48 bytes of unpadded base64"))?;
        let tag = bytes(fields.next(), SHORTEST_TAG, LONGEST_TAG)
            .ok_or(PhcError::Malformed("its output is not 16 to 64 bytes of unpadded base64"))?;
        if fields.next().is_some() {
            return Err(PhcError::Malformed("something follows its output"));
        }
        Ok(Self { parameters, salt, tag: Secret::new(tag) })
    }

    /// The costs that this hash was made with.
    pub const fn parameters(&self) -> HashParameters {
        self.parameters
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) const fn tag_length(&self) -> usize {
        self.tag.expose().len()
    }

    /// Whether `tag` is this hash's, in constant time.
    pub(super) fn proves(&self, tag: &Secret<Vec<u8>>) -> bool {
        constant_time_eq(self.tag.expose(), tag.expose())
    }

    /// Whether a hash under `current` would be stronger and in nothing weaker (A115).
    pub(super) fn outdated_under(&self, current: HashParameters) -> bool {
        self.parameters.weaker_than(current)
            || (self.parameters == current && (self.salt.len() < SALT_LENGTH || self.tag_length() < TAG_LENGTH))
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(self.tag.expose()));
        write!(f, "$argon2id$v=19${}${salt}${tag}", self.parameters)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.parameters)
    }
}

/// Digits only, no leading zero, within 32 bits: one spelling per number.
fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

fn bytes(field: Option<&str>, shortest: usize, longest: usize) -> Option<Vec<u8>> {
    let decoded = STANDARD_NO_PAD.decode(field?).ok()?;
    (shortest..=longest).contains(&decoded.len()).then_some(decoded)
}

fn unknown(scheme: &str) -> PhcError {
    let printable =
        (1..=32).contains(&scheme.len()) && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if printable {
        PhcError::UnknownScheme(scheme.to_owned())
    } else {
        PhcError::Malformed("its scheme is not a name of at most 32 letters, digits and hyphens")
    }
}

/// Why a stored or imported hash was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PhcError {
    /// Not a PHC string as Argon2 writes them.
    #[error("not a PHC string of argon2id: {0}")]
    Malformed(&'static str),
    /// A scheme that is not verified here.
    #[error("hashes of scheme `{0}` are not verified here; only argon2id is")]
    UnknownScheme(String),
    /// A version of Argon2 other than 1.3 (`v=19`).
    #[error("only version 1.3 of Argon2 (`v=19`) is verified here")]
    Version,
    /// Costs that one verification may not cause.
    #[error("its costs are out of bounds: {0}")]
    Costs(#[from] ParameterError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn a_hash_survives_its_column() {
        let hash = PasswordHash::parse(SOUND).unwrap();
        assert_eq!(hash.to_string(), SOUND);
        assert_eq!((hash.salt(), hash.tag_length()), (&b"somesalt"[..], 32));
        assert_eq!(format!("{hash:?}"), "PasswordHash(m=65536,t=2,p=1)");
    }

    #[test]
    fn a114_costs_beyond_the_limits_are_refused_with_the_reason_before_anything_is_computed() {
        let with = |costs: &str| PasswordHash::parse(&SOUND.replace("m=65536,t=2,p=1", costs)).map(|_| ());
        assert_eq!(with("m=4194304,t=1,p=1"), Err(PhcError::Costs(ParameterError::MemoryTooLarge)));
        assert_eq!(with("m=4294967295,t=1,p=1"), Err(PhcError::Costs(ParameterError::MemoryTooLarge)));
        assert_eq!(with("m=262144,t=5,p=1"), Err(PhcError::Costs(ParameterError::CostTooLarge)));
        assert_eq!(with("m=8,t=4294967295,p=1"), Err(PhcError::Costs(ParameterError::CostTooLarge)));
        assert_eq!(with("m=65536,t=2,p=17"), Err(PhcError::Costs(ParameterError::Lanes)));
        assert_eq!(with("m=65536,t=2,p=16777216"), Err(PhcError::Costs(ParameterError::Lanes)));
        assert_eq!(with("m=262144,t=4,p=4"), Ok(()));
    }

    #[test]
    fn a114_other_schemes_are_refused_by_name() {
        for (text, scheme) in [
            ("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "2b"),
            ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "argon2i"),
            ("$pbkdf2-sha256$i=600000$c2FsdA$AAAA", "pbkdf2-sha256"),
            ("$scrypt$ln=30,r=8,p=1$c2FsdA$AAAA", "scrypt"),
        ] {
            assert_eq!(
                PasswordHash::parse(text).map(|_| ()),
                Err(PhcError::UnknownScheme(scheme.to_owned())),
                "{text}"
            );
        }
        let old = SOUND.replace("$v=19", "$v=16");
        assert_eq!(PasswordHash::parse(&old).map(|_| ()), Err(PhcError::Version));
        assert_eq!(PasswordHash::parse(&SOUND.replace("$v=19", "")).map(|_| ()), Err(PhcError::Version));
    }

    #[test]
    fn only_one_spelling_is_read() {
        for (from, to) in [
            ("$argon2id", "argon2id"),
            ("$argon2id", "$$argon2id"),
            ("m=65536,t=2,p=1", "t=2,m=65536,p=1"),
            ("m=65536", "m=065536"),
            ("m=65536", "m=+65536"),
            ("m=65536", "m= 65536"),
            ("m=65536", "m="),
            ("m=65536", "m=0"),
            ("m=65536", "m=99999999999"),
            ("p=1", "p=1,keyid=AAAA"),
            ("p=1", "p=1,"),
            ("p=1", "p=0"),
            ("c29tZXNhbHQ", "c29tZXNhbHQ="),
            ("c29tZXNhbHQ", "c29tZXNhbHR"),
            ("c29tZXNhbHQ", "c2FsdA"),
            ("c29tZXNhbHQ", ""),
            ("$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", ""),
            ("$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$CTFhFdXPJO1a"),
            ("GRPPc", "GRPPc\n"),
            ("GRPPc", "GRPPc$"),
        ] {
            let text = SOUND.replacen(from, to, 1);
            assert_ne!(text, SOUND);
            assert!(PasswordHash::parse(&text).is_err(), "{text}");
        }
        assert!(PasswordHash::parse(&format!("{SOUND}{}", "A".repeat(300))).is_err());
    }

    #[test]
    fn a115_a_hash_is_outdated_only_when_the_new_one_is_in_nothing_weaker() {
        let parsed = PasswordHash::parse(SOUND).unwrap();
        let current = |memory, passes| HashParameters::new(memory, passes, 1).unwrap();
        assert!(parsed.outdated_under(current(65_536, 3)));
        assert!(!parsed.outdated_under(current(19_456, 2)));
        assert!(parsed.outdated_under(current(65_536, 2)), "its salt is 8 bytes, a new one has 16");
        let ours = PasswordHash::new(current(65_536, 2), vec![0; 16], Secret::new(vec![0; 32]));
        assert!(!ours.outdated_under(current(65_536, 2)));
    }
}
