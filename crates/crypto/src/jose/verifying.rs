//! Public keys, parsed once and kept.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};

use super::jwk::Material;
use super::{Algorithm, KeyError, PublicJwk};

/// The signature does not fit key and message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// A public key with its id and its only algorithm, parsed.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl VerifyingKey {
    /// Checks that the key is one (a point on the curve; a modulus of 2,048 to 4,096 bits, an odd exponent of at least
    /// 65,537) and parses it.
    pub fn new(jwk: &PublicJwk) -> Result<Self, KeyError> {
        let algorithm = jwk.algorithm();
        let key = match jwk.material() {
            Material::P256 { x, y } => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(x);
                point[33..].copy_from_slice(y);
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Material::Rsa { n, e } if !sound(n, e) => return Err(KeyError::Rejected(algorithm)),
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256),
        };
        let key = key.map_err(|_| KeyError::Rejected(algorithm))?;
        Ok(Self { kid: jwk.kid().to_owned(), algorithm, key })
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key's only algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks `signature` over `message`; for ES256 it is r ‖ s, 64 bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.key.verify_sig(message, signature).map_err(|_| BadSignature)
    }
}

/// Whether an RSA key is within our bounds. AWS-LC takes an exponent of 1 when it parses bare components, and under
/// such a key every padded hash is its own signature.
fn sound(n: &[u8], e: &[u8]) -> bool {
    let modulus = match n {
        [first, .., last] => last % 2 == 1 && ((257..=512).contains(&n.len()) || (n.len() == 256 && *first >= 0x80)),
        _ => false,
    };
    let exponent = match e {
        [1, 0, last] => *last != 0,
        _ => (3..=5).contains(&e.len()),
    };
    modulus && exponent && e.last().is_some_and(|last| last % 2 == 1)
}
