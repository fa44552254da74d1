//! `/api/v1/users/{id}/sessions`: where a user is signed in, and the end of it. No cookie and no token ever leaves here.

use std::sync::Arc;

use claviger_accounts::EndError;
use claviger_authorization::Permission;
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_identity::users;
use claviger_kernel::{SessionId, UserId};
use claviger_session::sessions::{self, Filter, ListedSession, Sort};
use claviger_storage::{Choice, Cursor};
use http::StatusCode;
use serde::Serialize;

use crate::Management;
use crate::door::{Entered, unavailable};
use crate::wire::{Page, id, limit};

const READ: Access = Access::Permission(Permission::SessionsRead.as_str());
const WRITE: Access = Access::Permission(Permission::SessionsWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/users/{id}/sessions", Kind::Api, READ), service, list)
        .add(Route::delete("/api/v1/users/{id}/sessions", Kind::Api, WRITE), service, end_all)
        .add(Route::delete("/api/v1/users/{id}/sessions/{session}", Kind::Api, WRITE), service, end)
}

#[derive(Serialize)]
struct SessionShown {
    id: String,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    acr: String,
    authenticated_at: String,
    created_at: String,
    last_seen_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<String>,
}

impl From<&ListedSession> for SessionShown {
    fn from(session: &ListedSession) -> Self {
        let (ended_at, end_reason) = session.ended.clone().unzip();
        Self {
            id: session.id.to_string(),
            device: session.device.clone(),
            network: session.source.clone(),
            acr: session.acr.clone(),
            authenticated_at: session.authenticated_at.to_string(),
            created_at: session.created_at.to_string(),
            last_seen_at: session.seen_at.to_string(),
            expires_at: session.expires_at.to_string(),
            ended_at: ended_at.map(|at| at.to_string()),
            end_reason,
        }
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::SessionsRead).await?;
    let user = user(&entered, &request).await?;
    let filter = chosen(&request, "filter", Filter::Alive)?;
    let sort = chosen(&request, "sort", Sort::LastSeen)?;
    let after = request.query().get("after").map(str::parse::<Cursor>).transpose();
    let after = after.map_err(|error| Refusal::malformed("invalid_after", error.to_string()))?;
    let page = sessions::list(&entered.cx, user, filter, sort, after, limit(&request)?).await;
    let page = page.map_err(|fault| unavailable(&fault))?;
    let items: Vec<SessionShown> = page.items.iter().map(SessionShown::from).collect();
    Ok(Reply::json(&Page { items, next: page.next.map(|next| next.to_string()) }))
}

async fn end(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::SessionsWrite).await?;
    let user = user(&entered, &request).await?;
    let session: SessionId = id(&request, "session")?;
    match service.accounts.end_session(&entered.cx, user, session, "ended by an administrator").await {
        Ok(()) => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        Err(EndError::Unknown) => Err(Refusal::not_found()),
        Err(EndError::Unavailable(fault)) => Err(unavailable(&fault)),
    }
}

async fn end_all(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::SessionsWrite).await?;
    let user = user(&entered, &request).await?;
    let ended = service.accounts.end_every_session(&entered.cx, user).await;
    ended.map(|()| Reply::empty(StatusCode::NO_CONTENT)).map_err(|fault| unavailable(&fault))
}

async fn user(entered: &Entered, request: &Request) -> Result<UserId, Refusal> {
    let found = users::by_id(&entered.cx, id(request, "id")?).await.map_err(|fault| unavailable(&fault))?;
    found.map(|user| user.id).ok_or_else(Refusal::not_found)
}

/// A filter or a sort key of the query; `usual` where it says nothing.
fn chosen<C: Choice>(request: &Request, parameter: &str, usual: C) -> Result<C, Refusal> {
    let Some(name) = request.query().get(parameter) else { return Ok(usual) };
    C::named(name).ok_or_else(|| {
        let names: Vec<&str> = C::ALL.iter().map(|(name, _)| *name).collect();
        let code = if parameter == "filter" { "invalid_filter" } else { "invalid_sort" };
        Refusal::malformed(code, format!("{parameter} is one of: {}.", names.join(", ")))
    })
}
