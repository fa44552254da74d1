//! Revocation (RFC 7009).

use std::sync::Arc;

use claviger_audit::Cx;
use http::StatusCode;

use super::{client, cors, refusals};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// POST. Scripts of a public client may read whether it was done.
pub(super) async fn revoke(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let cx = surfaces.cx(&request);
    let allowed = cors::allowed(&surfaces, &cx, &request, request.form().get("client_id")).await?;
    cors::tell(answer(&surfaces, &cx, &request).await, allowed)
}

async fn answer(surfaces: &Surfaces, cx: &Cx, request: &Request) -> Result<Reply, Refusal> {
    let client = client::authenticated(surfaces, cx, request).await?;
    let token = request.form().secret("token");
    surfaces.oauth.revoke(cx, &client, token.as_ref()).await.map_err(refusals::refusal)?;
    Ok(Reply::empty(StatusCode::OK))
}
