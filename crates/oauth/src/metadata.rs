//! Discovery (OpenID Connect Discovery §3, RFC 8414): registered names only, and only what is switched on.

use claviger_audit::Cx;
use claviger_kernel::Unavailable;
use serde_json::{Value, json};

use crate::OAuth;
use crate::clients::GrantType;

/// Scopes that speak of a person (OpenID Connect Core §5.4, §11).
pub const STANDARD_SCOPES: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// Claims that userinfo or ID tokens can carry.
const CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "at_hash",
    "sid",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "email",
    "email_verified",
    "address",
    "phone_number",
    "phone_number_verified",
];

impl OAuth {
    /// The metadata document of the caller's realm: the same for both well-known addresses.
    pub fn metadata(&self, cx: &Cx) -> Result<Value, Unavailable> {
        let issuer = &self.realm(cx)?.issuer;
        let at = |path: &str| format!("{issuer}{path}");
        let grants: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.as_str()).collect();
        Ok(json!({
            "issuer": issuer,
            "authorization_endpoint": at("/oauth2/authorize"),
            "token_endpoint": at("/oauth2/token"),
            "userinfo_endpoint": at("/oauth2/userinfo"),
            "introspection_endpoint": at("/oauth2/introspect"),
            "revocation_endpoint": at("/oauth2/revoke"),
            "jwks_uri": at("/.well-known/jwks.json"),
            "end_session_endpoint": at("/oauth2/logout"),
            "scopes_supported": STANDARD_SCOPES,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": grants,
            "acr_values_supported": [claviger_session::Level::One.acr()],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "claim_types_supported": ["normal"],
            "claims_supported": CLAIMS,
            "code_challenge_methods_supported": ["S256"],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
        }))
    }
}
