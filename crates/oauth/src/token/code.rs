//! Exchanging an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §2.1).

use claviger_audit::{Cx, Event, refused};
use claviger_identity::users;
use claviger_session::families::{self, NewFamily};
use claviger_session::sessions;
use claviger_storage::CommitError;
use claviger_tokens::Marks;

use super::{TokenRequest, TokenResponse};
use crate::clients::{GrantType, require_active};
use crate::codes::{self, Code, CodeError};
use crate::error::NO_GRANT;
use crate::issue::ForUser;
use crate::scope::Scopes;
use crate::{Client, OAuth, TokenError, grants, pkce};

impl OAuth {
    /// # Errors
    /// `invalid_grant` for a code that is unknown, used, expired, or not this client's; `Unavailable` when storage is.
    pub(super) async fn exchange_code(
        &self,
        cx: &Cx,
        client: &Client,
        request: &TokenRequest,
    ) -> Result<TokenResponse, TokenError> {
        let text = request.code.as_ref().ok_or(TokenError::InvalidRequest("code is missing"))?;
        let keys = self.opaque_for(cx, text.expose()).await?;
        let code = match codes::present(cx, &keys, text.expose()).await {
            Ok(code) => code,
            Err(CodeError::Used(family)) => return self.used_twice(cx, client, family).await,
            Err(CodeError::Unavailable(fault)) => return Err(fault.into()),
            Err(reason) => {
                refused(cx, &Event::new("authorization_code_refused", client.id).with("why", reason.to_string()));
                return Err(NO_GRANT);
            }
        };
        if code.client == client.id {
            client.knows_of(code.client_epoch)?;
        }
        if let Err((refusal, why)) = fits(&code, client, request) {
            codes::burn(cx, &code, why).await?;
            return Err(refusal);
        }
        // RFC 8707 §2.2: a code is for the resource of its request.
        if request.resource.as_ref().is_some_and(|resource| *resource != code.audience) {
            return Err(TokenError::InvalidTarget);
        }
        self.redeem(cx, client, &code).await
    }

    async fn used_twice(
        &self,
        cx: &Cx,
        client: &Client,
        family: claviger_kernel::FamilyId,
    ) -> Result<TokenResponse, TokenError> {
        refused(cx, &Event::new("authorization_code_reused", client.id).with("family", family));
        // Whoever holds a used code may send it as often as they like: what every check here knows to have ended is not
        // ended again, for all nodes to hear of.
        let name = family.to_string();
        let marks = Marks { family: Some(&name), ..Marks::default() };
        if self.revocations.refuses(cx.realm(), &marks).is_none() {
            codes::revoke_family(cx, family).await?;
        }
        Err(NO_GRANT)
    }

    async fn redeem(&self, cx: &Cx, client: &Client, code: &Code) -> Result<TokenResponse, TokenError> {
        let realm = self.realm(cx)?;
        let keys = self.opaque(cx)?;
        let user = users::by_id(cx, code.user).await?;
        let active = user.as_ref().and_then(users::User::active).filter(|user| user.epoch() == code.user_epoch);
        let Some(active) = active else {
            codes::burn(cx, code, "the user is disabled or signed out").await?;
            return Err(NO_GRANT);
        };
        let session = match sessions::by_id(cx, code.session).await {
            Ok(session) => session,
            Err(sessions::PresentError::Unavailable(fault)) => return Err(fault.into()),
            Err(_) => {
                codes::burn(cx, code, "the session is over").await?;
                return Err(NO_GRANT);
            }
        };
        let scopes = Scopes::parse(&code.scope).map_err(|_| NO_GRANT)?;
        let refreshes = client.settings.allows(GrantType::RefreshToken);
        let offline = refreshes && scopes.contains("offline_access");
        let mut unit =
            claviger_audit::unit(cx, Event::new("authorization_code_redeemed", code.id).with("client", client.id));
        codes::redeem(&mut unit, code);
        require_active(&mut unit, client);
        sessions::require_alive(&mut unit, &session);
        grants::require_live(&mut unit, code.grant);
        let family = NewFamily {
            id: code.family,
            user: &active,
            client: (client.id, client.epoch),
            grant: code.grant,
            session: (!offline).then_some(code.session),
            audience: &code.audience,
            scope: &code.scope,
            nonce: code.nonce.as_deref(),
            authentication: (&code.acr, &code.amr, code.authenticated_at),
            device: &code.device,
            lifetimes: (realm.settings.tokens.refresh_idle, realm.settings.tokens.refresh_absolute),
        };
        let issued = families::open(&mut unit, cx, &keys, &family);
        let answer = self
            .for_user(
                cx,
                client,
                &ForUser {
                    user: &active,
                    scopes: &scopes,
                    audience: &code.audience,
                    session: Some(code.session),
                    bound_to: family.session,
                    family: code.family,
                    authentication: (&code.acr, &code.amr, code.authenticated_at),
                    nonce: code.nonce.as_deref(),
                },
                issued,
                refreshes,
            )
            .await?;
        match cx.commit(unit).await {
            Ok(_) => Ok(answer),
            Err(CommitError::Conflict("code")) => self.used_twice(cx, client, code.family).await,
            Err(CommitError::Conflict(why)) => {
                codes::burn(cx, code, why).await?;
                Err(NO_GRANT)
            }
            Err(CommitError::Unavailable(fault)) => Err(fault.into()),
        }
    }
}

/// Whether the code was made for this request. The second part is for the log.
fn fits(code: &Code, client: &Client, request: &TokenRequest) -> Result<(), (TokenError, &'static str)> {
    if code.client != client.id || code.client_epoch != client.epoch {
        return Err((NO_GRANT, "another client"));
    }
    if request.redirect_uri.as_deref() != Some(&code.redirect_uri) {
        return Err((NO_GRANT, "another redirect_uri"));
    }
    let verifier = request.code_verifier.as_ref().map(|verifier| verifier.expose().as_str());
    pkce::verify(code.code_challenge.as_deref(), verifier).map_err(|refusal| (refusal, "another code_verifier"))
}
