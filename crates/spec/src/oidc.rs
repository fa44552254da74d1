//! OAuth 2.0 and OpenID Connect, as clients see them.

mod walks;
