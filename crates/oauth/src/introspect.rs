//! Introspection (RFC 7662): whether a token is good now, for a client that may know.
//!
//! Who may: the client to which the token was issued, and the clients that an administrator has named as the API for which
//! it is (`introspects`). Everybody else is told what everybody is told of a token that is no good, and only the log knows
//! the reason (A065). Access tokens are judged in memory; a refresh token by its row, and only for its own client.

use core::time::Duration;

use claviger_audit::{Cx, Event, refused};
use claviger_crypto::sealed;
use claviger_kernel::{Secret, Timestamp, Unavailable};
use claviger_session::families::{self, FamilyError};
use claviger_tokens::{Expectation, KeySet, Refusal, VerifiedToken, Verifier};
use serde::Serialize;
use serde_json::Value;

use crate::clients::ClientKind;
use crate::token::retry_rule;
use crate::{AuthenticatedClient, Client, OAuth, TokenError};

/// The answer (RFC 7662 §2.2). What is not known is left out; of a token that is not good nothing is said.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[allow(missing_docs)] // the registered names say it
pub struct Introspection {
    pub active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Value>,
}

impl OAuth {
    /// Says whether a token is good now, and what it says. It reads and never writes: asking about a used refresh token
    /// ends nothing.
    ///
    /// # Errors
    /// `InvalidClient` for a public client, `InvalidRequest` without a token. A token that is not good is no error.
    pub async fn introspect(
        &self,
        cx: &Cx,
        client: &AuthenticatedClient,
        token: Option<&Secret<String>>,
    ) -> Result<Introspection, TokenError> {
        let client = confidential(client)?;
        let token = token.ok_or(TokenError::InvalidRequest("token is missing"))?.expose();
        let judged = if is_refresh_token(token) {
            self.introspect_refresh_token(cx, client, token).await?
        } else {
            self.introspect_access_token(cx, client, token).await?
        };
        Ok(judged.unwrap_or_else(|why| {
            refused(cx, &Event::new("introspected_inactive", client.id).with("why", why));
            Introspection::default()
        }))
    }

    async fn introspect_access_token(
        &self,
        cx: &Cx,
        client: &Client,
        token: &str,
    ) -> Result<Result<Introspection, String>, Unavailable> {
        let claims = match self.own_access_token(cx, token, Duration::ZERO).await? {
            Ok(verified) => verified.into_claims(),
            Err(reason) => return Ok(Err(reason.to_string())),
        };
        let its_own = claims.client_id.as_deref() == Some(&client.client_id);
        if !its_own && !claims.aud.iter().any(|audience| client.settings.introspects.contains(audience)) {
            return Ok(Err("neither issued to this client nor for an API of its".to_owned()));
        }
        Ok(Ok(Introspection {
            active: true,
            scope: claims.scope,
            client_id: claims.client_id,
            token_type: Some("Bearer"),
            exp: Some(claims.exp.seconds()),
            iat: Some(claims.iat.seconds()),
            nbf: claims.nbf.map(Timestamp::seconds),
            sub: claims.sub,
            aud: claims.aud.into_iter().next(),
            iss: Some(claims.iss),
            jti: claims.jti,
            sid: claims.sid,
            auth_time: claims.auth_time.map(Timestamp::seconds),
            acr: claims.acr,
            cnf: claims.cnf,
        }))
    }

    async fn introspect_refresh_token(
        &self,
        cx: &Cx,
        client: &Client,
        token: &str,
    ) -> Result<Result<Introspection, String>, Unavailable> {
        let keys = self.opaque_for(cx, token).await?;
        let found = match families::find(cx, &keys, token).await {
            Ok(found) => found,
            Err(FamilyError::Unavailable(fault)) => return Err(fault),
            Err(reason) => return Ok(Err(reason.to_string())),
        };
        if found.family.client == client.id {
            client.knows_of(found.family.client_epoch)?;
        }
        if found.family.client != client.id || found.family.client_epoch != client.epoch {
            return Ok(Err("issued to another client".to_owned()));
        }
        // Only the present token of its family: a used one may be repeated for a moment, but it is not what is held.
        let presented = match found.judge(&retry_rule(&*self.realm(cx)?), cx) {
            Ok(presented) if presented.first_use() => presented,
            Ok(_) => return Ok(Err("the refresh token was used".to_owned())),
            Err(reason) => return Ok(Err(reason.to_string())),
        };
        let family = presented.family;
        Ok(Ok(Introspection {
            active: true,
            exp: Some(family.ends_at().seconds()),
            scope: Some(family.scope),
            client_id: Some(client.client_id.clone()),
            sub: Some(family.user.subject),
            iss: Some(self.realm(cx)?.issuer.clone()),
            sid: family.session.map(|session| session.to_string()),
            auth_time: Some(family.authenticated_at.seconds()),
            acr: Some(family.acr),
            ..Introspection::default()
        }))
    }

    /// Verifies an access token of this realm in either format, for whatever API it is: memory alone is asked, unless its
    /// key is unknown. `leeway` is for how long it is taken before it begins and after it ends.
    pub(crate) async fn own_access_token(
        &self,
        cx: &Cx,
        token: &str,
        leeway: Duration,
    ) -> Result<Result<VerifiedToken, Refusal>, Unavailable> {
        let realm = self.realm(cx)?;
        let expect = Expectation::access_token_at_issuer();
        let (now, skew) = (cx.now().minus(leeway), realm.settings.tokens.clock_skew + leeway * 2);
        let verify = |keys: &KeySet| {
            let revoked = self.revocations.of(cx.realm());
            let verifier = Verifier::new(keys, &revoked).clock_skew(skew);
            if token.starts_with(sealed::PREFIX) {
                return Ok(verifier.verify_sealed(&*self.opaque(cx)?, token, &expect, now));
            }
            Ok(verifier.verify(token, &expect, now))
        };
        self.with_keys(cx, verify).await
    }
}

/// Only a client that proves itself is told anything (RFC 7662 §2.1).
fn confidential(client: &AuthenticatedClient) -> Result<&Client, TokenError> {
    let client = client.client();
    if client.kind == ClientKind::Confidential { Ok(client) } else { Err(TokenError::InvalidClient) }
}

/// What a token says of itself is a surer hint than `token_type_hint`.
pub(crate) fn is_refresh_token(token: &str) -> bool {
    token.starts_with(claviger_crypto::opaque::Kind::RefreshToken.prefix())
}
