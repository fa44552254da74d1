//! The token endpoint (RFC 6749 §3.2): one function per grant, each a list of checks in the order in which they run.

use claviger_audit::Cx;
use claviger_kernel::Secret;

use crate::clients::GrantType;
use crate::scope::Scopes;
use crate::{AuthenticatedClient, OAuth, TokenError};

mod code;
mod credentials;
mod refresh;
mod reuse;

pub(crate) use refresh::retry_rule;

/// A token request of a client that has proved itself, its parameters each at most once.
#[derive(Debug, Default)]
pub struct TokenRequest {
    /// `grant_type`.
    pub grant_type: Option<String>,
    /// `code`.
    pub code: Option<Secret<String>>,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub code_verifier: Option<Secret<String>>,
    /// `refresh_token`.
    pub refresh_token: Option<Secret<String>>,
    /// `scope`.
    pub scope: Option<String>,
    /// `resource` (RFC 8707).
    pub resource: Option<String>,
}

/// Tokens for a client (RFC 6749 §5.1).
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret<String>,
    /// Its life in seconds.
    pub expires_in: u64,
    /// The refresh token, where the client may refresh.
    pub refresh_token: Option<Secret<String>>,
    /// The ID token, where `openid` was granted.
    pub id_token: Option<Secret<String>>,
    /// What was granted.
    pub scope: String,
}

impl OAuth {
    /// Answers a token request.
    pub async fn token(
        &self,
        cx: &Cx,
        client: &AuthenticatedClient,
        request: &TokenRequest,
    ) -> Result<TokenResponse, TokenError> {
        match request.grant_type.as_deref() {
            Some("authorization_code") => {
                self.exchange_code(cx, client.may_use(GrantType::AuthorizationCode)?, request).await
            }
            Some("refresh_token") => self.refresh(cx, client.may_use(GrantType::RefreshToken)?, request).await,
            Some("client_credentials") => {
                self.client_credentials(cx, client.may_use(GrantType::ClientCredentials)?, request).await
            }
            Some(_) => Err(TokenError::UnsupportedGrantType),
            None => Err(TokenError::InvalidRequest("grant_type is missing")),
        }
    }

    /// The audience that a request's access token is for, and a check that the scopes belong to it.
    ///
    /// Without `resource` it is the client's default API, or the issuer itself, whose userinfo endpoint is the API then.
    pub(crate) async fn audience(
        &self,
        cx: &Cx,
        client: &crate::Client,
        resource: Option<&str>,
        scopes: &Scopes,
    ) -> Result<String, TokenError> {
        let issuer = &self.realm(cx)?.issuer;
        let named = resource.or(client.settings.default_audience.as_deref()).filter(|named| named != issuer);
        let Some(named) = named else { return Ok(issuer.clone()) };
        let server = self.known_resource_server(cx, named).await?.ok_or(TokenError::InvalidTarget)?;
        // An API is open to the clients that an administrator has linked to it: by a scope of it, or as their default.
        let linked = client.settings.default_audience.as_deref() == Some(&server.audience)
            || server.settings.scopes.iter().any(|scope| client.settings.scopes.contains(scope));
        if !linked {
            return Err(TokenError::InvalidTarget);
        }
        let known =
            |scope: &str| server.settings.scopes.contains(scope) || crate::metadata::STANDARD_SCOPES.contains(&scope);
        if scopes.iter().all(known) { Ok(server.audience.clone()) } else { Err(TokenError::InvalidScope) }
    }
}
