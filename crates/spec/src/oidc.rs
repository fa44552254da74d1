//! OAuth 2.0 and OpenID Connect, as clients see them.

mod away;
mod codes;
mod confusion;
mod introspection;
mod keys;
mod logout;
mod redirects;
mod refresh;
mod requests;
mod revocation;
mod tokens;
mod walks;
