//! Self-checking opaque values: session cookies, refresh tokens, authorization codes, one-time links.
//!
//! A value carries the id of its row, a secret of 256 bits and a MAC over everything, so that a forged or mangled one
//! dies without a look-up (A064). The store keeps a hash of the secret, never the value. Text form:
//! `<prefix>_` and 100 base64url characters of version ‖ key id ‖ id ‖ generation ‖ secret ‖ MAC.

use claviger_kernel::{Id, IdKind, Secret};
use zeroize::Zeroizing;

use crate::MacKey;
use crate::encoding::{base64url_array, framed, push_base64url, sha256};

const VERSION: u8 = 1;
const SIGNED_LEN: usize = 1 + 4 + 16 + 4 + 32;
/// 144 bits: with them the whole is a multiple of three bytes, so that base64url leaves no loose bits to play with.
const MAC_LEN: usize = 18;
const LEN: usize = SIGNED_LEN + MAC_LEN;
const TEXT_LEN: usize = LEN / 3 * 4;

/// What an opaque value is for. Each kind has its own prefix and its own MAC, and none passes for another (A060).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The session cookie of a browser.
    Session,
    /// The cookie that ties a sign-in flow to its browser.
    FlowBinding,
    /// An authorization code (RFC 6749 §4.1.2).
    AuthorizationCode,
    /// A refresh token (RFC 6749 §1.5).
    RefreshToken,
    /// The link that verifies an e-mail address.
    AddressVerification,
    /// The link that lets somebody choose a new password.
    PasswordReset,
    /// The link that makes the first administrator.
    SetUpLink,
    /// The link that lets an invited person join.
    Invitation,
    /// The cookie of a browser in which a user was signed in before; its id is the user's.
    KnownDevice,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Session,
        Self::FlowBinding,
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::AddressVerification,
        Self::PasswordReset,
        Self::SetUpLink,
        Self::Invitation,
        Self::KnownDevice,
    ];

    /// The letters before the underscore; secret scanners know a value by them.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "cvse",
            Self::FlowBinding => "cvfl",
            Self::AuthorizationCode => "cvac",
            Self::RefreshToken => "cvrt",
            Self::AddressVerification => "cvev",
            Self::PasswordReset => "cvpr",
            Self::SetUpLink => "cvsu",
            Self::Invitation => "cviv",
            Self::KnownDevice => "cvkd",
        }
    }
}

/// Why a text is not an opaque value of ours. Outside all are one answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpaqueError {
    /// Another kind's prefix, or none.
    #[error("not a value of this kind")]
    Kind,
    /// Wrong length, not canonical base64url, or an unknown version.
    #[error("malformed or cut short")]
    Malformed,
    /// Made under a key that this ring does not hold (any more).
    #[error("made under an unknown key")]
    UnknownKey,
    /// The MAC does not fit: forged or changed.
    #[error("forged or changed")]
    Forged,
}

/// The MAC keys of opaque values: one that makes, older ones that still check. They outlive the longest value.
#[derive(Clone, Debug)]
pub struct OpaqueKeys {
    current: u32,
    keys: Vec<(u32, MacKey)>,
}

impl OpaqueKeys {
    /// A ring that makes values under `key`, whose id is `current`.
    pub fn new(current: u32, key: MacKey) -> Self {
        Self { current, keys: vec![(current, key)] }
    }

    /// Adds a key that checks older values; an id that the ring holds already keeps its key.
    #[must_use]
    pub fn with_older(mut self, id: u32, key: MacKey) -> Self {
        if self.get(id).is_none() {
            self.keys.push((id, key));
        }
        self
    }

    /// The id of the key under which values are made.
    pub const fn current(&self) -> u32 {
        self.current
    }

    /// The key of this id; derived secrets (refresh successors) need the one that made the parent.
    pub fn get(&self, id: u32) -> Option<&MacKey> {
        self.keys.iter().find(|(known, _)| *known == id).map(|(_, key)| key)
    }
}

/// A value that has passed its own check; whether its row exists and is alive is for the store to say.
#[derive(Debug)]
pub struct Opaque {
    kind: Kind,
    key_id: u32,
    id: [u8; 16],
    generation: u32,
    secret: Secret<[u8; 32]>,
}

impl Opaque {
    /// The id of the MAC key under which it was made.
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The id of its row.
    pub const fn id<K: IdKind>(&self) -> Id<K> {
        Id::from_bytes(self.id)
    }

    /// Which generation of its row it is; 0 where the kind has none.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The secret; the predecessor's secret goes into a refresh successor.
    pub const fn secret(&self) -> &Secret<[u8; 32]> {
        &self.secret
    }

    /// What the store keeps in the secret's place.
    pub fn hash(&self) -> [u8; 32] {
        secret_hash(self.kind, &self.secret)
    }
}

/// What the store keeps in place of a secret: SHA-256, told apart by kind. Enough for 256 random bits.
pub fn secret_hash(kind: Kind, secret: &Secret<[u8; 32]>) -> [u8; 32] {
    let mut bytes = Zeroizing::new(Vec::with_capacity(96));
    framed("opaque secret/1", &[kind.prefix().as_bytes(), secret.expose()], |part| bytes.extend_from_slice(part));
    sha256(&bytes)
}

/// Makes the text form of a value under the ring's current key.
pub fn mint<K: IdKind>(
    kind: Kind,
    keys: &OpaqueKeys,
    id: Id<K>,
    generation: u32,
    secret: &Secret<[u8; 32]>,
) -> Secret<String> {
    let key = keys.get(keys.current).expect("a ring is made with its current key");
    write(kind, keys.current, key, id.as_bytes(), generation, secret)
}

/// Makes the text form of a value under an older key of the ring, or nothing if the ring does not hold it: a repeated
/// refresh must give the identical successor although the ring's key has changed since.
pub fn mint_under<K: IdKind>(
    kind: Kind,
    keys: &OpaqueKeys,
    key_id: u32,
    id: Id<K>,
    generation: u32,
    secret: &Secret<[u8; 32]>,
) -> Option<Secret<String>> {
    Some(write(kind, key_id, keys.get(key_id)?, id.as_bytes(), generation, secret))
}

/// The id of the key under which `text` says that it was made; nothing for what has not the form of a value. It proves
/// nothing: whether a ring knows the key can be asked before the value is read.
pub fn key_id(text: &str) -> Option<u32> {
    let (_, body) = text.split_once('_').filter(|(_, body)| body.len() == TEXT_LEN)?;
    // Eight characters are six bytes: the version, the key's id, and one that does not matter here.
    let mut head = [0; 6];
    base64url_array(body.get(..8)?, &mut head).ok()?;
    (head[0] == VERSION).then(|| u32::from_be_bytes(part(&head, 1)))
}

/// The id and the generation that `text` says it has; nothing for what has not the form of a value. It proves nothing: of
/// two values that one holder keeps it tells which was made later, for ids are ordered by time.
pub fn place(text: &str) -> Option<([u8; 16], u32)> {
    let (_, body) = text.split_once('_').filter(|(_, body)| body.len() == TEXT_LEN)?;
    // 36 characters are 27 bytes: the version, the key's id, the id, the generation, and two that do not matter here.
    let mut head = [0; 27];
    base64url_array(body.get(..36)?, &mut head).ok()?;
    (head[0] == VERSION).then(|| (part(&head, 5), u32::from_be_bytes(part(&head, 21))))
}

/// Reads a value of `kind` and checks its MAC. No store is asked.
pub fn parse(kind: Kind, text: &str, keys: &OpaqueKeys) -> Result<Opaque, OpaqueError> {
    let body = text.strip_prefix(kind.prefix()).and_then(|rest| rest.strip_prefix('_')).ok_or(OpaqueError::Kind)?;
    if body.len() != TEXT_LEN {
        return Err(OpaqueError::Malformed);
    }
    let mut bytes = Zeroizing::new([0; LEN]);
    base64url_array(body, &mut bytes).map_err(|_| OpaqueError::Malformed)?;
    let (signed, mac) = bytes.split_at(SIGNED_LEN);
    if signed[0] != VERSION {
        return Err(OpaqueError::Malformed);
    }
    let key_id = u32::from_be_bytes(part(signed, 1));
    let key = keys.get(key_id).ok_or(OpaqueError::UnknownKey)?;
    if !key.verify(PURPOSE, &[kind.prefix().as_bytes(), signed], mac) {
        return Err(OpaqueError::Forged);
    }
    Ok(Opaque {
        kind,
        key_id,
        id: part(signed, 5),
        generation: u32::from_be_bytes(part(signed, 21)),
        secret: Secret::new(part(signed, 25)),
    })
}

const PURPOSE: &str = "opaque value/1";

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has the length asked for")
}

fn write(
    kind: Kind,
    key_id: u32,
    key: &MacKey,
    id: &[u8; 16],
    generation: u32,
    secret: &Secret<[u8; 32]>,
) -> Secret<String> {
    let mut bytes = Zeroizing::new([0; LEN]);
    bytes[0] = VERSION;
    bytes[1..5].copy_from_slice(&key_id.to_be_bytes());
    bytes[5..21].copy_from_slice(id);
    bytes[21..25].copy_from_slice(&generation.to_be_bytes());
    bytes[25..57].copy_from_slice(secret.expose());
    let tag = key.tag(PURPOSE, &[kind.prefix().as_bytes(), &bytes[..SIGNED_LEN]]);
    bytes[SIGNED_LEN..].copy_from_slice(&tag[..MAC_LEN]);
    let mut text = String::with_capacity(kind.prefix().len() + 1 + TEXT_LEN);
    text.push_str(kind.prefix());
    text.push('_');
    push_base64url(&mut text, &*bytes);
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use claviger_kernel::{FamilyId, SeededEntropy};
    use proptest::prelude::*;

    use super::*;
    use crate::{SystemEntropy, random_secret};

    fn key(byte: u8) -> MacKey {
        MacKey::new(&Secret::new([byte; 32]))
    }

    fn ring() -> OpaqueKeys {
        OpaqueKeys::new(2, key(2)).with_older(1, key(1))
    }

    fn family() -> FamilyId {
        FamilyId::from_bytes([9; 16])
    }

    fn value(kind: Kind) -> String {
        mint(kind, &ring(), family(), 7, &random_secret(&SeededEntropy::new(1))).expose().clone()
    }

    #[test]
    fn a_value_gives_back_what_it_was_made_of() {
        let secret = random_secret(&SeededEntropy::new(1));
        let parsed = parse(Kind::RefreshToken, &value(Kind::RefreshToken), &ring()).unwrap();
        assert_eq!((parsed.id(), parsed.generation(), parsed.key_id()), (family(), 7, 2));
        assert_eq!(parsed.secret(), &secret);
        assert_eq!(parsed.hash(), secret_hash(Kind::RefreshToken, &secret));
        assert_ne!(parsed.hash(), secret_hash(Kind::Session, &secret));
        assert_eq!(value(Kind::RefreshToken).len(), 105);
    }

    #[test]
    fn a_value_says_its_place_and_what_is_none_says_nothing() {
        let text = value(Kind::RefreshToken);
        assert_eq!(place(&text), Some(([9; 16], 7)));
        for other in ["", "_", &text[..104], &text.replace("_A", "_B"), &format!("x_{}", "é".repeat(50))] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn a060_no_kind_passes_for_another_even_under_its_prefix() {
        for made in Kind::ALL {
            for asked in Kind::ALL {
                let text = value(made);
                assert_eq!(parse(asked, &text, &ring()).is_ok(), made == asked, "{made:?} as {asked:?}");
                let renamed = text.replacen(made.prefix(), asked.prefix(), 1);
                assert_eq!(parse(asked, &renamed, &ring()).is_ok(), made == asked, "{made:?} renamed {asked:?}");
            }
        }
        assert_eq!(Kind::ALL.map(Kind::prefix).into_iter().collect::<HashSet<_>>().len(), Kind::ALL.len());
    }

    #[test]
    fn a064_every_flipped_bit_cut_and_addition_is_refused_without_a_look_up() {
        let text = value(Kind::Session);
        for at in 0..text.len() {
            assert!(parse(Kind::Session, &text[..at], &ring()).is_err(), "cut to {at}");
            for bit in 0..7 {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(parse(Kind::Session, &changed, &ring()).is_err(), "{changed}");
            }
        }
        for changed in [format!("{text}="), format!("{text}A"), format!(" {text}"), format!("{text}\n")] {
            assert!(parse(Kind::Session, &changed, &ring()).is_err(), "{changed:?}");
        }
    }

    #[test]
    fn a064_a_value_under_a_removed_or_foreign_key_is_refused() {
        let older = OpaqueKeys::new(1, key(1));
        let secret = random_secret(&SeededEntropy::new(1));
        let text = mint(Kind::Session, &older, family(), 0, &secret);
        assert_eq!(parse(Kind::Session, text.expose(), &ring()).unwrap().key_id(), 1);
        assert_eq!(
            parse(Kind::Session, text.expose(), &OpaqueKeys::new(2, key(2))).unwrap_err(),
            OpaqueError::UnknownKey
        );
        assert_eq!(parse(Kind::Session, text.expose(), &OpaqueKeys::new(1, key(3))).unwrap_err(), OpaqueError::Forged);
    }

    #[test]
    fn a_successor_can_be_made_again_after_the_key_has_changed() {
        let secret = random_secret(&SeededEntropy::new(1));
        let before = mint(Kind::RefreshToken, &OpaqueKeys::new(1, key(1)), family(), 8, &secret);
        assert_eq!(mint_under(Kind::RefreshToken, &ring(), 1, family(), 8, &secret), Some(before));
        assert_eq!(mint_under(Kind::RefreshToken, &ring(), 3, family(), 8, &secret), None);
    }

    #[test]
    fn a070_values_made_in_numbers_never_coincide() {
        let ring = ring();
        let texts: HashSet<String> = (0..20_000)
            .map(|_| mint(Kind::AuthorizationCode, &ring, family(), 0, &random_secret(&SystemEntropy)))
            .map(|text| text.expose().clone())
            .collect();
        assert_eq!(texts.len(), 20_000);
    }

    proptest! {
        #[test]
        fn a064_nothing_made_up_is_accepted(bytes in proptest::collection::vec(any::<u8>(), LEN)) {
            let text = format!("cvse_{}", crate::base64url(&bytes));
            prop_assert!(parse(Kind::Session, &text, &ring()).is_err());
        }

        #[test]
        fn every_value_survives_the_wire(id: [u8; 16], generation: u32, secret: [u8; 32]) {
            let id = FamilyId::from_bytes(id);
            let text = mint(Kind::RefreshToken, &ring(), id, generation, &Secret::new(secret));
            let parsed = parse(Kind::RefreshToken, text.expose(), &ring()).unwrap();
            prop_assert_eq!((parsed.id(), parsed.generation()), (id, generation));
            prop_assert_eq!(parsed.secret().expose(), &secret);
        }
    }
}
