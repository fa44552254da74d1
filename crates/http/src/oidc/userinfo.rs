//! Userinfo (OpenID Connect Core §5.3). The token comes in the Authorization header and nowhere else (RFC 6750 §2.1).

use std::sync::Arc;

use claviger_audit::Cx;
use claviger_kernel::Secret;
use claviger_oauth::TokenError;
use http::StatusCode;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, HeaderValue, ORIGIN, WWW_AUTHENTICATE};

use super::{cors, refusals};
use crate::Surfaces;
use crate::base::{Credentials, Refusal, Reply, Request};

/// GET and POST.
pub(super) async fn userinfo(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let cx = surfaces.cx(&request);
    let token = match bearer(&request) {
        Ok(token) => token,
        Err(refusal) => return cors::tell(Err(refusal), None),
    };
    let allowed = cors::allowed(&surfaces, &cx, &request, cors::client_of(token.expose()).as_deref()).await?;
    cors::tell(answer(&surfaces, &cx, &request, &token).await, allowed)
}

/// OPTIONS: before a script sends the Authorization header. It tells nothing; whether the script may read the answer is
/// decided when the token is there.
pub(super) async fn preflight(_: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let origin = request.header(&ORIGIN)?.and_then(|origin| HeaderValue::from_str(origin).ok());
    let reply = Reply::empty(StatusCode::NO_CONTENT)
        .header(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"))
        .header(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
    cors::tell(Ok(reply), origin)
}

async fn answer(surfaces: &Surfaces, cx: &Cx, request: &Request, token: &Secret<String>) -> Result<Reply, Refusal> {
    match surfaces.oauth.userinfo(cx, token.expose()).await {
        Ok(claims) => Ok(Reply::json(&claims)),
        Err(error) => {
            let told = match &error {
                TokenError::InvalidToken { .. } => {
                    Some(format!("error=\"invalid_token\", error_description=\"{error}\""))
                }
                TokenError::InsufficientScope(scope) => {
                    Some(format!("error=\"insufficient_scope\", scope=\"{scope}\""))
                }
                _ => None,
            };
            let refusal = refusals::refusal(error);
            Err(match told {
                Some(told) => refusal.header(WWW_AUTHENTICATE, challenge(request, Some(&told))),
                None => refusal,
            })
        }
    }
}

fn bearer(request: &Request) -> Result<Secret<String>, Refusal> {
    if request.form().get("access_token").is_some() {
        let refusal = TokenError::InvalidRequest("send the token in the Authorization header");
        return Err(refusals::refusal(refusal));
    }
    match request.credentials() {
        Ok(Some(Credentials::Bearer(token))) => Ok(token),
        Ok(Some(Credentials::Basic { .. })) | Err(_) => {
            let refusal = refusals::refusal(TokenError::InvalidToken { expired: false });
            Err(refusal.header(WWW_AUTHENTICATE, challenge(request, Some("error=\"invalid_token\""))))
        }
        // RFC 6750 §3.1: who sent nothing is told nothing but the scheme.
        Ok(None) => {
            let refusal = refusals::refusal(TokenError::InvalidToken { expired: false });
            Err(refusal.header(WWW_AUTHENTICATE, challenge(request, None)))
        }
    }
}

fn challenge(request: &Request, told: Option<&str>) -> HeaderValue {
    let realm = format!("Bearer realm=\"{}\"", request.realm().issuer);
    let text = told.map_or_else(|| realm.clone(), |told| format!("{realm}, {told}"));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}
