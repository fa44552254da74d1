//! Client credentials (RFC 6749 §4.4): a machine gets a token for itself.

use claviger_audit::Cx;

use super::{TokenRequest, TokenResponse};
use crate::issue::AccessFor;
use crate::metadata::STANDARD_SCOPES;
use crate::scope::Scopes;
use crate::{Client, OAuth, TokenError};

impl OAuth {
    pub(super) async fn client_credentials(
        &self,
        cx: &Cx,
        client: &Client,
        request: &TokenRequest,
    ) -> Result<TokenResponse, TokenError> {
        let scopes = machine_scopes(client, request.scope.as_deref())?;
        let audience = self.audience(cx, client, request.resource.as_deref(), &scopes).await?;
        let form = self.form(cx, &audience).await?;
        let subject = client.machine_subject();
        let jti = claviger_crypto::base64url(&cx.random::<16>());
        self.machines.count(cx, client, &scopes).await?;
        let access = AccessFor {
            subject: &subject,
            audience: &audience,
            client: (&client.client_id, client.epoch),
            scope: &scopes.to_string(),
            user_epoch: None,
            session: None,
            family: None,
            jti: &jti,
            authentication: None,
            issued_at: cx.now(),
            form,
        };
        let access_token = self.access_token(cx, &access)?;
        Ok(TokenResponse {
            access_token,
            expires_in: form.life.as_secs(),
            refresh_token: None,
            id_token: None,
            scope: scopes.to_string(),
        })
    }
}

/// What was asked for, or everything that the client may ask for; never a scope that speaks of a person (A025).
fn machine_scopes(client: &Client, asked: Option<&str>) -> Result<Scopes, TokenError> {
    let personal = |scope: &str| STANDARD_SCOPES.contains(&scope);
    match asked.filter(|text| !text.is_empty()) {
        None => Ok(client.settings.scopes.filtered(|scope| !personal(scope))),
        Some(text) => {
            let scopes = Scopes::parse(text).map_err(|_| TokenError::InvalidScope)?;
            let good = scopes.within(&client.settings.scopes) && !scopes.iter().any(personal);
            if good { Ok(scopes) } else { Err(TokenError::InvalidScope) }
        }
    }
}
