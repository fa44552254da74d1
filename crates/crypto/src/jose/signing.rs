//! Private keys: made, imported, exported under seal, and used to sign compact JWS.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use claviger_kernel::Secret;
use serde::Serialize;

use super::der::rsa_public_key;
use super::jwk::Material;
use super::{Algorithm, KeyError, PublicJwk, Typ, VerifyingKey};
use crate::base64url;
use crate::encoding::push_base64url;

/// The signature could not be made: memory or the generator failed, or the claims do not serialise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("signing failed")]
pub struct SigningFailed;

/// A private key with its id and its only algorithm, ready to sign.
///
/// The parsed handle and the encoded header of each [`Typ`] are kept. AWS-LC draws the nonces of ECDSA itself; they
/// are no business of the caller's entropy.
pub struct SigningKey {
    handle: Handle,
    public: PublicJwk,
    verifying: VerifyingKey,
    /// Encoded protected headers with their full stop, in the order of [`Typ::ALL`].
    headers: [String; Typ::ALL.len()],
}

enum Handle {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// Makes a key; its id is its thumbprint. RSA keys have 3,072 bits and take a second or so to make.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let handle = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Handle::Es256),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa3072).map(Handle::Rs256),
        };
        Self::new(handle.map_err(|_| KeyError::Rejected(algorithm))?)
    }

    /// Reads an unencrypted PKCS#8 private key; its id is its thumbprint. RSA keys have 2,048 to 4,096 bits.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &Secret<Vec<u8>>) -> Result<Self, KeyError> {
        let rejected = KeyError::Rejected(algorithm);
        let handle = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose())
                .map(Handle::Es256)
                .map_err(|_| rejected)?,
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8.expose()).map(Handle::Rs256).map_err(|_| rejected)?,
        };
        Self::new(handle)
    }

    fn new(handle: Handle) -> Result<Self, KeyError> {
        let public = PublicJwk::new(handle.public()?);
        let verifying = VerifyingKey::new(&public)?;
        Ok(Self { headers: headers(&public), handle, public, verifying })
    }

    /// The same key under an id of the caller's choice; for keys that come from elsewhere with one.
    pub fn with_kid(mut self, kid: &str) -> Result<Self, KeyError> {
        self.public = self.public.with_kid(kid)?;
        self.verifying = VerifyingKey::new(&self.public)?;
        self.headers = headers(&self.public);
        Ok(self)
    }

    /// The private key as PKCS#8 (RFC 5208), for sealing and nothing else.
    pub fn to_pkcs8(&self) -> Result<Secret<Vec<u8>>, KeyError> {
        let rejected = KeyError::Rejected(self.algorithm());
        match &self.handle {
            Handle::Es256(pair) => pair.to_pkcs8v1().map(|document| Secret::new(document.as_ref().to_vec())),
            Handle::Rs256(pair) => pair.as_der().map(|der: Pkcs8V1Der<'_>| Secret::new(der.as_ref().to_vec())),
        }
        .map_err(|_| rejected)
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The key's only algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The public half, to be published.
    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// The public half, to verify with.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs `message` as it is; ES256 gives r ‖ s.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        self.with_signature(&digest(&SHA256, message), <[u8]>::to_vec)
    }

    /// Signs `claims` as a compact JWS of type `typ` (RFC 7515 §3.1).
    pub fn sign_claims<T: Serialize + ?Sized>(&self, typ: Typ, claims: &T) -> Result<String, SigningFailed> {
        let mut payload = Vec::with_capacity(1024);
        serde_json::to_writer(&mut payload, claims).map_err(|_| SigningFailed)?;
        let header = &self.headers[typ as usize];
        let mut token = String::with_capacity(header.len() + (payload.len() + 512) / 3 * 4 + 8);
        token.push_str(header);
        push_base64url(&mut token, &payload);
        self.with_signature(&digest(&SHA256, token.as_bytes()), |signature| {
            token.push('.');
            push_base64url(&mut token, signature);
        })?;
        Ok(token)
    }

    fn with_signature<T>(&self, digest: &Digest, then: impl FnOnce(&[u8]) -> T) -> Result<T, SigningFailed> {
        match &self.handle {
            Handle::Es256(pair) => {
                pair.sign_digest(digest).map(|signature| then(signature.as_ref())).map_err(|_| SigningFailed)
            }
            Handle::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, digest, &mut signature).map_err(|_| SigningFailed)?;
                Ok(then(&signature))
            }
        }
    }
}

impl Handle {
    fn public(&self) -> Result<Material, KeyError> {
        match self {
            Self::Es256(pair) => match pair.public_key().as_ref() {
                [4, point @ ..] if point.len() == 64 => {
                    let (x, y) = point.split_at(32);
                    let half = |bytes: &[u8]| bytes.try_into().expect("half of 64 bytes");
                    Ok(Material::P256 { x: half(x), y: half(y) })
                }
                _ => Err(KeyError::Rejected(Algorithm::Es256)),
            },
            Self::Rs256(pair) => rsa_public_key(pair.public_key().as_ref())
                .map(|(n, e)| Material::Rsa { n: n.to_vec(), e: e.to_vec() })
                .ok_or(KeyError::Rejected(Algorithm::Rs256)),
        }
    }
}

fn headers(public: &PublicJwk) -> [String; Typ::ALL.len()] {
    let (alg, kid) = (public.algorithm().as_str(), public.kid());
    // A key id has no character that JSON would escape.
    Typ::ALL
        .map(|typ| base64url(format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{}"}}"#, typ.as_str()).as_bytes()) + ".")
}

impl core::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}
