//! `/consent`: what an application asks for, and the answer.

use std::sync::Arc;

use claviger_identity::emails;
use claviger_oauth::authorize::{Consent, ConsentQuestion, Outcome};
use claviger_session::Session;
use claviger_ui::RequestedScope;
use http::StatusCode;

use super::Visit;
use crate::Surfaces;
use crate::base::{Csp, Refusal, Reply, Request};
use crate::oidc::authorize;

/// GET: the question, if there is still one to ask.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let ticket = request.query().require("request")?;
    let asked = authorize::parked(visit, ticket).await?;
    visit.speak_for(asked.ui_locales.as_deref());
    let session = visit.session().await?;
    let outcome = authorize::ask(visit, &asked, session.as_ref(), Consent::NotAsked).await?;
    match (outcome, session) {
        (Outcome::Consent(question), Some(session)) => render(visit, ticket, &question, &session).await,
        (outcome, _) => authorize::go_on(visit, &asked, Some(ticket), outcome).await,
    }
}

/// POST: yes or no.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let ticket = request.form().require("flow")?;
    let Some(session) = visit.session().await? else { return visit.go(&authorize::address(ticket)) };
    visit.check_csrf(session.binding())?;
    let asked = authorize::parked(visit, ticket).await?;
    visit.speak_for(asked.ui_locales.as_deref());
    let consent = match request.form().get("decision") {
        Some("allow") => Consent::Allowed,
        Some("deny") => Consent::Denied,
        _ => Consent::NotAsked,
    };
    let outcome = authorize::ask(visit, &asked, Some(&session), consent).await?;
    match outcome {
        Outcome::Consent(question) => {
            let reply = render(visit, ticket, &question, &session).await?;
            Ok(reply.status(StatusCode::UNPROCESSABLE_ENTITY))
        }
        outcome => authorize::go_on(visit, &asked, Some(ticket), outcome).await,
    }
}

async fn render(
    visit: &Visit<'_>,
    ticket: &str,
    question: &ConsentQuestion,
    session: &Session,
) -> Result<Reply, Refusal> {
    let scopes = question.scopes.iter().map(|name| RequestedScope { name: name.clone(), description: None }).collect();
    let page = claviger_ui::Consent {
        flow: Some(ticket.to_owned()),
        client: question.client_name.clone(),
        host: question.redirect_host.clone(),
        unverified: false,
        account: emails::main_of(&visit.cx, session.user).await?.map_or_else(String::new, |email| email.address),
        scopes,
    };
    visit.page_for(&page, Csp::FormToClient, session.binding())
}
