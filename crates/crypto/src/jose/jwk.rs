//! Public keys as JSON (RFC 7517) and their thumbprints (RFC 7638). The types have no room for a private member (A072).

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};

use super::{Algorithm, KeyError, check_kid};
use crate::encoding::base64url_array;
use crate::{base64url, base64url_decode, sha256};

/// A public signature key as JWK: `use` is `sig`, `alg` is its only algorithm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicJwk {
    kid: String,
    material: Material,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Material {
    /// A point on P-256.
    P256 { x: [u8; 32], y: [u8; 32] },
    /// Modulus and exponent, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// A JWK Set (RFC 7517 §5), to be published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct JwkSet {
    /// The keys, in the order in which they are published.
    pub keys: Vec<PublicJwk>,
}

impl PublicJwk {
    /// The key with its thumbprint for an id.
    pub(super) fn new(material: Material) -> Self {
        Self { kid: base64url(&material.thumbprint()), material }
    }

    pub(super) fn with_kid(mut self, kid: &str) -> Result<Self, KeyError> {
        check_kid(kid)?;
        kid.clone_into(&mut self.kid);
        Ok(self)
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key's only algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256 { .. } => Algorithm::Es256,
            Material::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// SHA-256 over the key's required members (RFC 7638 §3), as in `jkt`.
    pub fn thumbprint(&self) -> [u8; 32] {
        self.material.thumbprint()
    }

    /// Reads somebody else's public key, for use with `algorithm` and nothing else (A053).
    ///
    /// `kid` may be absent and is then the thumbprint. Members that we do not know are ignored, as RFC 7517 §4 asks;
    /// private ones are refused, and so is a key meant for something else.
    pub fn parse(json: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        // The derived reader would take a JSON array for a struct as well.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(KeyError::Malformed);
        }
        let read: Read = serde_json::from_slice(json).map_err(|_| KeyError::Malformed)?;
        read.check(algorithm)?;
        let key = Self::new(match algorithm {
            Algorithm::Es256 => read.p256()?,
            Algorithm::Rs256 => read.rsa()?,
        });
        read.kid.as_deref().map_or(Ok(key.clone()), |kid| key.with_kid(kid))
    }
}

impl Material {
    fn thumbprint(&self) -> [u8; 32] {
        let json = match self {
            Self::P256 { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y))
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64url(e), base64url(n)),
        };
        sha256(json.as_bytes())
    }
}

/// The members as written.
#[derive(Serialize)]
struct Written<'a> {
    kty: &'static str,
    r#use: &'static str,
    alg: Algorithm,
    kid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kid = self.kid();
        let (r#use, alg) = ("sig", self.algorithm());
        let written = match &self.material {
            Material::P256 { x, y } => {
                let (x, y) = (Some(base64url(x)), Some(base64url(y)));
                Written { kty: "EC", r#use, alg, kid, crv: Some("P-256"), x, y, n: None, e: None }
            }
            Material::Rsa { n, e } => {
                let (n, e) = (Some(base64url(n)), Some(base64url(e)));
                Written { kty: "RSA", r#use, alg, kid, crv: None, x: None, y: None, n, e }
            }
        };
        written.serialize(serializer)
    }
}

/// The members as read; the derived reader refuses one that comes twice.
#[derive(Deserialize)]
struct Read {
    kty: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl Read {
    fn check(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        let private = [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth, &self.k];
        if private.iter().any(|member| member.is_some()) {
            return Err(KeyError::Private);
        }
        let meant = self.r#use.as_deref().is_none_or(|used| used == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"))
            && self.alg.as_deref().is_none_or(|name| name == algorithm.as_str());
        if meant { Ok(()) } else { Err(KeyError::Purpose(algorithm)) }
    }

    fn p256(&self) -> Result<Material, KeyError> {
        if self.kty != "EC" || self.crv.as_deref() != Some("P-256") {
            return Err(KeyError::Purpose(Algorithm::Es256));
        }
        let coordinate = |member: &Option<String>| {
            let mut bytes = [0; 32];
            let text = member.as_deref().ok_or(KeyError::Malformed)?;
            base64url_array(text, &mut bytes).map_err(|_| KeyError::Malformed)?;
            Ok(bytes)
        };
        Ok(Material::P256 { x: coordinate(&self.x)?, y: coordinate(&self.y)? })
    }

    fn rsa(&self) -> Result<Material, KeyError> {
        if self.kty != "RSA" {
            return Err(KeyError::Purpose(Algorithm::Rs256));
        }
        let integer = |member: &Option<String>| {
            let bytes = base64url_decode(member.as_deref().ok_or(KeyError::Malformed)?);
            bytes.ok().filter(|bytes| bytes.first().is_some_and(|byte| *byte != 0)).ok_or(KeyError::Malformed)
        };
        Ok(Material::Rsa { n: integer(&self.n)?, e: integer(&self.e)? })
    }
}
