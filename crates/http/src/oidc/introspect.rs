//! Introspection (RFC 7662).

use std::sync::Arc;

use super::{client, refusals};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// POST.
pub(super) async fn introspect(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let cx = surfaces.cx(&request);
    let client = client::authenticated(&surfaces, &cx, &request).await?;
    let token = request.form().secret("token");
    let told = surfaces.oauth.introspect(&cx, &client, token.as_ref()).await.map_err(refusals::refusal)?;
    Ok(Reply::json(&told))
}
