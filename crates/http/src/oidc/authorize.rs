//! The authorization endpoint. It shows no page: where a person is needed the request is parked and the browser sent to a
//! page of its own, which comes back with a ticket.

use std::sync::Arc;

use claviger_accounts::State;
use claviger_kernel::ErrorClass;
use claviger_oauth::authorize::{
    AuthorizationError, AuthorizationParameters, AuthorizationRequest, AuthorizationResponse, Consent, Outcome,
    ParkedGone, ResponseMode,
};
use claviger_session::Session;
use claviger_ui::{ErrorKind, FormPost, WebAddress};

use crate::Surfaces;
use crate::base::{Csp, Fields, Refusal, Reply, Request};
use crate::pages::{self, Onward, Visit};

/// GET: a request of a client, or the ticket of a parked one.
pub(super) async fn by_get(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    // A client's own `request` (OpenID Connect Core §6.1) always stands beside its `client_id`.
    let ticket = request.query().get("request").filter(|_| request.query().get("client_id").is_none());
    let asked = match ticket {
        Some(ticket) => parked(visit, ticket).await?,
        None => match read(visit, &parameters(&[request.query()])).await? {
            Ok(asked) => asked,
            Err(response) => return answer(visit, &response, ""),
        },
    };
    visit.speak_for(asked.ui_locales.as_deref());
    let session = visit.session().await?;
    let outcome = ask(visit, &asked, session.as_ref(), Consent::NotAsked).await?;
    go_on(visit, &asked, ticket, outcome).await
}

/// POST: may come from any site, so no cookie is read. The request is parked and answered at a GET of our own.
pub(super) async fn by_post(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    // The browser's own binding has not come along; a new one in its place would end what is under way there.
    visit.fresh_binding = None;
    match read(visit, &parameters(&[request.query(), request.form()])).await? {
        Ok(asked) => {
            let ticket = surfaces.oauth.park(&visit.cx, &asked, None).await?;
            Reply::see_other(&visit.path(&address(&ticket)))
        }
        Err(response) => answer(visit, &response, ""),
    }
}

/// Where a parked request goes on, within its realm.
pub(crate) fn address(ticket: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    format!("/oauth2/authorize?request={}", ticket.chars().filter(|letter| plain(*letter)).collect::<String>())
}

/// The parked request of this ticket, if it is this browser's (A032).
pub(crate) async fn parked(visit: &Visit<'_>, ticket: &str) -> Result<AuthorizationRequest, Refusal> {
    visit.surfaces.oauth.parked(&visit.cx, ticket, visit.binding).await.map_err(gone)
}

/// What comes next for this browser.
pub(crate) async fn ask(
    visit: &Visit<'_>,
    asked: &AuthorizationRequest,
    session: Option<&Session>,
    consent: Consent,
) -> Result<Outcome, Refusal> {
    match visit.surfaces.oauth.authorize(&visit.cx, asked, session, consent).await {
        Ok(outcome) => Ok(outcome),
        Err(AuthorizationError::Respond(response)) => Ok(Outcome::Respond(*response)),
        Err(AuthorizationError::Page(text)) => Err(untrusted(text)),
        Err(AuthorizationError::Unavailable(fault)) => Err(fault.into()),
    }
}

/// Takes the browser to what comes next. A request that was not parked yet is parked if a person is needed.
pub(crate) async fn go_on(
    visit: &Visit<'_>,
    asked: &AuthorizationRequest,
    ticket: Option<&str>,
    outcome: Outcome,
) -> Result<Reply, Refusal> {
    let oauth = &visit.surfaces.oauth;
    if let Outcome::Respond(response) = outcome {
        if let Some(ticket) = ticket {
            oauth.unpark(&visit.cx, ticket).await.map_err(gone)?;
        }
        return answer(visit, &response, &asked.application);
    }
    let ticket = match ticket {
        Some(ticket) => ticket.to_owned(),
        None => oauth.park(&visit.cx, asked, Some(visit.binding)).await?,
    };
    if matches!(outcome, Outcome::Consent(_)) {
        return visit.go(&format!("/consent?request={ticket}"));
    }
    let onward = Onward { return_to: Some(&visit.path(&address(&ticket))), application: Some(&asked.application) };
    let state = State::SignIn { email: asked.login_hint.clone().unwrap_or_default() };
    let flow = pages::begin(visit, state, onward).await?;
    visit.go_in("/login", flow.id)
}

async fn read(
    visit: &Visit<'_>,
    parameters: &AuthorizationParameters,
) -> Result<Result<AuthorizationRequest, AuthorizationResponse>, Refusal> {
    match visit.surfaces.oauth.read_authorization(&visit.cx, parameters).await {
        Ok(asked) => Ok(Ok(asked)),
        Err(AuthorizationError::Respond(response)) => Ok(Err(*response)),
        Err(AuthorizationError::Page(text)) => Err(untrusted(text)),
        Err(AuthorizationError::Unavailable(fault)) => Err(fault.into()),
    }
}

fn parameters(sources: &[&Fields]) -> AuthorizationParameters {
    let pair = |fields: &Fields, name: &str| Some((name.to_owned(), fields.get(name)?.to_owned()));
    let pairs = sources.iter().flat_map(|fields| fields.names().filter_map(|name| pair(fields, name)));
    AuthorizationParameters { pairs: pairs.collect() }
}

/// The answer to the client: by redirect, or by a form that the browser posts there.
fn answer(visit: &Visit<'_>, response: &AuthorizationResponse, application: &str) -> Result<Reply, Refusal> {
    match response.mode {
        ResponseMode::Query => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(response.parameters.iter().map(|(name, value)| (*name, value.as_str())));
            let joint = if response.redirect_uri.contains('?') { '&' } else { '?' };
            Reply::see_other(&format!("{}{joint}{}", response.redirect_uri, query.finish()))
        }
        ResponseMode::FormPost => {
            let action = WebAddress::parse(&response.redirect_uri)
                .ok_or_else(|| untrusted("response_mode form_post needs an http or https redirect address"))?;
            let fields = response.parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let client = if application.is_empty() { host(&response.redirect_uri) } else { application.to_owned() };
            visit.page(&FormPost { action, fields, client }, Csp::FormToClient)
        }
    }
}

fn host(address: &str) -> String {
    claviger_oauth::redirect::shown_host(address)
}

/// 400, and nobody is redirected (A001).
fn untrusted(text: &'static str) -> Refusal {
    Refusal::new(ErrorClass::Invalid, "invalid_authorization_request", format!("invalid_request: {text}"))
        .page_kind(ErrorKind::Client)
}

fn gone(error: ParkedGone) -> Refusal {
    match error {
        ParkedGone::Gone => pages::gone(),
        ParkedGone::Unavailable(fault) => Refusal::from(fault),
    }
}
