//! Refreshing and signing out.

use std::sync::Arc;

use claviger_accounts::{EndError, lifetimes};
use claviger_kernel::{Secret, SessionId};
use claviger_session::sessions;
use http::StatusCode;
use serde::Deserialize;

use super::door::{Delivery, Door};
use super::{answers, problems};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};
use crate::pages::{SESSION, Visit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renew {
    client_id: String,
    #[serde(default)]
    delivery: Delivery,
    scope: Option<String>,
    refresh_token: Option<Secret<String>>,
}

/// POST: another access token. The rules are those of the token endpoint, retries and reuse included.
pub(super) async fn refresh(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: Renew = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    door.tell(refreshed(&door, &body).await)
}

async fn refreshed(door: &Door<'_>, body: &Renew) -> Result<Reply, Refusal> {
    let token = sent(door, body.delivery, body.refresh_token.as_ref())?.ok_or_else(problems::signed_out)?;
    let oauth = &door.surfaces.oauth;
    let issued = oauth.refresh_first_party(&door.cx, &door.app, &token, body.scope.as_deref()).await;
    let issued = issued.map_err(problems::tokens)?;
    if let Some(session) = issued.session {
        // The tokens are good whether or not their use can be noted now.
        if let Err(fault) = sessions::used(&door.cx, session, &lifetimes(door.request.realm())).await {
            tracing::warn!(reason = fault.reason(), "the use of a session was not noted");
        }
    }
    Ok(answers::tokens(door, &issued, body.delivery))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOut {
    client_id: String,
    #[serde(default)]
    delivery: Delivery,
    refresh_token: Option<Secret<String>>,
}

/// POST: the session ends, and with it everything that was opened in it.
pub(super) async fn sign_out(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: SignOut = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    door.tell(signed_out(&door, &body).await)
}

async fn signed_out(door: &Door<'_>, body: &SignOut) -> Result<Reply, Refusal> {
    let token = sent(door, body.delivery, body.refresh_token.as_ref())?;
    let accounts = &door.surfaces.accounts;
    let family = match &token {
        Some(token) => door.surfaces.oauth.family_to_end(&door.cx, &door.app, token.expose()).await?,
        None => None,
    };
    let mut ended: Option<SessionId> = None;
    if let Some(family) = &family {
        ended = family.session;
        match family.session {
            Some(session) => match accounts.end_session(&door.cx, family.user.id, session, "signed out").await {
                Ok(()) | Err(EndError::Unknown) => {}
                Err(EndError::Unavailable(fault)) => return Err(fault.into()),
            },
            None => door.surfaces.oauth.end_family(&door.cx, family.id).await?,
        }
    }
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    if body.delivery == Delivery::Body {
        return Ok(reply);
    }
    let mut visit = Visit::new(door.surfaces, door.request)?;
    if let Some(session) = visit.session().await?.filter(|session| Some(session.id) != ended) {
        accounts.sign_out(&visit.cx, &session).await?;
    }
    Ok(forgotten(door, &visit, reply))
}

/// Takes the browser's session and refresh token away.
pub(super) fn forgotten(door: &Door<'_>, visit: &Visit<'_>, reply: Reply) -> Reply {
    door.refresh_cookies().iter().fold(visit.without(reply, SESSION), |reply, name| visit.without(reply, name))
}

/// The refresh token, from where this application sends it.
fn sent(
    door: &Door<'_>,
    delivery: Delivery,
    named: Option<&Secret<String>>,
) -> Result<Option<Secret<String>>, Refusal> {
    door.deliver(delivery)?;
    match (delivery, named) {
        (Delivery::Cookie, None) => Ok(door.refresh_token()),
        (Delivery::Body, Some(token)) => Ok(Some(token.clone())),
        (Delivery::Cookie, Some(_)) => {
            let detail = "The refresh token comes in its cookie; only with \"delivery\": \"body\" does it stand here.";
            Err(Refusal::malformed("invalid_body", "A member of the body is not what it must be.")
                .at("/refresh_token", detail))
        }
        (Delivery::Body, None) => {
            let detail = "With \"delivery\": \"body\" the refresh token stands here.";
            Err(Refusal::malformed("invalid_body", "A member of the body is missing.").at("/refresh_token", detail))
        }
    }
}
