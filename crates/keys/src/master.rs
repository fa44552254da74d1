//! The master key: wraps every key of every realm, and stands outside the store.

use core::fmt;

use claviger_crypto::{AeadKey, Context, MacKey, OpenError, base64url, base64url_decode, hex, random_secret};
use claviger_kernel::{Entropy, KeyId, RealmId, Secret};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Purpose;

/// The letters before the key; secret scanners know it by them.
const PREFIX: &str = "cvmk_";
const PROOF: &[u8] = b"claviger";

/// Which master key a row is wrapped under: 64 bits that follow from the key and tell nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterId(pub(crate) [u8; 8]);

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a master key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a master key: it is written as cvmk_ and 43 base64url characters")]
pub struct MalformedMaster;

/// A 256-bit master key.
#[derive(Debug)]
pub struct MasterKey {
    id: MasterId,
    key: AeadKey,
}

impl MasterKey {
    /// A new master key in its text form, for a file of tight permissions or a secret store.
    pub fn generate(entropy: &dyn Entropy) -> Secret<String> {
        let key = random_secret(entropy);
        let body = Zeroizing::new(base64url(key.expose()));
        Secret::new(format!("{PREFIX}{}", *body))
    }

    /// Reads the text form; white space around it does not matter.
    pub fn parse(text: &Secret<String>) -> Result<Self, MalformedMaster> {
        let body = text.expose().trim().strip_prefix(PREFIX).ok_or(MalformedMaster)?;
        let bytes = Zeroizing::new(base64url_decode(body).map_err(|_| MalformedMaster)?);
        let mut key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| MalformedMaster)?;
        let secret = Secret::new(key);
        key.zeroize();
        let tag = MacKey::new(&secret).tag("master key id/1", &[]);
        let id = MasterId(tag[..8].try_into().expect("a tag has 32 bytes"));
        Ok(Self { id, key: AeadKey::new(&secret) })
    }

    /// Its id.
    pub const fn id(&self) -> MasterId {
        self.id
    }

    /// What the store keeps to recognise this key.
    pub(crate) fn proof(&self, entropy: &dyn Entropy) -> Vec<u8> {
        self.key.seal(entropy, &self.proof_context(), PROOF)
    }

    /// Whether `proof` was made by this key.
    pub(crate) fn proves(&self, proof: &[u8]) -> bool {
        self.key.open(&self.proof_context(), proof).is_ok_and(|opened| opened.expose() == PROOF)
    }

    fn proof_context(&self) -> Context {
        Context::new("master key proof/1", &[&self.id.0])
    }

    /// Wraps a key for its row; it unwraps in that row alone.
    pub(crate) fn wrap(&self, entropy: &dyn Entropy, place: &Place, secret: &[u8]) -> Vec<u8> {
        self.key.seal(entropy, &place.context(), secret)
    }

    /// Unwraps the key of a row.
    pub(crate) fn unwrap(&self, place: &Place, wrapped: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        self.key.open(&place.context(), wrapped)
    }
}

/// The row in which a wrapped key stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) realm: RealmId,
    pub(crate) id: KeyId,
    pub(crate) purpose: Purpose,
    pub(crate) number: u32,
}

impl Place {
    fn context(&self) -> Context {
        let number = self.number.to_be_bytes();
        let parts: [&[u8]; 4] = [self.realm.as_bytes(), self.id.as_bytes(), self.purpose.as_str().as_bytes(), &number];
        Context::new("wrapped key/1", &parts)
    }
}

/// The master keys that this process holds: the one that wraps, and while it changes the one that leaves.
#[derive(Clone, Debug)]
pub(crate) struct Masters {
    pub(crate) current: std::sync::Arc<MasterKey>,
    pub(crate) leaving: Option<std::sync::Arc<MasterKey>>,
}

impl Masters {
    /// The key of this id, if it is one of the two.
    pub(crate) fn get(&self, id: [u8; 8]) -> Option<&MasterKey> {
        let both = core::iter::once(&self.current).chain(&self.leaving);
        both.map(AsRef::as_ref).find(|master| master.id.0 == id)
    }
}

#[cfg(test)]
mod tests {
    use claviger_kernel::SeededEntropy;

    use super::*;

    fn place(number: u32) -> Place {
        let (realm, id) = (RealmId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        Place { realm, id, purpose: Purpose::Seal, number }
    }

    #[test]
    fn the_text_form_reads_back_to_the_same_key() {
        let text = MasterKey::generate(&SeededEntropy::new(1));
        let padded = Secret::new(format!("  {}\n", text.expose()));
        let (one, two) = (MasterKey::parse(&text).unwrap(), MasterKey::parse(&padded).unwrap());
        assert_eq!((text.expose().len(), one.id()), (48, two.id()));
        let wrapped = one.wrap(&SeededEntropy::new(2), &place(1), b"key");
        assert_eq!(two.unwrap(&place(1), &wrapped).unwrap().expose(), b"key");
        assert_ne!(one.id(), MasterKey::parse(&MasterKey::generate(&SeededEntropy::new(3))).unwrap().id());
    }

    #[test]
    fn anything_else_is_no_master_key() {
        let good = MasterKey::generate(&SeededEntropy::new(1));
        let cut = &good.expose()[..47];
        let longer = format!("{}A", good.expose());
        for text in ["", "cvmk_", "cvmk_AAAA", &good.expose()[5..], cut, &longer, &good.expose().to_uppercase()] {
            assert!(MasterKey::parse(&Secret::from(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrapped_key_moved_to_another_row_does_not_unwrap() {
        let master = MasterKey::parse(&MasterKey::generate(&SeededEntropy::new(1))).unwrap();
        let wrapped = master.wrap(&SeededEntropy::new(2), &place(1), b"key");
        let (realm, id) = (RealmId::from_bytes([9; 16]), KeyId::from_bytes([9; 16]));
        for elsewhere in [
            Place { realm, ..place(1) },
            Place { id, ..place(1) },
            Place { purpose: Purpose::Mac, ..place(1) },
            place(2),
        ] {
            assert!(master.unwrap(&elsewhere, &wrapped).is_err());
        }
    }

    #[test]
    fn a_proof_fits_its_key_alone() {
        let entropy = SeededEntropy::new(4);
        let one = MasterKey::parse(&MasterKey::generate(&entropy)).unwrap();
        let two = MasterKey::parse(&MasterKey::generate(&entropy)).unwrap();
        assert!(one.proves(&one.proof(&entropy)));
        assert!(!two.proves(&one.proof(&entropy)));
    }
}
