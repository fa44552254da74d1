//! `/api/v1/resource-servers`: APIs, their audiences and scopes.

use core::time::Duration;
use std::sync::Arc;

use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_oauth::resource_servers::{ResourceServer, ResourceServerError};
use claviger_oauth::scope::Scopes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Management;
use crate::door::unavailable;
use crate::wire::{after, conflict, id, invalid, limit, page};

const READ: Access = Access::Permission(Permission::ResourceServersRead.as_str());
const WRITE: Access = Access::Permission(Permission::ResourceServersWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/resource-servers", Kind::Api, READ), service, list)
        .add(Route::post("/api/v1/resource-servers", Kind::Api, WRITE), service, create)
        .add(Route::delete("/api/v1/resource-servers/{id}", Kind::Api, WRITE), service, remove)
}

#[derive(Serialize)]
struct ServerShown {
    id: String,
    audience: String,
    name: String,
    scopes: Vec<String>,
    access_token_seconds: Option<u64>,
    created_at: String,
}

fn shown(server: &ResourceServer) -> ServerShown {
    ServerShown {
        id: server.id.to_string(),
        audience: server.audience.clone(),
        name: server.name.clone(),
        scopes: server.scopes.iter().map(str::to_owned).collect(),
        access_token_seconds: server.access_life.map(|life| life.as_secs()),
        created_at: server.created_at.to_string(),
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ResourceServersRead).await?;
    let limit = limit(&request)?;
    let servers = service.oauth.resource_servers(&entered.cx, after(&request)?, limit).await;
    let servers = servers.map_err(|fault| unavailable(&fault))?;
    Ok(Reply::json(&page(&servers, limit, |server| server.id.to_string(), shown)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    audience: String,
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    access_token_seconds: Option<u64>,
}

async fn create(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ResourceServersWrite).await?;
    let body: Create = request.json()?;
    let scopes = Scopes::parse(&body.scopes.join(" ")).map_err(|error| invalid("invalid_scope", "/scopes", &error))?;
    let life = body.access_token_seconds.map(Duration::from_secs);
    let made = service.oauth.create_resource_server(&entered.cx, &body.audience, &body.name, scopes, life).await;
    Ok(Reply::json(&shown(&made.map_err(refused)?)).status(StatusCode::CREATED))
}

async fn remove(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ResourceServersWrite).await?;
    match service.oauth.remove_resource_server(&entered.cx, id(&request, "id")?).await {
        Ok(()) => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        Err(ResourceServerError::Changed) => Err(Refusal::not_found()),
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: ResourceServerError) -> Refusal {
    match error {
        ResourceServerError::Unavailable(fault) => unavailable(&fault),
        ResourceServerError::AudienceTaken => conflict("audience_taken", &error),
        ResourceServerError::Changed => conflict("changed", &error),
        ResourceServerError::BadAudience => invalid("invalid_audience", "/audience", &error),
        ResourceServerError::BadName => invalid("invalid_name", "/name", &error),
        ResourceServerError::BadLife => invalid("invalid_life", "/access_token_seconds", &error),
    }
}
