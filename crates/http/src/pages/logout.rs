//! `/logout`: asked first, unless an application has proved by an ID token that it speaks of this very session.

use std::sync::Arc;

use claviger_identity::emails;
use claviger_oauth::logout::LogoutRequest;
use claviger_session::Session;
use claviger_ui::{LogoutConfirm, SignedOut};

use super::{SESSION, Visit};
use crate::Surfaces;
use crate::base::{Csp, Refusal, Reply, Request};
use crate::oidc::authorize;

/// GET: the question; without a session, that there is nothing to do.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let ticket = request.query().get("request");
    let asked = parked(visit, ticket).await?;
    match visit.session().await? {
        None => finished(visit, asked.as_ref()),
        Some(session) if asked.as_ref().is_some_and(|asked| asked.speaks_of(&session)) => {
            sign_out(visit, &session, asked.as_ref()).await
        }
        Some(session) => {
            let account =
                emails::main_of(&visit.cx, session.user).await?.map_or_else(String::new, |email| email.address);
            let flow = ticket.or_else(|| request.query().get("flow")).map(str::to_owned);
            visit.page_for(&LogoutConfirm { flow, account }, Csp::FormToClient, session.binding())
        }
    }
}

/// POST: yes.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let ticket = request.form().get("flow");
    let asked = parked(visit, ticket).await?;
    let Some(session) = visit.session().await? else { return visit.go("/logout") };
    visit.check_csrf(session.binding())?;
    if asked.is_none()
        && let Some(ticket) = ticket
        && authorize::parked(visit, ticket).await.is_ok()
    {
        // Somebody else wants to answer an application's request: it goes on without a session.
        surfaces.accounts.sign_out(&visit.cx, &session).await?;
        return Ok(visit.without(visit.go(&authorize::address(ticket))?, SESSION));
    }
    sign_out(visit, &session, asked.as_ref()).await
}

async fn parked(visit: &Visit<'_>, ticket: Option<&str>) -> Result<Option<LogoutRequest>, Refusal> {
    match ticket {
        Some(ticket) => Ok(visit.surfaces.oauth.parked_logout(&visit.cx, ticket).await?),
        None => Ok(None),
    }
}

async fn sign_out(visit: &Visit<'_>, session: &Session, asked: Option<&LogoutRequest>) -> Result<Reply, Refusal> {
    visit.surfaces.accounts.sign_out(&visit.cx, session).await?;
    let reply = match asked.and_then(|asked| asked.return_to.as_deref()) {
        Some(address) => Reply::see_other(address)?,
        None => visit.go("/logout")?,
    };
    Ok(visit.without(reply, SESSION))
}

/// Nobody is signed in (any more).
fn finished(visit: &Visit<'_>, asked: Option<&LogoutRequest>) -> Result<Reply, Refusal> {
    match asked.and_then(|asked| asked.return_to.as_deref()) {
        Some(address) => Reply::see_other(address),
        None => Ok(visit.without(visit.page(&SignedOut::default(), Csp::Plain)?, SESSION)),
    }
}
