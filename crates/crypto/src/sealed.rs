//! Sealed values: texts that only this server can make and read, and that need no row. Opaque access tokens are such.
//!
//! Text form: `cvat_` and base64url of version ‖ key id ‖ salt ‖ ciphertext ‖ tag. The salt is a MAC of the plaintext, and
//! each salt has a key of its own under AES-256-GCM (after RFC 5297 §1: nothing depends on a nonce). Hence one key of the
//! ring seals any number of values, and the same plaintext gives the same text: a repeat is identical.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use claviger_kernel::Secret;
use zeroize::Zeroize as _;

use crate::encoding::{base64url_decode, push_base64url};
use crate::opaque::{OpaqueError, OpaqueKeys};
use crate::{MacKey, encoding::framed};

/// The letters before the underscore; no [`Kind`](crate::opaque::Kind) has them.
pub const PREFIX: &str = "cvat";

const VERSION: u8 = 1;
const SALT_LEN: usize = 24;
const HEAD_LEN: usize = 1 + 4 + SALT_LEN;
const TAG_LEN: usize = 16;
const SALT: &str = "salt of an access token/1";
const KEY: &str = "key of an access token/1";

/// Seals `plaintext` under the ring's current key.
///
/// # Panics
/// For more than 64 GiB.
pub fn seal(keys: &OpaqueKeys, plaintext: &[u8]) -> Secret<String> {
    let number = keys.current();
    let root = keys.get(number).expect("a ring is made with its current key");
    let salt = root.tag(SALT, &[plaintext]);
    let mut bytes = Vec::with_capacity(HEAD_LEN + plaintext.len() + TAG_LEN);
    bytes.push(VERSION);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&salt[..SALT_LEN]);
    bytes.extend_from_slice(plaintext);
    let (head, body) = bytes.split_at_mut(HEAD_LEN);
    let tag = message_key(root, &head[5..])
        .seal_in_place_separate_tag(nonce(), Aad::from(place(head)), body)
        .expect("AES-GCM seals whatever is shorter than 64 GiB");
    bytes.extend_from_slice(tag.as_ref());
    let mut text = String::with_capacity(PREFIX.len() + 1 + bytes.len().div_ceil(3) * 4);
    text.push_str(PREFIX);
    text.push('_');
    push_base64url(&mut text, &bytes);
    Secret::new(text)
}

/// Opens what [`seal`] made under a key that the ring still holds. No store is asked.
///
/// # Errors
/// [`OpaqueError`] says why the text is none of ours.
pub fn open(keys: &OpaqueKeys, text: &str) -> Result<Secret<Vec<u8>>, OpaqueError> {
    let body = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(OpaqueError::Kind)?;
    let mut bytes = base64url_decode(body).map_err(|_| OpaqueError::Malformed)?;
    if bytes.len() < HEAD_LEN + TAG_LEN || bytes[0] != VERSION {
        return Err(OpaqueError::Malformed);
    }
    let (head, body) = bytes.split_at_mut(HEAD_LEN);
    let number = u32::from_be_bytes(head[1..5].try_into().expect("four bytes"));
    let root = keys.get(number).ok_or(OpaqueError::UnknownKey)?;
    let opened = message_key(root, &head[5..]).open_in_place(nonce(), Aad::from(place(head)), body);
    let Ok(length) = opened.map(|plaintext| plaintext.len()) else {
        bytes.zeroize();
        return Err(OpaqueError::Forged);
    };
    bytes.truncate(HEAD_LEN + length);
    bytes.drain(..HEAD_LEN);
    Ok(Secret::new(bytes))
}

/// The key of one message: no other has its salt.
fn message_key(root: &MacKey, salt: &[u8]) -> LessSafeKey {
    let key = root.derive(KEY, &[salt]);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("AES-256 takes every key of 32 bytes"))
}

/// The only nonce of a key that seals one message.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn place(head: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    framed(KEY, &[PREFIX.as_bytes(), head], |part| bytes.extend_from_slice(part));
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base64url;
    use crate::opaque::{Kind, mint, parse};

    fn key(byte: u8) -> MacKey {
        MacKey::new(&Secret::new([byte; 32]))
    }

    fn ring() -> OpaqueKeys {
        OpaqueKeys::new(2, key(2)).with_older(1, key(1))
    }

    fn text(plaintext: &[u8]) -> String {
        seal(&ring(), plaintext).expose().clone()
    }

    #[test]
    fn what_was_sealed_opens_and_is_the_same_text_each_time() {
        assert_eq!(open(&ring(), &text(b"claims")).unwrap().expose(), b"claims");
        assert_eq!(text(b"claims"), text(b"claims"));
        assert_ne!(text(b"claims"), text(b"claimt"));
        assert!(!text(b"claims").contains(&base64url(b"claims")));
    }

    #[test]
    fn a060_a_sealed_value_is_no_opaque_value_and_the_other_way_round() {
        for kind in Kind::ALL {
            assert_ne!(kind.prefix(), PREFIX);
            let sealed = text(&[7; 75 - HEAD_LEN - TAG_LEN]);
            assert!(parse(kind, &sealed, &ring()).is_err(), "{kind:?}");
            assert!(parse(kind, &sealed.replacen(PREFIX, kind.prefix(), 1), &ring()).is_err(), "{kind:?} renamed");
            let id = claviger_kernel::FamilyId::from_bytes([9; 16]);
            let minted = mint(kind, &ring(), id, 0, &Secret::new([5; 32])).expose().clone();
            assert_eq!(open(&ring(), &minted).unwrap_err(), OpaqueError::Kind, "{kind:?}");
            let renamed = minted.replacen(kind.prefix(), PREFIX, 1);
            assert_eq!(open(&ring(), &renamed).unwrap_err(), OpaqueError::Forged, "{kind:?} renamed");
        }
    }

    #[test]
    fn a064_every_flipped_bit_cut_and_addition_is_refused() {
        let whole = text(b"some claims that make a token");
        for at in 0..whole.len() {
            assert!(open(&ring(), &whole[..at]).is_err(), "cut to {at}");
            for bit in 0..7 {
                let mut changed = whole.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(open(&ring(), &changed).is_err(), "{changed}");
            }
        }
        for changed in [format!("{whole}="), format!("{whole}A"), format!(" {whole}"), format!("{whole}\n")] {
            assert!(open(&ring(), &changed).is_err(), "{changed:?}");
        }
    }

    #[test]
    fn a_value_under_an_older_key_opens_and_one_under_a_removed_or_foreign_key_does_not() {
        let older = seal(&OpaqueKeys::new(1, key(1)), b"claims");
        assert_eq!(open(&ring(), older.expose()).unwrap().expose(), b"claims");
        assert_eq!(open(&OpaqueKeys::new(2, key(2)), older.expose()).unwrap_err(), OpaqueError::UnknownKey);
        assert_eq!(open(&OpaqueKeys::new(1, key(3)), older.expose()).unwrap_err(), OpaqueError::Forged);
    }

    proptest! {
        #[test]
        fn every_value_survives_the_wire(plaintext: Vec<u8>) {
            let sealed = seal(&ring(), &plaintext);
            let opened = open(&ring(), sealed.expose()).unwrap();
            prop_assert_eq!(opened.expose(), &plaintext);
        }

        #[test]
        fn a064_nothing_made_up_is_accepted(mut bytes in proptest::collection::vec(any::<u8>(), HEAD_LEN..200)) {
            bytes[..5].copy_from_slice(&[VERSION, 0, 0, 0, 2]);
            let text = format!("{PREFIX}_{}", base64url(&bytes));
            prop_assert!(open(&ring(), &text).is_err());
        }
    }
}
