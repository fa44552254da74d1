//! What a client may do, checked at registration.

use claviger_kernel::{Secret, Unavailable};
use serde::{Deserialize, Serialize};

use super::ClientKind;
use crate::redirect::{RedirectError, RedirectUri};
use crate::scope::Scopes;

/// A grant that a client may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl GrantType {
    /// Every grant type.
    pub const ALL: [Self; 3] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// How a client proves itself at the token endpoint. A client uses the one that it is registered for (A043).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// HTTP Basic.
    ClientSecretBasic,
    /// In the form body.
    ClientSecretPost,
    /// Not at all: a public client.
    None,
}

impl AuthMethod {
    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }
}

/// The algorithm of a client's ID tokens; RS256 unless it asks for another (OpenID Connect Registration §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum IdTokenAlg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    RS256,
    /// ECDSA with P-256 and SHA-256.
    ES256,
}

/// What a client may do. Unknown members are refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSettings {
    /// Where codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where the browser may be sent after logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// The grants that it may use.
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may ask for.
    pub scopes: Scopes,
    /// How it proves itself.
    pub token_endpoint_auth_method: AuthMethod,
    /// The algorithm of its ID tokens.
    pub id_token_signed_response_alg: IdTokenAlg,
    /// Whether it must use PKCE; only a confidential client can be exempted.
    pub require_pkce: bool,
    /// Whether it is the operator's own: nobody is asked for consent.
    pub first_party: bool,
    /// The API that it calls where a request names none.
    pub default_audience: Option<String>,
    /// The audiences as whose API it may ask whether a token is good; it is told of no others but its own.
    pub introspects: Vec<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: Scopes::parse("openid profile email offline_access").expect("four plain words"),
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            id_token_signed_response_alg: IdTokenAlg::RS256,
            require_pkce: true,
            first_party: false,
            default_audience: None,
            introspects: Vec::new(),
        }
    }
}

/// A client was not made or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The chosen `client_id` is malformed.
    #[error("a client_id is 1 to 100 characters of A-Z a-z 0-9 . _ - and does not begin with usr_ or svc_")]
    BadId,
    /// The name is empty, too long, or holds control characters.
    #[error("a client's name is 1 to 100 characters without control characters")]
    BadName,
    /// Another client asks by that name.
    #[error("another client has this client_id")]
    IdTaken,
    /// A redirect address.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// Too many addresses.
    #[error("a client has at most 50 redirect addresses of each kind, and introspects for at most 50 APIs")]
    TooMany,
    /// A public client was given a secret or an authentication method.
    #[error("a public client has no secret: its token_endpoint_auth_method is none")]
    SecretOfPublic,
    /// A confidential client without authentication.
    #[error("a confidential client proves itself: choose client_secret_basic or client_secret_post")]
    NoMethod,
    /// PKCE can only be waived for confidential clients.
    #[error("PKCE can be waived for confidential clients only")]
    PkceOfPublic,
    /// A scope of the server's own, for a client that is not the operator's.
    #[error("scopes that begin with claviger: are for first-party clients only")]
    ReservedScope,
    /// Introspection needs a client that proves itself.
    #[error("only a confidential client can introspect tokens of an API")]
    IntrospectionOfPublic,
    /// Client credentials need a confidential client.
    #[error("only a confidential client can use client_credentials")]
    CredentialsOfPublic,
    /// The code grant needs somewhere to send the code.
    #[error("authorization_code needs at least one redirect address")]
    NoRedirect,
    /// The chosen secret is too short.
    #[error("a chosen secret has 32 to 200 printable ASCII characters")]
    WeakSecret,
    /// Somebody changed it meanwhile.
    #[error("the client was changed meanwhile; read it again")]
    Changed,
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl ClientSettings {
    /// Checks the settings for a client of this kind.
    pub fn check(&self, kind: ClientKind) -> Result<(), ClientError> {
        let lists = [self.redirect_uris.len(), self.post_logout_redirect_uris.len(), self.introspects.len()];
        if lists.into_iter().any(|length| length > 50) {
            return Err(ClientError::TooMany);
        }
        if self.allows(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            return Err(ClientError::NoRedirect);
        }
        if self.scopes.any_reserved() && !self.first_party {
            return Err(ClientError::ReservedScope);
        }
        match kind {
            ClientKind::Public if self.token_endpoint_auth_method != AuthMethod::None => {
                Err(ClientError::SecretOfPublic)
            }
            ClientKind::Public if !self.require_pkce => Err(ClientError::PkceOfPublic),
            ClientKind::Public if self.allows(GrantType::ClientCredentials) => Err(ClientError::CredentialsOfPublic),
            ClientKind::Public if !self.introspects.is_empty() => Err(ClientError::IntrospectionOfPublic),
            ClientKind::Confidential if self.token_endpoint_auth_method == AuthMethod::None => {
                Err(ClientError::NoMethod)
            }
            _ => Ok(()),
        }
    }

    /// Whether the client may use this grant.
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("settings are plain JSON")
    }
}

pub(super) fn check_client_id(chosen: String) -> Result<String, ClientError> {
    let plain = chosen.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let reserved = ["usr_", "svc_"].iter().any(|prefix| chosen.starts_with(prefix));
    if (1..=100).contains(&chosen.len()) && plain && !reserved { Ok(chosen) } else { Err(ClientError::BadId) }
}

pub(super) fn check_name(name: &str) -> Result<(), ClientError> {
    let good = !name.trim().is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(ClientError::BadName) }
}

pub(super) fn check_secret(secret: Secret<String>) -> Result<Secret<String>, ClientError> {
    let text = secret.expose();
    let good = (32..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(secret) } else { Err(ClientError::WeakSecret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce_can_be_waived_for_confidential_clients_only() {
        let uri = RedirectUri::register("https://app.example.com/cb").unwrap();
        let settings = ClientSettings { redirect_uris: vec![uri], require_pkce: false, ..ClientSettings::default() };
        assert_eq!(settings.check(ClientKind::Confidential), Ok(()));
        let public = ClientSettings { token_endpoint_auth_method: AuthMethod::None, ..settings };
        assert_eq!(public.check(ClientKind::Public), Err(ClientError::PkceOfPublic));
    }

    #[test]
    fn only_a_first_party_client_may_manage() {
        let redirect_uris = vec![RedirectUri::register("https://app.test/cb").unwrap()];
        let scopes = Scopes::parse("openid claviger:manage").unwrap();
        let theirs = ClientSettings { redirect_uris, scopes, ..ClientSettings::default() };
        assert_eq!(theirs.check(ClientKind::Confidential), Err(ClientError::ReservedScope));
        let ours = ClientSettings { first_party: true, ..theirs };
        assert_eq!(ours.check(ClientKind::Confidential), Ok(()));
    }

    #[test]
    fn a026_a_client_cannot_take_the_name_of_a_user_or_a_machine() {
        for wrong in ["usr_01", "svc_01", "", "a b", "é", &"x".repeat(101)] {
            assert!(check_client_id((*wrong).to_owned()).is_err(), "{wrong}");
        }
        assert!(check_client_id("my-app.1".to_owned()).is_ok());
    }

    #[test]
    fn a004_the_code_grant_needs_a_registered_address() {
        assert_eq!(ClientSettings::default().check(ClientKind::Confidential), Err(ClientError::NoRedirect));
    }

    #[test]
    fn settings_refuse_what_they_do_not_know() {
        assert!(serde_json::from_str::<ClientSettings>(r#"{"skip_consent": true}"#).is_err());
        let settings = ClientSettings::default();
        assert_eq!(serde_json::from_str::<ClientSettings>(&settings.to_json()).unwrap(), settings);
    }
}
