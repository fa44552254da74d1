//! The tokens that we issue: access tokens (RFC 9068), ID tokens (OpenID Connect Core §2), logout tokens.

use claviger_crypto::jose::{SigningFailed, SigningKey, Typ};
use claviger_crypto::opaque::OpaqueKeys;
use claviger_crypto::{base64url, sealed, sha256};
use claviger_kernel::{FamilyId, OrganizationId, Secret, SessionId, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::Epochs;
use crate::claims::{Claims, LOGOUT_EVENT, may_be_claimed};

/// The type of a token. None is ever accepted in another's place (A060).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TokenType {
    /// Lets a client use an API.
    Access,
    /// Tells a client who has signed in.
    Id,
    /// Tells a client who has signed out.
    Logout,
}

impl TokenType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Access, Self::Id, Self::Logout];

    /// The header's `typ`.
    pub const fn typ(self) -> Typ {
        match self {
            Self::Access => Typ::AccessToken,
            Self::Id => Typ::Jwt,
            Self::Logout => Typ::LogoutToken,
        }
    }
}

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, Serialize)]
pub struct AccessToken<'a> {
    /// The realm's issuer URL.
    pub iss: &'a str,
    /// The user's subject, or the client's own for client credentials.
    pub sub: &'a str,
    /// The one API that it is for.
    pub aud: &'a str,
    /// When it ends.
    #[serde(serialize_with = "seconds")]
    pub exp: Timestamp,
    /// When it was issued.
    #[serde(serialize_with = "seconds")]
    pub iat: Timestamp,
    /// Its own id.
    pub jti: &'a str,
    /// The client to which it was issued.
    pub client_id: &'a str,
    /// The scopes granted, separated by spaces.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub scope: &'a str,
    /// The session from which it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The token family from which it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fam: Option<FamilyId>,
    /// The organization for which it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<OrganizationId>,
    /// When the user last proved who they are (RFC 9068 §2.2.1).
    #[serde(serialize_with = "seconds_if_any", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// The authentication context class (RFC 9068 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// The epochs of user, client and organization at the time of issue.
    pub ep: Epochs,
    /// Further claims, such as roles.
    #[serde(flatten)]
    pub extra: Option<&'a ExtraClaims>,
}

impl AccessToken<'_> {
    /// Signs the token.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFailed> {
        key.sign_claims(Typ::AccessToken, self)
    }

    /// Seals the token: the same claims in a form that says nothing to anybody but the issuer. Equal claims give equal
    /// texts.
    ///
    /// # Panics
    /// Never: claims are plain JSON.
    pub fn seal(&self, keys: &OpaqueKeys) -> Secret<String> {
        sealed::seal(keys, &serde_json::to_vec(self).expect("claims are plain JSON"))
    }
}

/// The claims of an ID token (OpenID Connect Core 1.0 §2).
#[derive(Clone, Debug, Serialize)]
pub struct IdToken<'a> {
    /// The realm's issuer URL.
    pub iss: &'a str,
    /// The user's subject.
    pub sub: &'a str,
    /// The client's `client_id`.
    pub aud: &'a str,
    /// When it ends.
    #[serde(serialize_with = "seconds")]
    pub exp: Timestamp,
    /// When it was issued.
    #[serde(serialize_with = "seconds")]
    pub iat: Timestamp,
    /// When the user last proved who they are.
    #[serde(serialize_with = "seconds")]
    pub auth_time: Timestamp,
    /// The client's nonce, back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// The authentication context class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// The authentication methods (RFC 8176).
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub amr: &'a [String],
    /// The client again, where somebody wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azp: Option<&'a str>,
    /// See [`at_hash`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<&'a str>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// Profile claims, such as `email`.
    #[serde(flatten)]
    pub profile: &'a ExtraClaims,
}

impl IdToken<'_> {
    /// Signs the token.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFailed> {
        key.sign_claims(Typ::Jwt, self)
    }
}

/// The claims of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
#[derive(Clone, Debug)]
pub struct LogoutToken<'a> {
    /// The realm's issuer URL.
    pub iss: &'a str,
    /// The client's `client_id`.
    pub aud: &'a str,
    /// When it ends; two minutes are enough.
    pub exp: Timestamp,
    /// When it was issued.
    pub iat: Timestamp,
    /// Its own id.
    pub jti: &'a str,
    /// The user who is signed out.
    pub sub: &'a str,
    /// The session that has ended; without it every session of the user has.
    pub sid: Option<SessionId>,
}

impl LogoutToken<'_> {
    /// Signs the token.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFailed> {
        let mut claims = json!({
            "iss": self.iss, "aud": self.aud, "exp": self.exp.seconds(), "iat": self.iat.seconds(), "jti": self.jti,
            "sub": self.sub, "events": {LOGOUT_EVENT: {}},
        });
        if let Some(session) = self.sid {
            claims["sid"] = session.to_string().into();
        }
        key.sign_claims(Typ::LogoutToken, &claims)
    }
}

/// The left half of the SHA-256 of `access_token`, in base64url (OpenID Connect Core 1.0 §3.1.3.6).
pub fn at_hash(access_token: &str) -> String {
    base64url(&sha256(access_token.as_bytes())[..16])
}

/// Claims beyond those of the token's type. None can take the name of a claim on which the token's meaning rests.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct ExtraClaims(Map<String, Value>);

/// Why a claim may not be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClaimRefused {
    /// The name belongs to the token itself.
    #[error("the claim's name is reserved; choose another")]
    Reserved,
    /// The value is nested more than 32 deep.
    #[error("the claim's value is nested too deep")]
    TooDeep,
}

impl ExtraClaims {
    /// Adds a claim, or replaces the one of this name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Result<(), ClaimRefused> {
        let (name, value) = (name.into(), value.into());
        if Claims::NAMES.contains(&name.as_str()) {
            return Err(ClaimRefused::Reserved);
        }
        if !may_be_claimed(&value) {
            return Err(ClaimRefused::TooDeep);
        }
        self.0.insert(name, value);
        Ok(())
    }

    /// The claims, by name.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands out references
fn seconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.seconds())
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // serde hands out references
fn seconds_if_any<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::seconds).serialize(serializer)
}
