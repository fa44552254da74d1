//! The token endpoint (RFC 6749 §3.2).

use std::sync::Arc;

use claviger_audit::Cx;
use claviger_kernel::{ErrorClass, Reveal, Secret};
use claviger_oauth::token::{TokenRequest, TokenResponse};
use claviger_oauth::{PresentedClient, TokenError};
use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use serde::Serialize;

use super::{cors, refusals};
use crate::Surfaces;
use crate::base::{Credentials, Refusal, Reply, Request};

const PRAGMA: HeaderName = http::header::PRAGMA;

/// POST.
pub(super) async fn token(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let cx = surfaces.cx(&request);
    let allowed = cors::allowed(&surfaces, &cx, &request, request.form().get("client_id")).await?;
    cors::tell(answer(&surfaces, &cx, &request).await, allowed)
}

async fn answer(surfaces: &Surfaces, cx: &Cx, request: &Request) -> Result<Reply, Refusal> {
    if request.raw_query().is_some_and(|query| !query.is_empty()) {
        return Err(refusals::refusal(TokenError::InvalidRequest(
            "send the parameters in the body, not in the address",
        )));
    }
    let presented = presented(request)?;
    let challenged = presented.basic.is_some();
    let client = match surfaces.oauth.authenticate(cx, &presented).await {
        Ok(client) => client,
        Err(TokenError::InvalidClient) if challenged => {
            return Err(challenge(refusals::refusal(TokenError::InvalidClient)));
        }
        Err(error) => return Err(refusals::refusal(error)),
    };
    let tokens = surfaces.oauth.token(cx, &client, &token_request(request)).await.map_err(refusals::refusal)?;
    Ok(Reply::json(&Body::from(&tokens)).header(PRAGMA, HeaderValue::from_static("no-cache")))
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

fn token_request(request: &Request) -> TokenRequest {
    let form = request.form();
    let text = |name| form.get(name).map(str::to_owned);
    TokenRequest {
        grant_type: text("grant_type"),
        code: form.secret("code"),
        redirect_uri: text("redirect_uri"),
        code_verifier: form.secret("code_verifier"),
        refresh_token: form.secret("refresh_token"),
        scope: text("scope"),
        resource: text("resource"),
    }
}

/// RFC 6749 §5.1, OpenID Connect Core §3.1.3.3.
#[derive(Serialize)]
struct Body<'a> {
    access_token: Reveal<'a, String>,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Reveal<'a, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<Reveal<'a, String>>,
    scope: &'a str,
}

impl<'a> From<&'a TokenResponse> for Body<'a> {
    fn from(tokens: &'a TokenResponse) -> Self {
        let reveal = |secret: &'a Option<Secret<String>>| secret.as_ref().map(Reveal);
        Self {
            access_token: Reveal(&tokens.access_token),
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: reveal(&tokens.refresh_token),
            id_token: reveal(&tokens.id_token),
            scope: &tokens.scope,
        }
    }
}
