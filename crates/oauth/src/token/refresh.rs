//! Refreshing (RFC 6749 §6): a token family moves on by one, or repeats its last answer.

use claviger_audit::{Cx, Event, refused};
use claviger_session::families::{self, FamilyError, Presented, RetryRule};
use claviger_storage::CommitError;
use claviger_tenancy::Realm;

use super::{TokenRequest, TokenResponse};
use crate::clients::require_active;
use crate::error::NO_GRANT;
use crate::issue::ForUser;
use crate::scope::Scopes;
use crate::{Client, OAuth, TokenError};

/// How often a use that lost the race is judged anew; each time it is a repeat of the one that won.
const TRIES: u32 = 16;

impl OAuth {
    /// # Errors
    /// `invalid_grant` for a token that is unknown, used, expired, revoked or another client's; a used one that comes back
    /// outside the retry rule also revokes its family.
    pub(crate) async fn refresh(
        &self,
        cx: &Cx,
        client: &Client,
        request: &TokenRequest,
    ) -> Result<TokenResponse, TokenError> {
        let token = request.refresh_token.as_ref().ok_or(TokenError::InvalidRequest("refresh_token is missing"))?;
        let keys = self.opaque_for(cx, token.expose()).await?;
        let rule = retry_rule(&*self.realm(cx)?);
        for _ in 0..TRIES {
            let found = match families::find(cx, &keys, token.expose()).await {
                Ok(found) => found,
                Err(reason) => return self.not_taken(cx, client, reason).await,
            };
            // Before the token is judged: what another client holds of ours ends nothing (A081).
            if found.family.client == client.id {
                client.knows_of(found.family.client_epoch)?;
            }
            if found.family.client != client.id || found.family.client_epoch != client.epoch {
                refused(cx, &Event::new("refresh_refused", found.family.id).with("why", "another client"));
                return Err(NO_GRANT);
            }
            let presented = match found.judge(&rule, cx) {
                Ok(presented) => presented,
                Err(reason) => return self.not_taken(cx, client, reason).await,
            };
            match self.advance(cx, client, request, &presented).await {
                Err(Advance::Again) => {}
                Err(Advance::Refused(refusal)) => return Err(refusal),
                Ok(answer) => return Ok(answer),
            }
        }
        Err(TokenError::TooMany)
    }

    async fn not_taken(&self, cx: &Cx, client: &Client, reason: FamilyError) -> Result<TokenResponse, TokenError> {
        match &reason {
            FamilyError::Unavailable(fault) => return Err(fault.clone().into()),
            FamilyError::TooOften => return Err(TokenError::TooMany),
            FamilyError::Reused(reuse) => self.end_reused(cx, client, reuse).await?,
            _ => {}
        }
        refused(cx, &Event::new("refresh_refused", client.id).with("why", reason.to_string()));
        Err(NO_GRANT)
    }

    async fn advance(
        &self,
        cx: &Cx,
        client: &Client,
        request: &TokenRequest,
        presented: &Presented,
    ) -> Result<TokenResponse, Advance> {
        let family = &presented.family;
        let realm = self.realm(cx).map_err(TokenError::from)?;
        let granted = Scopes::parse(&family.scope).map_err(|_| NO_GRANT)?;
        if request.resource.as_ref().is_some_and(|resource| *resource != family.audience) {
            return Err(TokenError::InvalidTarget.into());
        }
        // What the client may no longer ask for, it no longer gets.
        let scopes =
            narrowed(&granted, request.scope.as_deref())?.filtered(|scope| client.settings.scopes.contains(scope));
        // Another node may have answered with a key that this one has not heard of: its answer is good all the same.
        let keys = match presented.answered_under() {
            Some(key) => self.ring.opaque_with(cx.realm(), key).await,
            None => self.opaque(cx),
        };
        let keys = keys.map_err(TokenError::from)?;
        let mut unit =
            claviger_audit::unit(cx, Event::new("token_refreshed", family.id).with("repeat", !presented.first_use()));
        require_active(&mut unit, client);
        let idle = realm.settings.tokens.refresh_idle;
        let fewer = scopes.to_string();
        let fewer = (fewer != family.scope).then_some(fewer.as_str());
        let issued = families::advance(&mut unit, cx, &keys, presented, idle, fewer).ok_or(NO_GRANT)?;
        let for_user = ForUser {
            user: &presented.user,
            scopes: &scopes,
            audience: &family.audience,
            session: family.session,
            bound_to: family.session,
            family: family.id,
            authentication: (&family.acr, &family.amr, family.authenticated_at),
            nonce: None,
        };
        let answer = self.for_user(cx, client, &for_user, issued, true).await?;
        match cx.commit(unit).await {
            Ok(_) => Ok(answer),
            Err(CommitError::Conflict("family")) => Err(Advance::Again),
            Err(CommitError::Conflict(_)) => Err(NO_GRANT.into()),
            Err(CommitError::Unavailable(fault)) => Err(TokenError::from(fault).into()),
        }
    }
}

enum Advance {
    /// Somebody was faster: judge the token anew.
    Again,
    Refused(TokenError),
}

impl From<TokenError> for Advance {
    fn from(refusal: TokenError) -> Self {
        Self::Refused(refusal)
    }
}

/// When a lost answer may be asked for again in `realm`: one rule for refreshing, introspection and the JSON surface.
pub(crate) fn retry_rule(realm: &Realm) -> RetryRule {
    let tokens = &realm.settings.tokens;
    RetryRule { window: tokens.refresh_retry_window, repeats: tokens.refresh_retries }
}

/// What was granted, or less (A081).
fn narrowed(granted: &Scopes, asked: Option<&str>) -> Result<Scopes, TokenError> {
    match asked.filter(|text| !text.is_empty()) {
        None => Ok(granted.clone()),
        Some(text) => {
            let scopes = Scopes::parse(text).map_err(|_| TokenError::InvalidScope)?;
            if scopes.within(granted) { Ok(scopes) } else { Err(TokenError::InvalidScope) }
        }
    }
}
