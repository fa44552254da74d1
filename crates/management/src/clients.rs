//! `/api/v1/clients`: applications and their secrets. A secret is shown once, when it is made (A187).

use core::time::Duration;
use std::sync::Arc;

use claviger_audit::Cx;
use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_kernel::{Reveal, Secret};
use claviger_oauth::Client;
use claviger_oauth::clients::{AuthMethod, ClientError, ClientKind, ClientSettings, NewClient, SecretRow};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Management;
use crate::door::unavailable;
use crate::wire::{after, conflict, invalid, limit, page};

const READ: Access = Access::Permission(Permission::ClientsRead.as_str());
const WRITE: Access = Access::Permission(Permission::ClientsWrite.as_str());
/// For how long the secret before stays good where the request says nothing.
const OVERLAP: Duration = Duration::from_hours(24);

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/clients", Kind::Api, READ), service, list)
        .add(Route::post("/api/v1/clients", Kind::Api, WRITE), service, create)
        .add(Route::get("/api/v1/clients/{client_id}", Kind::Api, READ), service, show)
        .add(Route::patch("/api/v1/clients/{client_id}", Kind::Api, WRITE), service, change)
        .add(Route::delete("/api/v1/clients/{client_id}", Kind::Api, WRITE), service, remove)
        .add(Route::post("/api/v1/clients/{client_id}/secrets", Kind::Api, WRITE), service, add_secret)
        .add(Route::post("/api/v1/clients/{client_id}/revocations", Kind::Api, WRITE), service, void)
}

#[derive(Serialize)]
struct ClientShown<'a> {
    id: String,
    client_id: &'a str,
    name: &'a str,
    kind: ClientKind,
    settings: &'a ClientSettings,
    secrets: Vec<SecretShown>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<Reveal<'a, String>>,
}

#[derive(Serialize)]
struct SecretShown {
    id: String,
    created_at: String,
    expires_at: Option<String>,
}

fn secret_shown(secret: &SecretRow) -> SecretShown {
    SecretShown {
        id: secret.id.to_string(),
        created_at: secret.created_at.to_string(),
        expires_at: secret.expires_at.map(|moment| moment.to_string()),
    }
}

fn shown<'a>(client: &'a Client, secrets: &[SecretRow], secret: Option<&'a Secret<String>>) -> ClientShown<'a> {
    ClientShown {
        id: client.id.to_string(),
        client_id: &client.client_id,
        name: &client.name,
        kind: client.kind,
        settings: &client.settings,
        secrets: secrets.iter().map(secret_shown).collect(),
        created_at: client.created_at.to_string(),
        updated_at: client.updated_at.to_string(),
        client_secret: secret.map(Reveal),
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsRead).await?;
    let limit = limit(&request)?;
    let clients = service.oauth.clients(&entered.cx, after(&request)?, limit).await;
    let clients = clients.map_err(|fault| unavailable(&fault))?;
    Ok(Reply::json(&page(&clients, limit, |client| client.id.to_string(), |client| shown(client, &[], None))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    client_id: Option<String>,
    name: String,
    #[serde(default = "confidential")]
    kind: ClientKind,
    client_secret: Option<Secret<String>>,
    #[serde(default)]
    settings: Option<Value>,
}

const fn confidential() -> ClientKind {
    ClientKind::Confidential
}

async fn create(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsWrite).await?;
    let body: Create = request.json()?;
    let mut base = ClientSettings::default();
    if body.kind == ClientKind::Public {
        base.token_endpoint_auth_method = AuthMethod::None;
    }
    let settings = patched(&base, body.settings.as_ref())?;
    let new =
        NewClient { client_id: body.client_id, name: body.name, kind: body.kind, secret: body.client_secret, settings };
    let (client, secret) = service.oauth.create_client(&entered.cx, new).await.map_err(refused)?;
    let secrets = secrets(&service, &entered.cx, &client).await?;
    Ok(Reply::json(&shown(&client, &secrets, secret.as_ref())).status(StatusCode::CREATED))
}

async fn show(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsRead).await?;
    let client = named(&service, &entered.cx, &request).await?;
    let secrets = secrets(&service, &entered.cx, &client).await?;
    Ok(Reply::json(&shown(&client, &secrets, None)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    /// Only the settings to change.
    settings: Option<Value>,
}

async fn change(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsWrite).await?;
    let client = named(&service, &entered.cx, &request).await?;
    let body: Change = request.json()?;
    let settings = patched(&client.settings, body.settings.as_ref())?;
    let name = body.name.as_deref().unwrap_or(&client.name);
    service.oauth.update_client(&entered.cx, &client, name, &settings).await.map_err(refused)?;
    let client = named(&service, &entered.cx, &request).await?;
    let secrets = secrets(&service, &entered.cx, &client).await?;
    Ok(Reply::json(&shown(&client, &secrets, None)))
}

async fn remove(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsWrite).await?;
    let client = named(&service, &entered.cx, &request).await?;
    service.oauth.remove_client(&entered.cx, &client).await.map_err(refused)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Void {}

async fn void(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsWrite).await?;
    let Void {} = request.json()?;
    let client = named(&service, &entered.cx, &request).await?;
    service.oauth.void_client(&entered.cx, &client).await.map_err(refused)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddSecret {
    /// For how many seconds the secret before stays good; a day where absent.
    overlap_seconds: Option<u64>,
}

async fn add_secret(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::ClientsWrite).await?;
    let client = named(&service, &entered.cx, &request).await?;
    let body: AddSecret = request.json()?;
    let overlap = body.overlap_seconds.map_or(OVERLAP, Duration::from_secs);
    let secret = service.oauth.rotate_secret(&entered.cx, &client, overlap).await.map_err(refused)?;
    let secrets = secrets(&service, &entered.cx, &client).await?;
    Ok(Reply::json(&shown(&client, &secrets, Some(&secret))).status(StatusCode::CREATED))
}

async fn named(service: &Management, cx: &Cx, request: &Request) -> Result<Client, Refusal> {
    let found = service.oauth.client(cx, request.part("client_id")).await.map_err(|fault| unavailable(&fault))?;
    found.filter(|client| client.active).ok_or_else(Refusal::not_found)
}

async fn secrets(service: &Management, cx: &Cx, client: &Client) -> Result<Vec<SecretRow>, Refusal> {
    service.oauth.secrets(cx, client).await.map_err(|fault| unavailable(&fault))
}

/// `from` with the members of `patch` in place of its own; unknown members are refused (A182).
fn patched(from: &ClientSettings, patch: Option<&Value>) -> Result<ClientSettings, Refusal> {
    let Some(patch) = patch else { return Ok(from.clone()) };
    let wrong = |detail: String| Refusal::malformed("invalid_settings", detail);
    let (Value::Object(mut all), Value::Object(some)) =
        (serde_json::to_value(from).map_err(|error| wrong(error.to_string()))?, patch.clone())
    else {
        return Err(invalid("invalid_settings", "/settings", &"settings is an object"));
    };
    all.extend(some);
    serde_json::from_value(Value::Object(all)).map_err(|error| invalid("invalid_settings", "/settings", &error))
}

fn refused(error: ClientError) -> Refusal {
    match error {
        ClientError::Unavailable(fault) => unavailable(&fault),
        ClientError::IdTaken => conflict("client_id_taken", &error),
        ClientError::Changed => conflict("changed", &error),
        other => Refusal::malformed("invalid_client_settings", format!("Nothing was changed: {other}.")),
    }
}
