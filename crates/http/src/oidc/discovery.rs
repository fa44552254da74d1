//! Discovery and the key set: the same for everybody, kept by everybody for a while.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};

use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// GET `/.well-known/openid-configuration` (OpenID Connect Discovery §4) and `/.well-known/oauth-authorization-server`
/// (RFC 8414 §3).
pub(super) async fn metadata(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let document = surfaces.oauth.metadata(&surfaces.cx(&request))?;
    Ok(Reply::json(&document).cache("public, max-age=300"))
}

/// GET `/.well-known/jwks.json` (RFC 7517 §5).
pub(super) async fn jwks(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let realm = request.realm();
    let jwks = surfaces.keys.jwks(realm.id)?;
    let reply = if known(&request, &jwks.etag)? {
        Reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        Reply::bytes("application/jwk-set+json", jwks.body.clone())
    };
    let age = format!("public, max-age={}", realm.settings.keys.jwks_max_age.as_secs());
    let text = |text: &str| HeaderValue::from_str(text).expect("tags and numbers are visible ASCII");
    Ok(reply.header(ETAG, text(&jwks.etag)).header(CACHE_CONTROL, text(&age)))
}

/// Whether the client holds the document of this tag (RFC 9110 §13.1.2, weak comparison).
fn known(request: &Request, etag: &str) -> Result<bool, Refusal> {
    let Some(tags) = request.header(&IF_NONE_MATCH)? else { return Ok(false) };
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    Ok(tags.split(',').map(str::trim).any(same))
}
