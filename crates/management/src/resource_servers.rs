//! `/api/v1/resource-servers`: APIs, their audiences and scopes, the form and life of their access tokens.

use core::time::Duration;
use std::sync::Arc;

use claviger_audit::Cx;
use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_oauth::resource_servers::{ResourceServer, ResourceServerError, ResourceServerSettings, TokenFormat};
use claviger_oauth::scope::Scopes;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Management;
use crate::door::unavailable;
use crate::wire::{after, conflict, id, invalid, limit, page};

const READ: Access = Access::Permission(Permission::ResourceServersRead.as_str());
const WRITE: Access = Access::Permission(Permission::ResourceServersWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/resource-servers", Kind::Api, READ), service, list)
        .add(Route::post("/api/v1/resource-servers", Kind::Api, WRITE), service, create)
        .add(Route::get("/api/v1/resource-servers/{id}", Kind::Api, READ), service, show)
        .add(Route::patch("/api/v1/resource-servers/{id}", Kind::Api, WRITE), service, change)
        .add(Route::delete("/api/v1/resource-servers/{id}", Kind::Api, WRITE), service, remove)
}

#[derive(Serialize)]
struct ServerShown {
    id: String,
    audience: String,
    name: String,
    scopes: Vec<String>,
    access_token_seconds: Option<u64>,
    token_format: TokenFormat,
    revocation_aware: bool,
    created_at: String,
    updated_at: String,
}

fn shown(server: &ResourceServer) -> ServerShown {
    let settings = &server.settings;
    ServerShown {
        id: server.id.to_string(),
        audience: server.audience.clone(),
        name: settings.name.clone(),
        scopes: settings.scopes.iter().map(str::to_owned).collect(),
        access_token_seconds: settings.access_life.map(|life| life.as_secs()),
        token_format: settings.token_format,
        revocation_aware: settings.revocation_aware,
        created_at: server.created_at.to_string(),
        updated_at: server.updated_at.to_string(),
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
    #[serde(default)]
    token_format: TokenFormat,
    #[serde(default)]
    revocation_aware: bool,
}

async fn create(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ResourceServersWrite).await?;
    let body: Create = request.json()?;
    let settings = ResourceServerSettings {
        name: body.name,
        scopes: scopes(&body.scopes)?,
        access_life: body.access_token_seconds.map(Duration::from_secs),
        token_format: body.token_format,
        revocation_aware: body.revocation_aware,
    };
    let made = service.oauth.create_resource_server(&entered.cx, &body.audience, settings).await;
    Ok(Reply::json(&shown(&made.map_err(refused)?)).status(StatusCode::CREATED))
}

async fn show(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ResourceServersRead).await?;
    Ok(Reply::json(&shown(&named(&service, &entered.cx, &request).await?)))
}

/// Only what is to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    scopes: Option<Vec<String>>,
    /// Null returns it to the realm's.
    #[serde(default, deserialize_with = "given")]
    access_token_seconds: Option<Seconds>,
    token_format: Option<TokenFormat>,
    revocation_aware: Option<bool>,
}

/// A number, or null for the realm's.
#[derive(Deserialize)]
#[serde(transparent)]
struct Seconds(Option<u64>);

/// A member that is there, null or not.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Seconds>, D::Error> {
    Seconds::deserialize(deserializer).map(Some)
}

async fn change(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ResourceServersWrite).await?;
    let server = named(&service, &entered.cx, &request).await?;
    let body: Change = request.json()?;
    let old = server.settings.clone();
    let settings = ResourceServerSettings {
        name: body.name.unwrap_or(old.name),
        scopes: body.scopes.map_or(Ok(old.scopes), |listed| scopes(&listed))?,
        access_life: body.access_token_seconds.map_or(old.access_life, |given| given.0.map(Duration::from_secs)),
        token_format: body.token_format.unwrap_or(old.token_format),
        revocation_aware: body.revocation_aware.unwrap_or(old.revocation_aware),
    };
    service.oauth.update_resource_server(&entered.cx, &server, settings).await.map_err(refused)?;
    Ok(Reply::json(&shown(&named(&service, &entered.cx, &request).await?)))
}

async fn named(service: &Management, cx: &Cx, request: &Request) -> Result<ResourceServer, Refusal> {
    let found = service.oauth.resource_server_by_id(cx, id(request, "id")?).await;
    found.map_err(|fault| unavailable(&fault))?.ok_or_else(Refusal::not_found)
}

fn scopes(listed: &[String]) -> Result<Scopes, Refusal> {
    Scopes::parse(&listed.join(" ")).map_err(|error| invalid("invalid_scope", "/scopes", &error))
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
