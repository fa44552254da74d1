//! Making tokens: the one place where access and ID tokens of this provider are signed.

use core::time::Duration;

use claviger_audit::Cx;
use claviger_crypto::jose::Algorithm;
use claviger_identity::ActiveUser;
use claviger_kernel::{FamilyId, Secret, SessionId, Timestamp, Unavailable};
use claviger_session::families::Issued;
use claviger_tokens::{AccessToken, Epochs, ExtraClaims, IdToken, at_hash};

use crate::clients::IdTokenAlg;
use crate::resource_servers::TokenFormat;
use crate::scope::Scopes;
use crate::token::TokenResponse;
use crate::{Client, OAuth, TokenError};

/// What an access token says.
pub(crate) struct AccessFor<'a> {
    pub(crate) subject: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) client: (&'a str, i64),
    pub(crate) scope: &'a str,
    pub(crate) user_epoch: Option<i64>,
    pub(crate) session: Option<SessionId>,
    pub(crate) family: Option<FamilyId>,
    pub(crate) jti: &'a str,
    /// `acr` and `auth_time` of the person behind it.
    pub(crate) authentication: Option<(&'a str, Timestamp)>,
    pub(crate) issued_at: Timestamp,
    pub(crate) form: Form,
}

/// In which format the tokens of an API are issued, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub(crate) format: TokenFormat,
    pub(crate) life: Duration,
}

/// What a user's tokens say.
pub(crate) struct ForUser<'a> {
    pub(crate) user: &'a ActiveUser,
    pub(crate) scopes: &'a Scopes,
    pub(crate) audience: &'a str,
    pub(crate) session: Option<SessionId>,
    /// The same, if its end is the end of the access token too; a grant for offline access outlives it.
    pub(crate) bound_to: Option<SessionId>,
    pub(crate) family: FamilyId,
    /// `acr`, `amr`, `auth_time`.
    pub(crate) authentication: (&'a str, &'a str, Timestamp),
    pub(crate) nonce: Option<&'a str>,
}

impl OAuth {
    /// The form of access tokens for this audience; `invalid_target` if its API was removed.
    pub(crate) async fn form(&self, cx: &Cx, audience: &str) -> Result<Form, TokenError> {
        let realm = self.realm(cx)?;
        if audience == realm.issuer {
            return Ok(Form { format: TokenFormat::Jwt, life: realm.settings.tokens.access });
        }
        let server = self.known_resource_server(cx, audience).await?.ok_or(TokenError::InvalidTarget)?;
        Ok(Form { format: server.settings.token_format, life: server.settings.life(&realm) })
    }

    pub(crate) fn access_token(&self, cx: &Cx, access: &AccessFor<'_>) -> Result<Secret<String>, TokenError> {
        let realm = self.realm(cx)?;
        let epoch = |epoch: i64| u64::try_from(epoch).unwrap_or(0);
        let token = AccessToken {
            iss: &realm.issuer,
            sub: access.subject,
            aud: access.audience,
            exp: access.issued_at.plus(access.form.life),
            iat: access.issued_at,
            jti: access.jti,
            client_id: access.client.0,
            scope: access.scope,
            sid: access.session,
            fam: access.family,
            org_id: None,
            auth_time: access.authentication.map(|(_, auth_time)| auth_time),
            acr: access.authentication.map(|(acr, _)| acr),
            ep: Epochs { user: access.user_epoch.map(epoch), client: Some(epoch(access.client.1)), organization: None },
            extra: None,
        };
        if access.form.format == TokenFormat::Opaque {
            return Ok(token.seal(&*self.opaque(cx)?));
        }
        let signer = self.ring.signer(cx.realm(), Algorithm::Es256)?;
        let text = token.sign(&signer).map_err(|_| Unavailable::new("a token could not be signed"))?;
        Ok(Secret::new(text))
    }

    /// The tokens of a user: access token, ID token where `openid` was granted, refresh token where the client refreshes.
    pub(crate) async fn for_user(
        &self,
        cx: &Cx,
        client: &Client,
        what: &ForUser<'_>,
        issued: Issued,
        refreshes: bool,
    ) -> Result<TokenResponse, TokenError> {
        let form = self.form(cx, what.audience).await?;
        let scope = what.scopes.to_string();
        let access = AccessFor {
            subject: what.user.subject(),
            audience: what.audience,
            client: (&client.client_id, client.epoch),
            scope: &scope,
            user_epoch: Some(what.user.epoch()),
            session: what.bound_to,
            family: Some(what.family),
            jti: &issued.jti,
            authentication: Some((what.authentication.0, what.authentication.2)),
            issued_at: issued.issued_at,
            form,
        };
        let access_token = self.access_token(cx, &access)?;
        let id_token = if what.scopes.contains("openid") {
            Some(Secret::new(self.id_token(cx, client, what, access_token.expose()).await?))
        } else {
            None
        };
        let left = access.issued_at.plus(form.life).since(cx.now());
        Ok(TokenResponse {
            access_token,
            expires_in: left.as_secs(),
            refresh_token: refreshes.then_some(issued.token),
            id_token,
            scope,
        })
    }

    async fn id_token(
        &self,
        cx: &Cx,
        client: &Client,
        what: &ForUser<'_>,
        access_token: &str,
    ) -> Result<String, TokenError> {
        let realm = self.realm(cx)?;
        let (acr, amr, auth_time) = what.authentication;
        let amr: Vec<String> = amr.split(' ').filter(|method| !method.is_empty()).map(str::to_owned).collect();
        let hash = at_hash(access_token);
        let token = IdToken {
            iss: &realm.issuer,
            sub: what.user.subject(),
            aud: &client.client_id,
            exp: cx.now().plus(realm.settings.tokens.id),
            iat: cx.now(),
            auth_time,
            nonce: what.nonce,
            acr: Some(acr),
            amr: &amr,
            azp: None,
            at_hash: Some(&hash),
            sid: what.session,
            profile: &ExtraClaims::default(),
        };
        let algorithm = match client.settings.id_token_signed_response_alg {
            IdTokenAlg::RS256 => Algorithm::Rs256,
            IdTokenAlg::ES256 => Algorithm::Es256,
        };
        let signer = self.ring.signer_once_made(&*cx.clock, cx.realm(), algorithm).await?;
        token.sign(&signer).map_err(|_| Unavailable::new("a token could not be signed").into())
    }
}
