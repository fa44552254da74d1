//! Who is signed in, where else, and how that ends; and the password.
//!
//! A program shows an access token that was issued for the issuer itself. A browser shows the refresh cookie of the client
//! that the query names: it is not used up by that, and lives as long as the sign-in, which the session cookie does not.

use std::sync::Arc;

use claviger_accounts::EndError;
use claviger_identity::{emails, users};
use claviger_kernel::{Actor, ErrorClass, Secret, SessionId, UserId};
use claviger_session::sessions::{self, Filter, ListedSession, PresentError, Sort};
use claviger_storage::{Choice as _, Cursor, LARGEST_PAGE};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::door::Door;
use super::{problems, tokens};
use crate::Surfaces;
use crate::base::{Credentials, Refusal, Reply, Request};
use crate::oidc::cors;
use crate::pages::{SESSION, Visit};

/// A session, as people and programs are shown it.
#[derive(Serialize)]
struct SessionShown {
    id: String,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    current: bool,
    acr: String,
    authenticated_at: String,
    created_at: String,
    last_seen_at: String,
    expires_at: String,
}

fn shown(session: &ListedSession, current: Option<SessionId>) -> SessionShown {
    SessionShown {
        id: session.id.to_string(),
        device: session.device.clone(),
        network: session.source.clone(),
        current: current == Some(session.id),
        acr: session.acr.clone(),
        authenticated_at: session.authenticated_at.to_string(),
        created_at: session.created_at.to_string(),
        last_seen_at: session.seen_at.to_string(),
        expires_at: session.expires_at.to_string(),
    }
}

/// Who asks.
struct Asking<'a> {
    door: Door<'a>,
    user: UserId,
    session: Option<SessionId>,
    by_cookie: bool,
}

impl<'a> Asking<'a> {
    async fn of(surfaces: &'a Surfaces, request: &'a Request) -> Result<Self, Refusal> {
        let asking = match request.credentials()? {
            Some(Credentials::Bearer(token)) => Self::by_token(surfaces, request, &token).await?,
            Some(Credentials::Basic { .. }) => return Err(problems::signed_out()),
            None => Self::by_cookie(surfaces, request).await?,
        };
        let cx = asking.door.cx.with(asking.door.cx.caller.acting(Actor::User(asking.user)));
        Ok(Self { door: Door { cx, ..asking.door }, ..asking })
    }

    async fn by_token(surfaces: &'a Surfaces, request: &'a Request, token: &Secret<String>) -> Result<Self, Refusal> {
        let cx = surfaces.cx(request);
        let checked = surfaces.oauth.check_access_token(&cx, token.expose()).await;
        let (verified, user) = match checked {
            Ok(checked) => checked,
            Err(error) => return Err(readable(surfaces, request, token, problems::tokens(error)).await),
        };
        let claims = verified.claims();
        let door = Door::open(surfaces, request, claims.client_id.as_deref().unwrap_or_default()).await?;
        let session = claims.sid.as_ref().and_then(|sid| sid.parse().ok());
        Ok(Self { door, user: user.id, session, by_cookie: false })
    }

    async fn by_cookie(surfaces: &'a Surfaces, request: &'a Request) -> Result<Self, Refusal> {
        let door = Door::open(surfaces, request, request.query().require("client_id")?).await?;
        let token = door.refresh_token();
        let family = match &token {
            Some(token) => surfaces.oauth.family_of(&door.cx, &door.app, token.expose()).await?,
            None => None,
        };
        match family {
            Some(family) => Ok(Self { user: family.user.id, session: family.session, by_cookie: true, door }),
            None => Err(door.refuse(problems::signed_out())),
        }
    }
}

/// Lets a script of the client that the token names read why it was refused: only then does it know that it must refresh.
async fn readable(surfaces: &Surfaces, request: &Request, token: &Secret<String>, refusal: Refusal) -> Refusal {
    let Some(client_id) = cors::client_of(token.expose()) else { return refusal };
    match Door::open(surfaces, request, &client_id).await {
        Ok(door) => door.refuse(refusal),
        Err(_) => refusal,
    }
}

#[derive(Serialize)]
struct Shown {
    user: UserShown,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionShown>,
    client_id: String,
}

#[derive(Serialize)]
struct UserShown {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

/// GET: who is signed in here.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let asking = Asking::of(&surfaces, &request).await?;
    let cx = &asking.door.cx;
    let Some(user) = users::by_id(cx, asking.user).await? else {
        return Err(asking.door.refuse(problems::signed_out()));
    };
    let email = emails::main_of(cx, asking.user).await?;
    let session = match asking.session {
        Some(session) => sessions::listed(cx, session).await?,
        None => None,
    };
    let body = Shown {
        user: UserShown {
            sub: user.subject.clone(),
            name: user.claims.text("name").map(str::to_owned),
            email_verified: email.as_ref().map(|email| email.verified_at.is_some()),
            email: email.map(|email| email.address),
        },
        session: session.map(|session| shown(&session, asking.session)),
        client_id: asking.door.app.client().client_id.clone(),
    };
    asking.door.tell(Ok(Reply::json(&body)))
}

/// GET: where the user is signed in.
pub(super) async fn list(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let asking = Asking::of(&surfaces, &request).await?;
    let listed = async {
        let query = request.query();
        let limit = match query.get("limit") {
            None => 50,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                limit.ok_or_else(|| Refusal::malformed("invalid_limit", "limit is a number from 1 to 200."))?
            }
        };
        let sort = match query.get("sort") {
            None => Sort::LastSeen,
            Some(name) => Sort::named(name)
                .ok_or_else(|| Refusal::malformed("invalid_sort", "sort is last_seen, newest or oldest."))?,
        };
        let after = query.get("after").map(str::parse::<Cursor>).transpose();
        let after = after.map_err(|error| Refusal::malformed("invalid_after", error.to_string()))?;
        let page = sessions::list(&asking.door.cx, asking.user, Filter::Alive, sort, after, limit).await?;
        let items: Vec<_> = page.items.iter().map(|session| shown(session, asking.session)).collect();
        Ok(Reply::json(&serde_json::json!({
            "items": items,
            "next": page.next.map(|next| next.to_string()),
        })))
    };
    asking.door.tell(listed.await)
}

/// DELETE: one session ends. It may be this one.
pub(super) async fn end(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let asking = Asking::of(&surfaces, &request).await?;
    asking.door.tell(ended(&asking).await)
}

async fn ended(asking: &Asking<'_>) -> Result<Reply, Refusal> {
    let door = &asking.door;
    let session: SessionId = door.request.part("id").parse().map_err(|_| Refusal::not_found())?;
    match door.surfaces.accounts.end_session(&door.cx, asking.user, session, "ended by the user").await {
        Ok(()) => {}
        Err(EndError::Unknown) => return Err(Refusal::not_found()),
        Err(EndError::Unavailable(fault)) => return Err(fault.into()),
    }
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    if asking.by_cookie && asking.session == Some(session) {
        return Ok(tokens::forgotten(door, &Visit::new(door.surfaces, door.request)?, reply));
    }
    Ok(reply)
}

/// DELETE: every session ends but this one.
pub(super) async fn end_others(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let asking = Asking::of(&surfaces, &request).await?;
    let Some(session) = asking.session else { return Err(asking.door.refuse(problems::signed_out())) };
    let door = &asking.door;
    let ended = surfaces.accounts.end_other_sessions(&door.cx, asking.user, session).await;
    door.tell(ended.map(|()| Reply::empty(StatusCode::NO_CONTENT)).map_err(Refusal::from))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    current_password: Secret<String>,
    password: Secret<String>,
}

/// POST: the present password and the new one. Every other session ends.
pub(super) async fn change_password(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: ChangePassword = request.json()?;
    let asking = Asking::of(&surfaces, &request).await?;
    asking.door.tell(changed(&asking, &body).await)
}

async fn changed(asking: &Asking<'_>, body: &ChangePassword) -> Result<Reply, Refusal> {
    let door = &asking.door;
    let id = asking.session.ok_or_else(problems::signed_out)?;
    let session = match sessions::by_id(&door.cx, id).await {
        Ok(session) => session,
        Err(PresentError::Unavailable(fault)) => return Err(fault.into()),
        Err(_) => {
            let detail = "This session is too old to change the password. Sign in again.";
            return Err(Refusal::new(ErrorClass::Unauthenticated, "sign_in_again", detail));
        }
    };
    let visit = Visit::new(door.surfaces, door.request)?;
    let accounts = &door.surfaces.accounts;
    let opened = accounts
        .change_password(&door.cx, &session, &body.current_password, &body.password, &visit.texts.tag())
        .await
        .map_err(problems::change)?;
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    let in_browser = asking.by_cookie && door.request.cookie(SESSION).is_some();
    Ok(if in_browser { visit.with_session(reply, &opened) } else { reply })
}
