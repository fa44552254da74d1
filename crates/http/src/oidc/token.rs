//! The token endpoint (RFC 6749 §3.2).

use std::sync::Arc;

use claviger_audit::Cx;
use claviger_kernel::{Reveal, Secret};
use claviger_oauth::token::{TokenRequest, TokenResponse};
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;

use super::{client, cors, refusals};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

const PRAGMA: HeaderName = http::header::PRAGMA;

/// POST.
pub(super) async fn token(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let cx = surfaces.cx(&request);
    let allowed = cors::allowed(&surfaces, &cx, &request, request.form().get("client_id")).await?;
    cors::tell(answer(&surfaces, &cx, &request).await, allowed)
}

async fn answer(surfaces: &Surfaces, cx: &Cx, request: &Request) -> Result<Reply, Refusal> {
    let client = client::authenticated(surfaces, cx, request).await?;
    let tokens = surfaces.oauth.token(cx, &client, &token_request(request)).await.map_err(refusals::refusal)?;
    Ok(Reply::json(&Body::from(&tokens)).header(PRAGMA, HeaderValue::from_static("no-cache")))
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
