//! RP-initiated logout. Comes from any site by GET or POST, reads no cookie, and goes on at a page of our own.

use std::sync::Arc;

use claviger_oauth::logout::LogoutParameters;
use http::Method;

use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// GET and POST.
pub(super) async fn park(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let cx = surfaces.cx(&request);
    let fields = if *request.method() == Method::POST { request.form() } else { request.query() };
    let text = |name| fields.get(name).map(str::to_owned);
    let parameters = LogoutParameters {
        id_token_hint: text("id_token_hint"),
        client_id: text("client_id"),
        post_logout_redirect_uri: text("post_logout_redirect_uri"),
        state: text("state"),
    };
    let asked = surfaces.oauth.read_logout(&cx, &parameters).await?;
    let page = format!("{}/logout", request.realm().base_path);
    match surfaces.oauth.park_logout(&cx, &asked).await? {
        Some(ticket) => Reply::see_other(&format!("{page}?request={ticket}")),
        None => Reply::see_other(&page),
    }
}
