//! JSON Web Signature in its compact form (RFC 7515) with ES256 and RS256, and public keys as JWK (RFC 7517).
//!
//! A key object carries its only algorithm, and nothing in a token can choose another (RFC 8725 §3.1). Reading tokens
//! stands in `tokens`; here are keys, signatures and the text form alone.

mod der;
mod jwk;
mod signing;
mod verifying;

use serde::{Deserialize, Serialize};

pub use jwk::{JwkSet, PublicJwk};
pub use signing::{SigningFailed, SigningKey};
pub use verifying::{BadSignature, VerifyingKey};

/// A signature algorithm (RFC 7518 §3.1). There is no `none` and no symmetric one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; signatures are r ‖ s, 64 bytes.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256; keys of 2,048 to 4,096 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// The registered name, as in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this registered name, byte for byte: `es256` is none.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// The media type of what is signed: the header's `typ`, which tells kinds of token apart (RFC 8725 §3.11).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Typ {
    /// An access token (RFC 9068 §2.1).
    AccessToken,
    /// A plain JWT; among ours, an ID token.
    Jwt,
    /// A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
    LogoutToken,
}

impl Typ {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::Jwt, Self::LogoutToken];

    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
            Self::LogoutToken => "logout+jwt",
        }
    }
}

/// Why a key is no good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a key of this algorithm, or the key is not on its curve, too small or too large.
    #[error("not a usable {} key", .0.as_str())]
    Rejected(Algorithm),
    /// The key names another algorithm or another use than the one configured for it.
    #[error("the key is not meant for {} signatures", .0.as_str())]
    Purpose(Algorithm),
    /// The JWK is malformed, or repeats a member.
    #[error("malformed JWK")]
    Malformed,
    /// The JWK holds private or symmetric members; only public keys are read.
    #[error("the JWK holds a private or symmetric key; give the public key alone")]
    Private,
    /// The key id is empty, longer than 128 bytes, or not printable ASCII without quotes and backslashes.
    #[error("a key id is 1 to 128 printable ASCII characters without quotes and backslashes")]
    Kid,
}

fn check_kid(kid: &str) -> Result<(), KeyError> {
    let fits = (1..=128).contains(&kid.len())
        && kid.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if fits { Ok(()) } else { Err(KeyError::Kid) }
}

#[cfg(test)]
mod tests;
