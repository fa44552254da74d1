//! AES-256-GCM with a random nonce, bound to the place where the sealed value lives.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use claviger_kernel::{Entropy, Secret};
use zeroize::Zeroize as _;

use crate::encoding::framed;

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;

/// The sealed value does not open: another key, another place, or changed on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Too short, or written by a version that this one does not know.
    #[error("not a sealed value of a known version")]
    Format,
    /// Key, context or bytes differ from those at the time of sealing.
    #[error("the sealed value does not open under this key and context")]
    Refused,
}

/// Where a sealed value lives: purpose, realm, table, column, row, … A value moved elsewhere does not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context(Vec<u8>);

impl Context {
    /// The place named by `purpose` and `parts`; each stands behind its length, so that no two places coincide.
    pub fn new(purpose: &str, parts: &[&[u8]]) -> Self {
        let mut bytes = vec![VERSION];
        framed(purpose, parts, |part| bytes.extend_from_slice(part));
        Self(bytes)
    }
}

/// A 256-bit key for AES-GCM (NIST SP 800-38D).
///
/// Nonces are random, hence one key seals at most 2³² values; keys rotate long before.
pub struct AeadKey(LessSafeKey);

impl AeadKey {
    /// Takes `key` in use; AWS-LC wipes its copy when this is dropped.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).expect("AES-256 takes every key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Seals `plaintext` in `context`: version ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes).
    pub fn seal(&self, entropy: &dyn Entropy, context: &Context, plaintext: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plaintext.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(&context.0));
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, aad, &mut sealed[1 + NONCE_LEN..])
            .expect("AES-GCM seals whatever is shorter than 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`AeadKey::seal`] made in the same `context`.
    pub fn open(&self, context: &Context, sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        let (nonce, body) = match sealed.split_first() {
            Some((&VERSION, rest)) if rest.len() >= NONCE_LEN + TAG_LEN => rest.split_at(NONCE_LEN),
            _ => return Err(OpenError::Format),
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Format)?;
        let mut plaintext = body.to_vec();
        let Ok(opened) = self.0.open_in_place(nonce, Aad::from(&context.0), &mut plaintext) else {
            plaintext.zeroize();
            return Err(OpenError::Refused);
        };
        let length = opened.len();
        plaintext.truncate(length);
        Ok(Secret::new(plaintext))
    }
}

impl core::fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AeadKey([secret])")
    }
}

#[cfg(test)]
mod tests {
    use claviger_kernel::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> AeadKey {
        AeadKey::new(&Secret::new([byte; 32]))
    }

    fn place(row: &[u8]) -> Context {
        Context::new("signing key", &[b"realm", b"keys", b"private", row])
    }

    #[test]
    fn the_cipher_is_aes_256_gcm_as_published() {
        // The Galois/Counter Mode of Operation (McGrew, Viega), test case 14: key, nonce and plaintext all zero.
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0; 32]).unwrap());
        let mut text = [0; 16];
        let tag =
            key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut text).unwrap();
        assert_eq!(crate::hex(&text), "cea7403d4d606b6e074ec5d3baf39d18");
        assert_eq!(crate::hex(tag.as_ref()), "d0d1c8a799996bf0265b98b5d48ab919");
    }

    #[test]
    fn a_value_moved_to_another_row_or_key_does_not_open() {
        let entropy = SeededEntropy::new(1);
        let sealed = key(1).seal(&entropy, &place(b"1"), b"private");
        assert_eq!(key(1).open(&place(b"1"), &sealed).unwrap().expose(), b"private");
        assert_eq!(key(1).open(&place(b"2"), &sealed).unwrap_err(), OpenError::Refused);
        assert_eq!(key(2).open(&place(b"1"), &sealed).unwrap_err(), OpenError::Refused);
        let merged = Context::new("signing key", &[b"realm", b"keys", b"private1"]);
        assert_eq!(key(1).open(&merged, &sealed).unwrap_err(), OpenError::Refused);
    }

    #[test]
    fn equal_values_look_different_sealed() {
        let entropy = SeededEntropy::new(2);
        assert_ne!(key(1).seal(&entropy, &place(b"1"), b"x"), key(1).seal(&entropy, &place(b"1"), b"x"));
    }

    proptest! {
        #[test]
        fn every_value_opens_and_no_changed_or_cut_one_does(plaintext: Vec<u8>, seed: u64, at: usize, bit in 0..8u8) {
            let sealed = key(3).seal(&SeededEntropy::new(seed), &place(b"1"), &plaintext);
            prop_assert_eq!(sealed.len(), 1 + NONCE_LEN + plaintext.len() + TAG_LEN);
            let opened = key(3).open(&place(b"1"), &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plaintext);
            let mut changed = sealed.clone();
            changed[at % sealed.len()] ^= 1 << bit;
            prop_assert!(key(3).open(&place(b"1"), &changed).is_err());
            prop_assert!(key(3).open(&place(b"1"), &sealed[..at % sealed.len()]).is_err());
        }
    }
}
