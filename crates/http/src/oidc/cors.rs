//! Scripts of registered clients may read what their own requests are answered: exact origins, never with credentials.

use claviger_audit::Cx;
use claviger_crypto::base64url_decode;
use claviger_kernel::Unavailable;
use claviger_oauth::Client;
use claviger_oauth::clients::ClientKind;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderName, HeaderValue, ORIGIN, VARY};

use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// The header that lets the asking script read the answer, if the public client that it speaks for is registered there.
///
/// `client_id` needs no proof: a wrong one only decides who may read a refusal.
pub(crate) async fn allowed(
    surfaces: &Surfaces,
    cx: &Cx,
    request: &Request,
    client_id: Option<&str>,
) -> Result<Option<HeaderValue>, Unavailable> {
    let (Ok(Some(origin)), Some(client_id)) = (request.header(&ORIGIN), client_id) else { return Ok(None) };
    let Some(client) = surfaces.oauth.client(cx, client_id).await? else { return Ok(None) };
    let readable = client.active && client.kind == ClientKind::Public && registered(&client, origin);
    Ok(if readable { HeaderValue::from_str(origin).ok() } else { None })
}

/// Whether the client has a redirect address of this origin.
pub(crate) fn registered(client: &Client, origin: &str) -> bool {
    client.settings.redirect_uris.iter().any(|uri| origin_of(uri.as_str()) == Some(origin))
}

/// Scheme, host and port of a redirect address: registered ones are in their plain form.
fn origin_of(address: &str) -> Option<&str> {
    let start = address.find("://")? + 3;
    let end = address[start..].find(['/', '?']).map_or(address.len(), |length| start + length);
    Some(&address[..end])
}

/// The client that a token claims to be for, unverified: it only decides whether a script may read the answer.
pub(crate) fn client_of(token: &str) -> Option<String> {
    let payload = base64url_decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    claims.get("client_id")?.as_str().map(str::to_owned)
}

/// Adds `allowed` to an answer or a refusal. That the answer depends on the origin is always said.
pub(super) fn tell(answer: Result<Reply, Refusal>, allowed: Option<HeaderValue>) -> Result<Reply, Refusal> {
    let headers: Vec<(HeaderName, HeaderValue)> = [(VARY, HeaderValue::from_static("Origin"))]
        .into_iter()
        .chain(allowed.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin)))
        .collect();
    match answer {
        Ok(reply) => Ok(headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))),
        Err(refusal) => Err(headers.into_iter().fold(refusal, |refusal, (name, value)| refusal.header(name, value))),
    }
}

#[cfg(test)]
mod tests {
    use super::origin_of;

    #[test]
    fn the_origin_of_a_redirect_address_is_its_beginning() {
        for (address, origin) in [
            ("https://app.example/cb", Some("https://app.example")),
            ("https://app.example:8443?x=/y", Some("https://app.example:8443")),
            ("http://127.0.0.1:4000", Some("http://127.0.0.1:4000")),
            ("com.example.app:/cb", None),
        ] {
            assert_eq!(origin_of(address), origin, "{address}");
        }
    }
}
