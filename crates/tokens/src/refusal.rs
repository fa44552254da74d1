//! Why a token is refused: one reason each, for the log. Outside there are two answers, *expired* and *invalid*.

/// Why a token is refused. The order of the variants is the order of the checks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// Longer than 16 KiB.
    #[error("longer than any token of ours")]
    Size,
    /// Not three segments of canonical base64url.
    #[error("not a compact JWS")]
    Shape,
    /// Not a JSON object of exactly `alg`, `kid` and `typ`: unknown, missing, repeated or critical members.
    #[error("the header is not exactly alg, kid and typ")]
    Header,
    /// Another type of token than the one expected here.
    #[error("another type of token is expected here")]
    Type,
    /// No key of the issuer has this id.
    #[error("unknown key")]
    Key,
    /// The header names another algorithm than the key's only one.
    #[error("the algorithm is not the key's")]
    Algorithm,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// The claims are not a JSON object of the right types and ranges, or a member comes twice.
    #[error("malformed claims")]
    Claims,
    /// A claim that this type of token bears is missing.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// Issued by somebody else: another realm, another server.
    #[error("another issuer")]
    Issuer,
    /// Meant for somebody else, or for nobody.
    #[error("another audience")]
    Audience,
    /// Bound to a key whose proof does not come with it (RFC 7800).
    #[error("bound to a key, presented without proof")]
    Binding,
    /// Not valid yet, or issued in the future.
    #[error("not valid yet")]
    NotYet,
    /// Revoked.
    #[error("revoked with its {}", .0.as_str())]
    Revoked(RevokedBy),
    /// Good in every other respect, but over.
    #[error("expired")]
    Expired,
}

impl Refusal {
    /// Whether the holder should refresh; every other refusal is one and the same outside.
    pub const fn is_expired(self) -> bool {
        matches!(self, Self::Expired)
    }

    /// A short fixed word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Shape => "shape",
            Self::Header => "header",
            Self::Type => "type",
            Self::Key => "key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Missing(_) => "missing_claim",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Binding => "binding",
            Self::NotYet => "not_yet",
            Self::Revoked(_) => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// What was revoked and took the token with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RevokedBy {
    /// The token itself.
    Token,
    /// Its session.
    Session,
    /// Its token family.
    Family,
    /// Everything issued to the user under a lower epoch.
    User,
    /// Everything issued to the client under a lower epoch.
    Client,
    /// Everything issued in the organization under a lower epoch.
    Organization,
}

impl RevokedBy {
    /// Every kind. The change log bears the place in this order: it only ever grows at its end.
    pub const ALL: [Self; 6] = [Self::Token, Self::Session, Self::Family, Self::User, Self::Client, Self::Organization];

    /// The thing in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::Family => "family",
            Self::User => "user",
            Self::Client => "client",
            Self::Organization => "organization",
        }
    }
}
