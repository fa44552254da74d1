//! The client of a request to the token endpoint and its kin (RFC 6749 §2.3): read from the header and the form, proved by
//! the provider, challenged where it used the header.

use claviger_audit::Cx;
use claviger_kernel::ErrorClass;
use claviger_oauth::{AuthenticatedClient, PresentedClient, TokenError};
use http::header::{HeaderValue, WWW_AUTHENTICATE};

use super::refusals;
use crate::Surfaces;
use crate::base::{Credentials, Refusal, Request};

/// The client that the request proves, or names where it is a public one.
pub(super) async fn authenticated(
    surfaces: &Surfaces,
    cx: &Cx,
    request: &Request,
) -> Result<AuthenticatedClient, Refusal> {
    if request.raw_query().is_some_and(|query| !query.is_empty()) {
        return Err(refusals::refusal(TokenError::InvalidRequest(
            "send the parameters in the body, not in the address",
        )));
    }
    let presented = presented(request)?;
    let challenged = presented.basic.is_some();
    match surfaces.oauth.authenticate(cx, &presented).await {
        Ok(client) => Ok(client),
        Err(TokenError::InvalidClient) if challenged => Err(challenge(refusals::refusal(TokenError::InvalidClient))),
        Err(error) => Err(refusals::refusal(error)),
    }
}

/// What the request says of its client. Credentials that cannot be read are those of nobody.
fn presented(request: &Request) -> Result<PresentedClient, Refusal> {
    let form = request.form();
    let basic = match request.credentials() {
        Ok(Some(Credentials::Basic { id, secret })) => Some((id, secret)),
        Ok(None) => None,
        Ok(Some(Credentials::Bearer(_))) => return Err(challenge(refusals::refusal(TokenError::InvalidClient))),
        Err(refusal) if refusal.class() == ErrorClass::Unauthenticated => return Err(challenge(refusal)),
        Err(refusal) => return Err(refusal),
    };
    Ok(PresentedClient {
        basic,
        client_id: form.get("client_id").map(str::to_owned),
        client_secret: form.secret("client_secret"),
        assertion: form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some(),
    })
}

fn challenge(refusal: Refusal) -> Refusal {
    refusal.header(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token endpoint\", charset=\"UTF-8\""))
}
