//! `/api/v1/keys`: keys and their states, rotation, removal, and the change of the master key. Never a private half.

use std::sync::Arc;

use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_kernel::ErrorClass;
use claviger_keys::{Key, KeyState, KeysError, MasterError, Purpose, Rotation};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Management;
use crate::door::unavailable;
use crate::wire::{conflict, id, invalid};

const READ: Access = Access::Permission(Permission::KeysRead.as_str());
const WRITE: Access = Access::Permission(Permission::KeysWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/keys", Kind::Api, READ), service, list)
        .add(Route::post("/api/v1/keys/rotations", Kind::Api, WRITE), service, rotate)
        .add(Route::post("/api/v1/keys/replacements", Kind::Api, WRITE), service, replace_all)
        .add(Route::delete("/api/v1/keys/{id}", Kind::Api, WRITE), service, remove)
        .add(Route::post("/api/v1/master-key/changes", Kind::Api, WRITE).server_wide(), service, change_master)
}

#[derive(Serialize)]
struct KeyShown {
    id: String,
    purpose: &'static str,
    number: u32,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    published_at: String,
    active_at: Option<String>,
    retiring_at: Option<String>,
    removed_at: Option<String>,
}

fn shown(key: &Key) -> KeyShown {
    KeyShown {
        id: key.id.to_string(),
        purpose: key.purpose.as_str(),
        number: key.number,
        state: key.state.as_str(),
        kid: key.kid.clone(),
        published_at: key.published_at.to_string(),
        active_at: key.active_at.map(|moment| moment.to_string()),
        retiring_at: key.retiring_at.map(|moment| moment.to_string()),
        removed_at: key.removed_at.map(|moment| moment.to_string()),
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::KeysRead).await?;
    let keys = service.keys.keys(entered.cx.realm()).map_err(|fault| unavailable(&fault))?;
    let items: Vec<_> = keys.iter().map(shown).collect();
    Ok(Reply::json(&serde_json::json!({ "items": items, "master": service.keys.master().to_string() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// `es256`, `rs256`, `opaque` or `seal`.
    purpose: String,
}

async fn rotate(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::KeysWrite).await?;
    let body: Rotate = request.json()?;
    let unknown = || invalid("invalid_purpose", "/purpose", &"purpose is es256, rs256, opaque or seal");
    let purpose = Purpose::named(&body.purpose).ok_or_else(unknown)?;
    let rotation = service.keys.rotate(&entered.cx, entered.cx.realm(), purpose).await.map_err(refused)?;
    Ok(Reply::json(&match rotation {
        Rotation::Activated(key) => serde_json::json!({ "key": shown(&key), "takes_over_at": null }),
        Rotation::Published { next, takes_over } => {
            serde_json::json!({ "key": shown(&next), "takes_over_at": takes_over.to_string() })
        }
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplaceAll {}

/// Voids everything that was issued in the realm; its answer tells the new keys.
async fn replace_all(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::KeysWrite).await?;
    let ReplaceAll {} = request.json()?;
    let realm = entered.cx.realm();
    service.keys.replace_all(&entered.cx, realm).await.map_err(refused)?;
    let keys = service.keys.keys(realm).map_err(|fault| unavailable(&fault))?;
    let items: Vec<_> = keys.iter().filter(|key| key.state == KeyState::Active).map(shown).collect();
    Ok(Reply::json(&serde_json::json!({ "items": items })))
}

async fn remove(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::KeysWrite).await?;
    let force = match request.query().get("force") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::malformed("invalid_force", "force is true or false.")),
    };
    let removed = service.keys.remove(&entered.cx, entered.cx.realm(), id(&request, "id")?, force).await;
    removed.map_err(refused)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeMaster {}

async fn change_master(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter_main(&request, Permission::KeysWrite).await?;
    let ChangeMaster {} = request.json()?;
    match service.keys.change_master(&entered.cx, None).await {
        Ok(id) => Ok(Reply::json(&serde_json::json!({ "master": id.to_string() }))),
        Err(MasterError::Unavailable(fault)) => Err(unavailable(&fault)),
        Err(error) => Err(conflict("master_key_not_changed", &error)),
    }
}

fn refused(error: KeysError) -> Refusal {
    match error {
        KeysError::Unavailable(fault) => unavailable(&fault),
        KeysError::NoKey | KeysError::NoRealm => Refusal::not_found(),
        other => Refusal::new(ErrorClass::Conflict, "key_not_changed", other.to_string()),
    }
}
