//! `/api/v1/users`: people, their state and their roles. No password, no hash and no session ever leaves here.

use std::sync::Arc;

use claviger_accounts::{AdministrationError, NewAccount};
use claviger_audit::Cx;
use claviger_authorization::{Permission, Role, roles};
use claviger_http::base::{Access, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_identity::emails::{self, EmailKey};
use claviger_identity::risks::{self, Risk};
use claviger_identity::users::{self, Claims, Listed, NewUser, Subject, User};
use claviger_kernel::{Secret, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Management;
use crate::door::unavailable;
use crate::wire::{after, conflict, id, invalid, limit, page};

const READ: Access = Access::Permission(Permission::UsersRead.as_str());
const WRITE: Access = Access::Permission(Permission::UsersWrite.as_str());
const ROLES_READ: Access = Access::Permission(Permission::RolesRead.as_str());
const ROLES_WRITE: Access = Access::Permission(Permission::RolesWrite.as_str());

pub(crate) fn routes(service: &Arc<Management>) -> Routes {
    Routes::new()
        .add(Route::get("/api/v1/users", Kind::Api, READ), service, list)
        .add(Route::post("/api/v1/users", Kind::Api, WRITE), service, create)
        .add(Route::get("/api/v1/users/{id}", Kind::Api, READ), service, show)
        .add(Route::post("/api/v1/users/{id}/disable", Kind::Api, WRITE), service, disable)
        .add(Route::post("/api/v1/users/{id}/enable", Kind::Api, WRITE), service, enable)
        .add(Route::post("/api/v1/users/{id}/unlock", Kind::Api, WRITE), service, unlock)
        .add(Route::post("/api/v1/users/{id}/clear-risk", Kind::Api, WRITE), service, clear_risk)
        .add(Route::post("/api/v1/users/{id}/sign-out", Kind::Api, WRITE), service, sign_out)
        .add(Route::put("/api/v1/users/{id}/password", Kind::Api, WRITE), service, set_password)
        .add(Route::get("/api/v1/users/{id}/roles", Kind::Api, ROLES_READ), service, list_roles)
        .add(Route::put("/api/v1/users/{id}/roles/{role}", Kind::Api, ROLES_WRITE), service, assign)
        .add(Route::delete("/api/v1/users/{id}/roles/{role}", Kind::Api, ROLES_WRITE), service, unassign)
}

#[derive(Serialize)]
struct UserShown {
    id: String,
    subject: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    claims: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_risk: Option<RiskShown>,
    created_at: String,
    updated_at: String,
}

/// Why the account is marked; what there is to see is of the last time.
#[derive(Serialize)]
struct RiskShown {
    cause: String,
    marked_at: String,
    last_at: String,
    times: u32,
    told_at: Option<String>,
    evidence: Value,
}

impl From<Risk> for RiskShown {
    fn from(risk: Risk) -> Self {
        Self {
            cause: risk.cause,
            marked_at: risk.marked_at.to_string(),
            last_at: risk.last_at.to_string(),
            times: risk.times,
            told_at: risk.told_at.map(|told| told.to_string()),
            evidence: risk.evidence,
        }
    }
}

fn shown(user: &User, email: Option<&emails::Email>) -> UserShown {
    shown_with(user, email.map(|email| (email.address.clone(), email.verified_at.is_some())))
}

fn listed(listed: &Listed) -> UserShown {
    let email = listed.email.clone().map(|address| (address, listed.email_verified_at.is_some()));
    shown_with(&listed.user, email)
}

/// `email` is the address and whether it is verified.
fn shown_with(user: &User, email: Option<(String, bool)>) -> UserShown {
    let (email, email_verified) = email.unzip();
    UserShown {
        id: user.id.to_string(),
        subject: user.subject.clone(),
        status: user.status.as_str(),
        email,
        email_verified,
        claims: user.claims.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        at_risk: None,
        created_at: user.created_at.to_string(),
        updated_at: user.updated_at.to_string(),
    }
}

async fn list(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersRead).await?;
    if let Some(text) = request.query().get("email") {
        let key = EmailKey::parse(text).map_err(|error| Refusal::malformed("invalid_email", error.to_string()))?;
        let email = emails::by_key(&entered.cx, &key).await.map_err(|fault| unavailable(&fault))?;
        let items = match &email {
            Some(email) => vec![shown(&found(&entered.cx, email.user).await?, Some(email))],
            None => Vec::new(),
        };
        return Ok(Reply::json(&serde_json::json!({ "items": items })));
    }
    let limit = limit(&request)?;
    let users = match request.query().get("at_risk") {
        None => users::page(&entered.cx, after(&request)?, limit).await,
        Some("true") => risks::page(&entered.cx, after(&request)?, limit).await,
        Some(_) => return Err(Refusal::malformed("invalid_at_risk", "at_risk is true, or absent.")),
    };
    let users = users.map_err(|fault| unavailable(&fault))?;
    Ok(Reply::json(&page(&users, limit, |one| one.user.id.to_string(), listed)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    email: String,
    #[serde(default)]
    email_verified: bool,
    password: Option<Secret<String>>,
    subject: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    roles: Vec<String>,
}

async fn create(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let body: Create = request.json()?;
    if !body.roles.is_empty() {
        service.enter(&request, Permission::RolesWrite).await?;
    }
    let email = EmailKey::parse(&body.email).map_err(|error| invalid("invalid_email", "/email", &error))?;
    let subject = body.subject.map(Subject::try_from).transpose();
    let subject = subject.map_err(|error| invalid("invalid_subject", "/subject", &error))?;
    let mut claims = Claims::default();
    for (name, value) in body.claims {
        let pointer = format!("/claims/{name}");
        claims.set(&name, value).map_err(|error| invalid("invalid_claim", &pointer, &error))?;
    }
    let roles = body.roles.iter().map(|name| role(name)).collect::<Result<Vec<_>, _>>()?;
    let new = NewAccount {
        user: NewUser { subject, claims },
        email: &email,
        verified: body.email_verified,
        password: body.password.as_ref(),
        roles: &roles,
    };
    let user = service.accounts.create(&entered.cx, new).await.map_err(refused)?;
    Ok(one(&entered.cx, user.id()).await?.status(StatusCode::CREATED))
}

async fn show(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersRead).await?;
    one(&entered.cx, id(&request, "id")?).await
}

async fn disable(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let user = id(&request, "id")?;
    service.accounts.disable(&entered.cx, user).await.map_err(refused)?;
    one(&entered.cx, user).await
}

async fn enable(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let user = id(&request, "id")?;
    service.accounts.enable(&entered.cx, user).await.map_err(refused)?;
    one(&entered.cx, user).await
}

async fn unlock(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    service.accounts.unlock(&entered.cx, user.id).await.map_err(refused)?;
    one(&entered.cx, user.id).await
}

async fn clear_risk(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    service.accounts.clear_risk(&entered.cx, user.id).await.map_err(refused)?;
    one(&entered.cx, user.id).await
}

async fn sign_out(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    service.accounts.end_sessions(&entered.cx, user.id).await.map_err(refused)?;
    one(&entered.cx, user.id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPassword {
    password: Secret<String>,
}

async fn set_password(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::UsersWrite).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    let body: SetPassword = request.json()?;
    service.accounts.set_password(&entered.cx, user.id, &body.password).await.map_err(refused)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

async fn list_roles(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::RolesRead).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    let held = roles::of_user(&entered.cx, user.id).await.map_err(|fault| unavailable(&fault))?;
    let items: Vec<_> = held.iter().map(|role| role.as_str()).collect();
    Ok(Reply::json(&serde_json::json!({ "items": items })))
}

async fn assign(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::RolesWrite).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    let role = role(request.part("role"))?;
    service.accounts.assign_role(&entered.cx, user.id, role).await.map_err(refused)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

async fn unassign(service: Arc<Management>, request: Request) -> Result<Reply, Refusal> {
    let entered = service.enter(&request, Permission::RolesWrite).await?;
    let user = found(&entered.cx, id(&request, "id")?).await?;
    let role = role(request.part("role"))?;
    service.accounts.unassign_role(&entered.cx, user.id, role).await.map_err(refused)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

async fn one(cx: &Cx, user: UserId) -> Result<Reply, Refusal> {
    let user = found(cx, user).await?;
    let email = emails::main_of(cx, user.id).await.map_err(|fault| unavailable(&fault))?;
    let risk = risks::of(cx, user.id).await.map_err(|fault| unavailable(&fault))?;
    Ok(Reply::json(&UserShown { at_risk: risk.map(RiskShown::from), ..shown(&user, email.as_ref()) }))
}

pub(crate) async fn found(cx: &Cx, user: UserId) -> Result<User, Refusal> {
    let found = users::by_id(cx, user).await.map_err(|fault| unavailable(&fault))?;
    found.ok_or_else(Refusal::not_found)
}

fn role(name: &str) -> Result<Role, Refusal> {
    Role::named(name).ok_or_else(|| Refusal::malformed("unknown_role", "The roles are: admin."))
}

fn refused(error: AdministrationError) -> Refusal {
    match error {
        AdministrationError::Unavailable(fault) => unavailable(&fault),
        AdministrationError::EmailTaken => conflict("email_taken", &error),
        AdministrationError::SubjectTaken => conflict("subject_taken", &error),
        AdministrationError::LastHolder => conflict("last_holder", &error),
        AdministrationError::NoChange => conflict("no_change", &error),
        AdministrationError::Password(refusal) => invalid("password_refused", "/password", &refusal),
    }
}
