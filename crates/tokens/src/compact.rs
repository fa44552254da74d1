//! The compact serialisation of a JWS (RFC 7515 §7.1), read strictly and before any cryptography.

use std::borrow::Cow;

use claviger_crypto::base64url_decode;
use serde::Deserialize;

use crate::{Refusal, TokenType};

/// No token of ours is longer; what is longer is refused before anything is decoded.
pub(crate) const MAX_LEN: usize = 16 * 1024;
/// No header of ours is longer: algorithm, type and a key id of at most 128 characters.
const MAX_HEADER_LEN: usize = 512;

/// A token taken apart; nothing about it is known to be true yet.
pub(crate) struct Compact<'a> {
    header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Header and payload as they stand in the token: what was signed.
    pub(crate) signed: &'a [u8],
}

/// The header, whole: a member that is not one of these three, or comes twice, makes it no header of ours. That
/// covers `crit`, `b64`, `zip`, and every way of bringing one's own key (`jwk`, `jku`, `x5u`, `x5c`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) alg: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) kid: Cow<'a, str>,
    #[serde(borrow)]
    typ: Cow<'a, str>,
}

impl<'a> Compact<'a> {
    /// Takes `token` apart: exactly three segments, each canonical base64url.
    pub(crate) fn split(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_LEN {
            return Err(Refusal::Size);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Shape)?;
        let decoded = |segment: &str| base64url_decode(segment).map_err(|_| Refusal::Shape);
        Ok(Self {
            header: decoded(header)?,
            payload: decoded(payload)?,
            signature: decoded(signature)?,
            signed: signed.as_bytes(),
        })
    }

    /// Reads the header.
    pub(crate) fn header(&self) -> Result<Header<'_>, Refusal> {
        // The derived reader would take a JSON array for a struct as well.
        if self.header.len() > MAX_HEADER_LEN || !self.header.starts_with(b"{") {
            return Err(Refusal::Header);
        }
        serde_json::from_slice(&self.header).map_err(|_| Refusal::Header)
    }
}

impl Header<'_> {
    /// Whether the token is of this type; `application/` may stand before it (RFC 7515 §4.1.9, RFC 9068 §4).
    pub(crate) fn is(&self, token_type: TokenType) -> bool {
        const TREE: &str = "application/";
        let typ = match self.typ.split_at_checked(TREE.len()) {
            Some((tree, rest)) if tree.eq_ignore_ascii_case(TREE) => rest,
            _ => &self.typ,
        };
        typ.eq_ignore_ascii_case(token_type.typ().as_str())
    }
}
