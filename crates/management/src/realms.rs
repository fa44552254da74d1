//! `/api/v1/realms`: server-wide, by administrators of the realm `main`.

use std::sync::Arc;

use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_kernel::ErrorClass;
use claviger_keys::KeysError;
use claviger_tenancy::{NewRealm, Realm, RealmChange, RealmSettings, RealmStatus, TenancyError};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Management;
use crate::door::unavailable;
use crate::wire::{conflict, invalid};

const READ: Access = Access::Permission(Permission::RealmsRead.as_str());
const WRITE: Access = Access::Permission(Permission::RealmsWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/realms", Kind::Api, READ).server_wide(), service, list)
        .add(Route::post("/api/v1/realms", Kind::Api, WRITE).server_wide(), service, create)
        .add(Route::get("/api/v1/realms/{realm}", Kind::Api, READ).server_wide(), service, show)
        .add(Route::patch("/api/v1/realms/{realm}", Kind::Api, WRITE).server_wide(), service, change)
}

#[derive(Serialize)]
struct RealmShown {
    id: String,
    name: String,
    display_name: String,
    status: &'static str,
    issuer: String,
    settings: RealmSettings,
    version: i64,
    created_at: String,
    updated_at: String,
}

fn shown(realm: &Realm) -> RealmShown {
    RealmShown {
        id: realm.id.to_string(),
        name: realm.name.to_string(),
        display_name: realm.display_name.clone(),
        status: realm.status.as_str(),
        issuer: realm.issuer.clone(),
        settings: realm.settings.clone(),
        version: realm.version,
        created_at: realm.created_at.to_string(),
        updated_at: realm.updated_at.to_string(),
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    service.enter_main(&request, Permission::RealmsRead).await?;
    let items: Vec<_> = service.tenancy.all().iter().map(|realm| shown(realm)).collect();
    Ok(Reply::json(&serde_json::json!({ "items": items })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    display_name: Option<String>,
    settings: Option<Value>,
}

async fn create(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter_main(&request, Permission::RealmsWrite).await?;
    let body: Create = request.json()?;
    let settings = patched(&RealmSettings::default(), body.settings.as_ref())?;
    let display_name = body.display_name.unwrap_or_else(|| body.name.clone());
    let new = NewRealm { name: body.name, display_name, settings };
    let realm = service.keys.create_realm(&entered.cx, new).await.map_err(refused_keys)?;
    Ok(Reply::json(&shown(&realm)).status(StatusCode::CREATED))
}

async fn show(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    service.enter_main(&request, Permission::RealmsRead).await?;
    let realm = named(&service, &request)?;
    Ok(Reply::json(&shown(&realm)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    display_name: Option<String>,
    status: Option<String>,
    /// Only the settings to change.
    settings: Option<Value>,
    /// The version that the change starts from; the present one where it is absent.
    version: Option<i64>,
}

async fn change(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter_main(&request, Permission::RealmsWrite).await?;
    let realm = named(&service, &request)?;
    let body: Change = request.json()?;
    let unknown = || invalid("invalid_status", "/status", &"status is active or disabled");
    let status = body.status.as_deref().map(|word| RealmStatus::named(word).ok_or_else(unknown)).transpose()?;
    let settings = body.settings.as_ref().map(|patch| patched(&realm.settings, Some(patch))).transpose()?;
    let change = RealmChange { display_name: body.display_name, status, settings };
    let from = body.version.unwrap_or(realm.version);
    let realm = service.tenancy.update(&entered.cx, realm.id, from, change).await.map_err(refused)?;
    Ok(Reply::json(&shown(&realm)))
}

fn named(service: &Management, request: &Request) -> Result<Arc<Realm>, Refusal> {
    let name = request.part("realm");
    let found = service.tenancy.all().into_iter().find(|realm| realm.name.as_str() == name);
    found.ok_or_else(Refusal::not_found)
}

fn patched(from: &RealmSettings, patch: Option<&Value>) -> Result<RealmSettings, Refusal> {
    let Some(patch) = patch else { return Ok(from.clone()) };
    from.patched(patch).map_err(|error| {
        error.0.iter().fold(
            Refusal::malformed("invalid_settings", "Some settings are no good; nothing was changed."),
            |refusal, problem| {
                refusal.at(format!("/settings/{}", problem.path.replace('.', "/")), problem.problem.clone())
            },
        )
    })
}

fn refused_keys(error: KeysError) -> Refusal {
    match error {
        KeysError::Tenancy(error) => refused(error),
        KeysError::Unavailable(fault) => unavailable(&fault),
        other => Refusal::new(ErrorClass::Conflict, "realm_not_made", other.to_string()),
    }
}

fn refused(error: TenancyError) -> Refusal {
    match error {
        TenancyError::Unavailable(fault) => unavailable(&fault),
        TenancyError::NotFound => Refusal::not_found(),
        TenancyError::Taken(_) => conflict("name_taken", &error),
        TenancyError::Changed => conflict("changed", &error),
        other => Refusal::malformed("invalid_realm", other.to_string()),
    }
}
