//! `/api/v1/set-up`: a new one-time link for the first administrator, as long as there never was one.

use std::sync::Arc;

use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_kernel::ErrorClass;
use http::StatusCode;
use serde::Deserialize;

use crate::Management;
use crate::door::unavailable;

const WRITE: Access = Access::Permission(Permission::RolesWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new().add(Route::post("/api/v1/set-up", Kind::Api, WRITE), service, open)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {}

async fn open(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::RolesWrite).await?;
    let Open {} = request.json()?;
    match service.accounts.open_set_up(&entered.cx).await.map_err(|fault| unavailable(&fault))? {
        Some(link) => {
            let url = format!("{}/setup?token={}", request.realm().issuer, link.expose());
            Ok(Reply::json(&serde_json::json!({ "url": url })).status(StatusCode::CREATED))
        }
        None => Err(Refusal::new(
            ErrorClass::Conflict,
            "set_up_closed",
            "The first administrator was made already; give somebody the role admin instead.",
        )),
    }
}
