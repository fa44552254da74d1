//! The operator's own applications, whose user interface signs people in by itself instead of sending them to the
//! authorization endpoint (`/api/v1/auth`).
//!
//! Such an application is a public client marked as first party. Its token family is opened in the very unit that opens
//! the session, and belongs to it: ending the session ends the family. Everything after that is the token endpoint's own
//! rule; there is no second way to refresh.

use claviger_audit::{Cx, Event, Unit};
use claviger_crypto::opaque;
use claviger_identity::ActiveUser;
use claviger_kernel::{FamilyId, Secret, SessionId, Timestamp, Unavailable, kind};
use claviger_session::families::{self, Family, FamilyError, NewFamily, RetryRule};
use claviger_storage::CommitError;

use crate::clients::{ClientKind, GrantType, require_active};
use crate::issue::ForUser;
use crate::metadata::STANDARD_SCOPES;
use crate::revoke::{ended_here_too, to_end};
use crate::scope::{MANAGE, Scopes};
use crate::token::{TokenRequest, TokenResponse, retry_rule};
use crate::{Client, OAuth, TokenError, grants};

/// A public client of the operator's own that is in use. Made by [`OAuth::first_party`] alone.
#[derive(Clone, Debug)]
pub struct FirstParty(Client);

impl FirstParty {
    /// The client.
    pub const fn client(&self) -> &Client {
        &self.0
    }
}

/// What the application asks tokens for.
#[derive(Clone, Debug)]
pub struct Asked {
    scopes: Scopes,
    audience: String,
}

/// Who is signed in, and how: what the session's row will say.
#[derive(Debug)]
pub struct SignedIn<'a> {
    /// The session in which the family is opened.
    pub session: SessionId,
    /// The user; the commit depends on the user being active.
    pub user: &'a ActiveUser,
    /// `acr`, `amr` (separated by spaces) and `auth_time`.
    pub authentication: (&'a str, &'a str, Timestamp),
    /// The device's label.
    pub device: &'a str,
}

/// Tokens, and what the surface must know of their family.
#[derive(Debug)]
pub struct Issued {
    /// The tokens; a refresh token is always among them.
    pub tokens: TokenResponse,
    /// When the family ends however often it is used.
    pub expires_at: Timestamp,
    /// The session to which it belongs.
    pub session: Option<SessionId>,
}

impl OAuth {
    /// The first-party application that asks by this name, if there is one in use.
    pub async fn first_party(&self, cx: &Cx, client_id: &str) -> Result<Option<FirstParty>, Unavailable> {
        let client = self.client(cx, client_id).await?.filter(|client| {
            client.active
                && client.kind == ClientKind::Public
                && client.settings.first_party
                && client.settings.allows(GrantType::RefreshToken)
        });
        Ok(client.map(FirstParty))
    }

    /// What `scope` and `resource` mean for this application. Without `scope` it is everything that the application may
    /// ask of that API, but for management.
    ///
    /// # Errors
    /// `invalid_scope`, `invalid_target`.
    pub async fn asked(
        &self,
        cx: &Cx,
        app: &FirstParty,
        scope: Option<&str>,
        resource: Option<&str>,
    ) -> Result<Asked, TokenError> {
        let allowed = &app.0.settings.scopes;
        let scopes = match scope.filter(|text| !text.is_empty()) {
            Some(text) => Scopes::parse(text).ok().filter(|scopes| scopes.within(allowed)),
            None => Some(Scopes::default()),
        };
        let scopes = scopes.ok_or(TokenError::InvalidScope)?;
        let audience = self.audience(cx, &app.0, resource, &scopes).await?;
        if !scopes.is_empty() {
            return Ok(Asked { scopes, audience });
        }
        // A family of this surface belongs to its session, so nothing here is offline; and management is asked for by name.
        let here = allowed.filtered(|scope| scope != "offline_access" && scope != MANAGE);
        let scopes = match self.known_resource_server(cx, &audience).await? {
            Some(server) => {
                here.filtered(|scope| server.settings.scopes.contains(scope) || STANDARD_SCOPES.contains(&scope))
            }
            None => here,
        };
        Ok(Asked { scopes, audience })
    }

    /// Adds grant and token family to the unit that opens a session, and gives the first tokens; they are good once the
    /// unit is committed.
    ///
    /// Conflict `grant` if the grant was made or withdrawn meanwhile: make the unit anew.
    pub async fn open_first_party(
        &self,
        cx: &Cx,
        unit: &mut Unit,
        app: &FirstParty,
        asked: &Asked,
        signed_in: &SignedIn<'_>,
    ) -> Result<Issued, TokenError> {
        let client = &app.0;
        let realm = self.realm(cx)?;
        let keys = self.opaque(cx)?;
        let user = signed_in.user;
        require_active(unit, client);
        let standing = grants::of(cx, user.id(), client.id).await?;
        let grant = match standing.as_ref().filter(|grant| grant.covers(&asked.scopes)) {
            Some(grant) => {
                grants::require_live(unit, grant.id);
                grant.id
            }
            None => grants::allow(unit, user.id(), client.id, standing.as_ref(), &asked.scopes),
        };
        let family: FamilyId = unit.id_of(user.shard());
        let scope = asked.scopes.to_string();
        let lifetimes = (realm.settings.tokens.refresh_idle, realm.settings.tokens.refresh_absolute);
        let new = NewFamily {
            id: family,
            user,
            client: (client.id, client.epoch),
            grant,
            session: Some(signed_in.session),
            audience: &asked.audience,
            scope: &scope,
            nonce: None,
            authentication: signed_in.authentication,
            device: signed_in.device,
            lifetimes,
        };
        let expires_at = unit.now().plus(lifetimes.1);
        let issued = families::open(unit, cx, &keys, &new);
        let what = ForUser {
            user,
            scopes: &asked.scopes,
            audience: &asked.audience,
            session: Some(signed_in.session),
            bound_to: Some(signed_in.session),
            family,
            authentication: signed_in.authentication,
            nonce: None,
        };
        let tokens = self.for_user(cx, client, &what, issued, true).await?;
        Ok(Issued { tokens, expires_at, session: Some(signed_in.session) })
    }

    /// Refreshes as the token endpoint does, for an application that is named and cannot prove itself.
    ///
    /// # Errors
    /// As at the token endpoint: `invalid_grant` for a token that is not good, `TooMany` for one that is repeated too often.
    pub async fn refresh_first_party(
        &self,
        cx: &Cx,
        app: &FirstParty,
        token: &Secret<String>,
        scope: Option<&str>,
    ) -> Result<Issued, TokenError> {
        let request = TokenRequest {
            refresh_token: Some(token.clone()),
            scope: scope.map(str::to_owned),
            ..TokenRequest::default()
        };
        let tokens = self.refresh(cx, &app.0, &request).await?;
        let keys = self.opaque(cx)?;
        let next = tokens.refresh_token.as_ref().and_then(|token| {
            opaque::parse(opaque::Kind::RefreshToken, token.expose(), &keys)
                .ok()
                .map(|opaque| opaque.id::<kind::Family>())
        });
        let family = match next {
            Some(id) => families::by_id(cx, id).await?,
            None => None,
        };
        let family = family.ok_or_else(|| Unavailable::new("a family that was just refreshed is gone"))?;
        Ok(Issued { tokens, expires_at: family.expires_at, session: family.session })
    }

    /// Ends a family that belongs to no session.
    pub async fn end_family(&self, cx: &Cx, family: FamilyId) -> Result<(), Unavailable> {
        let mut unit = claviger_audit::unit(cx, Event::new("signed_out", family));
        families::revoke(&mut unit, family, "signed out");
        match cx.commit(unit).await {
            Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Unavailable(fault)) => Err(fault),
        }
    }

    /// The family that a refresh token of this application names, unless it has ended. It may be the present token or one
    /// that was used long ago: whoever gives it back wants the sign-in to end.
    pub async fn family_to_end(&self, cx: &Cx, app: &FirstParty, token: &str) -> Result<Option<Family>, Unavailable> {
        match families::find(cx, &*self.opaque_for(cx, token).await?, token).await {
            Ok(found) if found.family.client != app.0.id => Ok(None),
            Ok(found) if to_end(&found.family, cx.now()) => Ok(Some(found.family)),
            Ok(_) => ended_here_too(cx).await.map(|()| None),
            Err(FamilyError::Unavailable(fault)) => Err(fault),
            Err(_) => Ok(None),
        }
    }

    /// The live family of a refresh token of this application. The token is not used up by it, nor is a repeat counted.
    pub async fn family_of(&self, cx: &Cx, app: &FirstParty, token: &str) -> Result<Option<Family>, Unavailable> {
        let rule = RetryRule { repeats: u32::MAX, ..retry_rule(&*self.realm(cx)?) };
        match families::present(cx, &*self.opaque_for(cx, token).await?, token, &rule).await {
            Ok(presented) => {
                let family = presented.family;
                let mine = family.client == app.0.id && family.client_epoch == app.0.epoch;
                Ok(mine.then_some(family))
            }
            Err(FamilyError::Unavailable(fault)) => Err(fault),
            Err(_) => Ok(None),
        }
    }
}
