//! Refusals of the token endpoint and its kin (RFC 6749 §5.2, RFC 6750 §3.1, RFC 8707 §2).

use claviger_kernel::Unavailable;

/// A refusal, as the client is told. The description never says more than the client may know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A parameter is missing, malformed or contradictory.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client is unknown or has not proved itself.
    #[error("client authentication failed")]
    InvalidClient,
    /// The code or refresh token is not good (any more), or not this client's.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// The client may not use this grant.
    #[error("this client may not use this grant type")]
    UnauthorizedClient,
    /// No such grant type here.
    #[error("this grant type is not supported")]
    UnsupportedGrantType,
    /// A scope is malformed or not the client's to ask for.
    #[error("a scope is malformed, or this client may not ask for it")]
    InvalidScope,
    /// The resource is no API of this realm.
    #[error("the resource is not an API that this client may call")]
    InvalidTarget,
    /// The access token is not good.
    #[error("{}", if *expired { "expired" } else { "the access token is not valid" })]
    InvalidToken {
        /// Its time is over, and everything else about it was good: refresh it.
        expired: bool,
    },
    /// The access token lacks this scope.
    #[error("the access token lacks the scope {0}")]
    InsufficientScope(&'static str),
    /// The same token was sent too often at once.
    #[error("too many requests; wait a moment")]
    TooMany,
    /// The server cannot answer now; the client keeps its tokens.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl TokenError {
    /// The registered error code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken { .. } => "invalid_token",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::TooMany => "slow_down",
            Self::Unavailable(_) => "temporarily_unavailable",
        }
    }
}

/// The refusal of every code and refresh token: one text, so that nobody learns which of the reasons it was.
pub(crate) const NO_GRANT: TokenError =
    TokenError::InvalidGrant("the code or token is unknown, used, expired, revoked, or was issued to another client");
