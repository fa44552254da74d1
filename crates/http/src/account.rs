//! What a signed-in person sees of the own account.

use std::sync::Arc;

use claviger_identity::emails;
use claviger_ui::{HOME, Landing};

use crate::Surfaces;
use crate::base::{Access, Csp, Refusal, Reply, Request, Routes};
use crate::pages::{Visit, form, page};

mod password;
mod sessions;

/// The routes of the account.
pub(crate) fn routes(surfaces: &Arc<Surfaces>) -> Routes {
    Routes::new()
        .add(page("/", Access::Public), surfaces, start)
        .add(page(HOME, Access::Session), surfaces, landing)
        .add(page("/account/password", Access::Session), surfaces, password::show)
        .add(form("/account/password", Access::Session), surfaces, password::take)
        .add(page("/account/sessions", Access::Session), surfaces, sessions::show)
        .add(form("/account/sessions", Access::Session), surfaces, sessions::take)
}

/// GET `/`: home, or to where one signs in.
async fn start(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    if visit.session().await?.is_some() { visit.go(HOME) } else { visit.go("/login") }
}

/// GET `/account`.
async fn landing(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let Some(session) = visit.session().await? else { return visit.go("/login") };
    let Some(user) = surfaces.accounts.user(&visit.cx, &session).await? else { return visit.go("/login") };
    let email = emails::main_of(&visit.cx, session.user).await?;
    let page = Landing {
        name: user.claims.text("name").unwrap_or_default().to_owned(),
        email_verified: email.as_ref().is_some_and(|email| email.verified_at.is_some()),
        email: email.map_or_else(String::new, |email| email.address),
    };
    visit.page_for(&page, Csp::Form, session.binding())
}
