//! `/api/v1/users/{id}/grants`: what a user has allowed applications, and taking it back.

use std::sync::Arc;

use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_oauth::grants::{self, Standing};
use http::StatusCode;
use serde::Serialize;

use crate::Management;
use crate::door::unavailable;
use crate::users::found;
use crate::wire::{after, id, limit, page};

const READ: Access = Access::Permission(Permission::UsersRead.as_str());
const WRITE: Access = Access::Permission(Permission::UsersWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new().add(Route::get("/api/v1/users/{id}/grants", Kind::Api, READ), service, list).add(
        Route::delete("/api/v1/users/{id}/grants/{grant}", Kind::Api, WRITE),
        service,
        withdraw,
    )
}

#[derive(Serialize)]
struct GrantShown<'a> {
    id: String,
    client_id: &'a str,
    client_name: &'a str,
    scope: &'a str,
    created_at: String,
    updated_at: String,
}

fn shown(grant: &Standing) -> GrantShown<'_> {
    GrantShown {
        id: grant.id.to_string(),
        client_id: &grant.client_id,
        client_name: &grant.client_name,
        scope: &grant.scope,
        created_at: grant.created_at.to_string(),
        updated_at: grant.updated_at.to_string(),
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersRead).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    let limit = limit(&request)?;
    let standing = grants::standing(&entered.cx, user.id, after(&request)?, limit).await;
    let standing = standing.map_err(|fault| unavailable(&fault))?;
    Ok(Reply::json(&page(&standing, limit, |grant| grant.id.to_string(), shown)))
}

async fn withdraw(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let withdrawn = grants::end(&entered.cx, id(&request, "id")?, id(&request, "grant")?).await;
    let withdrawn = withdrawn.map_err(|fault| unavailable(&fault))?;
    if withdrawn { Ok(Reply::empty(StatusCode::NO_CONTENT)) } else { Err(Refusal::not_found()) }
}
