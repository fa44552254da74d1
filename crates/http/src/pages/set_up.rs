//! `/setup`: the first administrator, by a one-time link.
//!
//! The link's secret goes into a cookie and out of the address before a page renders (A094).

use core::time::Duration;
use std::sync::Arc;

use claviger_accounts::SetUpError;
use claviger_ui::{EmailProblem, NameProblem, NewPasswordProblem, Setup, SetupClosed};
use http::StatusCode;

use super::{SET_UP, Visit, problems};
use crate::Surfaces;
use crate::base::{Csp, Refusal, Reply, Request};

/// How long the form may be filled in before the link must be opened again.
const OPEN_FOR: Duration = Duration::from_hours(1);

/// GET: takes the secret out of the address, then shows the form if the link is good.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &Visit::new(&surfaces, &request)?;
    if let Some(token) = request.query().secret("token") {
        let open = surfaces.accounts.set_up_is_open(&visit.cx, token.expose()).await?;
        let away = visit.go("/setup")?;
        return Ok(if open { away.cookie(&request.new_cookie(SET_UP, token).max_age(OPEN_FOR)) } else { away });
    }
    let link = request.cookie(SET_UP);
    let open = match &link {
        Some(link) => surfaces.accounts.set_up_is_open(&visit.cx, link.expose()).await?,
        None => false,
    };
    if open { render(visit, Setup::default()) } else { closed(visit) }
}

/// POST: name, address and password of the administrator.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &Visit::new(&surfaces, &request)?;
    visit.check_csrf(&visit.binding)?;
    let Some(link) = request.cookie(SET_UP) else { return closed(visit) };
    let form = request.form();
    let (name, email) = (form.get("name").unwrap_or_default(), form.get("email").unwrap_or_default());
    let mut page = Setup { name: name.to_owned(), email: email.to_owned(), ..Setup::default() };
    let Some(password) = form.secret("password").filter(|_| !email.is_empty()) else {
        page.email_problem = email.is_empty().then_some(EmailProblem::Missing);
        page.password_problem = form.get("password").is_none().then_some(NewPasswordProblem::Missing);
        return Ok(problems::again(render(visit, page)?, false));
    };
    match surfaces.accounts.set_up(&visit.cx, link.expose(), name, email, &password).await {
        Ok(_) => return Ok(visit.without(visit.go("/login")?, SET_UP)),
        Err(SetUpError::Closed) => return closed(visit),
        Err(SetUpError::Unavailable(fault)) => return Err(fault.into()),
        Err(SetUpError::Address(_)) => page.email_problem = Some(EmailProblem::Malformed),
        Err(SetUpError::Name) => page.name_problem = Some(NameProblem::TooLong),
        Err(SetUpError::Password(refusal)) => page.password_problem = Some(problems::new_password(&refusal)),
    }
    Ok(problems::again(render(visit, page)?, false))
}

fn render(visit: &Visit<'_>, mut page: Setup) -> Result<Reply, Refusal> {
    page.password_min = visit.request.realm().settings.passwords.minimum;
    visit.page(&page, Csp::Form)
}

/// One answer for a link that was used, has expired or never was, whatever became of the administrator (A118).
fn closed(visit: &Visit<'_>) -> Result<Reply, Refusal> {
    let reply = visit.page(&SetupClosed, Csp::Plain)?.status(StatusCode::GONE);
    Ok(visit.without(reply, SET_UP))
}
