//! The one token verifier. Its checks stand in [`Verifier::verify`] in the order in which they run.

use std::time::Duration;

use claviger_crypto::jose::VerifyingKey;
use claviger_crypto::opaque::{OpaqueError, OpaqueKeys};
use claviger_crypto::sealed;
use claviger_kernel::Timestamp;

use crate::compact::{Compact, Header};
use crate::{Claims, KeySet, Refusal, RevocationSet, TokenType};

/// How far the clocks of two machines may differ.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// A token that has passed every check of [`Verifier::verify`]; there is no other way to one.
#[derive(Clone, PartialEq, Debug)]
pub struct VerifiedToken {
    token_type: TokenType,
    claims: Claims,
}

impl VerifiedToken {
    /// Its type: the one that was expected.
    pub const fn token_type(&self) -> TokenType {
        self.token_type
    }

    /// What it claims, now known to be true.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The same, for whoever tells them further.
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

/// An expectation must name an audience: a verifier that accepts tokens meant for anybody accepts stolen ones (A061).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("name the audience whose tokens are to be accepted")]
pub struct NoAudience;

/// What somebody who verifies expects: the type of token, and for whom it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    token_type: TokenType,
    audience: Audience,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Audience {
    OneOf(Vec<String>),
    /// The issuer itself asks; whom the token is for is what it wants to learn.
    Any,
}

impl Expectation {
    /// An access token for one of these APIs; what every resource server expects.
    pub fn access_token<A: Into<String>>(audiences: impl IntoIterator<Item = A>) -> Result<Self, NoAudience> {
        Self::new(TokenType::Access, audiences)
    }

    /// An access token of the issuer for whatever API: for its own introspection, revocation and userinfo endpoints,
    /// which go on to judge by audience and client. Not for resource servers.
    pub const fn access_token_at_issuer() -> Self {
        Self { token_type: TokenType::Access, audience: Audience::Any }
    }

    /// An ID token for this client.
    pub fn id_token(client_id: impl Into<String>) -> Result<Self, NoAudience> {
        Self::new(TokenType::Id, [client_id])
    }

    /// A logout token for this client.
    pub fn logout_token(client_id: impl Into<String>) -> Result<Self, NoAudience> {
        Self::new(TokenType::Logout, [client_id])
    }

    fn new<A: Into<String>>(token_type: TokenType, audiences: impl IntoIterator<Item = A>) -> Result<Self, NoAudience> {
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(NoAudience);
        }
        Ok(Self { token_type, audience: Audience::OneOf(audiences) })
    }

    fn is_met_by(&self, claimed: &[String]) -> bool {
        match &self.audience {
            Audience::OneOf(expected) => claimed.iter().any(|one| expected.contains(one)),
            Audience::Any => claimed.iter().any(|one| !one.is_empty()),
        }
    }
}

/// Verifies tokens of one issuer against a snapshot of its keys and of what it has revoked.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    keys: &'a KeySet,
    revoked: &'a RevocationSet,
    skew: Duration,
}

impl<'a> Verifier<'a> {
    /// A verifier that forgives clocks 60 seconds.
    pub const fn new(keys: &'a KeySet, revoked: &'a RevocationSet) -> Self {
        Self { keys, revoked, skew: CLOCK_SKEW }
    }

    /// The same, forgiving clocks this much. It counts for `nbf` and `iat`; no token lives longer for it.
    #[must_use]
    pub const fn clock_skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Verifies `token`. The first check that fails gives the reason; only a token that passes all others has expired.
    pub fn verify(&self, token: &str, expect: &Expectation, now: Timestamp) -> Result<VerifiedToken, Refusal> {
        let claims = self.authentic(token, expect, now)?;
        self.not_revoked(&claims)?;
        not_expired(&claims, now)?;
        Ok(VerifiedToken { token_type: expect.token_type, claims })
    }

    /// Verifies an access token that [`AccessToken::seal`](crate::AccessToken::seal) made. The seal stands in the place
    /// of header and signature; every other check is that of [`Verifier::verify`], in the same order.
    pub fn verify_sealed(
        &self,
        keys: &OpaqueKeys,
        token: &str,
        expect: &Expectation,
        now: Timestamp,
    ) -> Result<VerifiedToken, Refusal> {
        if token.len() > crate::compact::MAX_LEN {
            return Err(Refusal::Size);
        }
        if expect.token_type != TokenType::Access {
            return Err(Refusal::Type);
        }
        let payload = sealed::open(keys, token).map_err(|error| match error {
            OpaqueError::Kind => Refusal::Type,
            OpaqueError::Malformed => Refusal::Shape,
            OpaqueError::UnknownKey => Refusal::Key,
            OpaqueError::Forged => Refusal::Signature,
        })?;
        let claims = self.fitting(payload.expose(), expect, now)?;
        self.not_revoked(&claims)?;
        not_expired(&claims, now)?;
        Ok(VerifiedToken { token_type: expect.token_type, claims })
    }

    /// Verifies an `id_token_hint` (OpenID Connect RP-Initiated Logout 1.0 §2): an ID token of ours, which may have
    /// expired or belong to a session that has ended. It tells who is meant and proves nothing more.
    pub fn verify_hint(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, Refusal> {
        let expect = Expectation { token_type: TokenType::Id, audience: Audience::Any };
        let claims = self.authentic(token, &expect, now)?;
        Ok(VerifiedToken { token_type: TokenType::Id, claims })
    }

    /// Every check but those for revocation and expiry.
    fn authentic(&self, token: &str, expect: &Expectation, now: Timestamp) -> Result<Claims, Refusal> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        of_type(&header, expect.token_type)?;
        let key = self.key(&header)?;
        key.verify(compact.signed, &compact.signature).map_err(|_| Refusal::Signature)?;
        self.fitting(&compact.payload, expect, now)
    }

    /// The checks of the claims themselves, once it is known who wrote them.
    fn fitting(&self, payload: &[u8], expect: &Expectation, now: Timestamp) -> Result<Claims, Refusal> {
        let claims = Claims::read(payload)?;
        claims.complete_for(expect.token_type)?;
        self.issued_here(&claims)?;
        meant_for(&claims, expect)?;
        unbound(&claims, expect)?;
        self.begun(&claims, now)?;
        Ok(claims)
    }

    /// The key that the header names, if its only algorithm is the one that the header names.
    fn key(&self, header: &Header<'_>) -> Result<&VerifyingKey, Refusal> {
        let key = self.keys.get(&header.kid).ok_or(Refusal::Key)?;
        if key.algorithm().as_str() == header.alg { Ok(key) } else { Err(Refusal::Algorithm) }
    }

    fn issued_here(&self, claims: &Claims) -> Result<(), Refusal> {
        if claims.iss == self.keys.issuer() { Ok(()) } else { Err(Refusal::Issuer) }
    }

    fn begun(&self, claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
        let latest = now.plus(self.skew).seconds();
        let begins = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
        if begins.seconds() <= latest { Ok(()) } else { Err(Refusal::NotYet) }
    }

    fn not_revoked(&self, claims: &Claims) -> Result<(), Refusal> {
        self.revoked.refuses(&claims.marks()).map_or(Ok(()), |by| Err(Refusal::Revoked(by)))
    }
}

fn of_type(header: &Header<'_>, token_type: TokenType) -> Result<(), Refusal> {
    if header.is(token_type) { Ok(()) } else { Err(Refusal::Type) }
}

fn meant_for(claims: &Claims, expect: &Expectation) -> Result<(), Refusal> {
    if expect.is_met_by(&claims.aud) { Ok(()) } else { Err(Refusal::Audience) }
}

/// A token that is bound to a key is no bearer token; whoever forgets to ask for the proof must not get it for one.
fn unbound(claims: &Claims, expect: &Expectation) -> Result<(), Refusal> {
    match expect.audience {
        Audience::OneOf(_) if claims.cnf.is_some() => Err(Refusal::Binding),
        _ => Ok(()),
    }
}

fn not_expired(claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
    if now < claims.exp { Ok(()) } else { Err(Refusal::Expired) }
}

#[cfg(test)]
mod tests;
