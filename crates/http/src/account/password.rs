//! `/account/password`.

use std::sync::Arc;

use claviger_accounts::ChangeError;
use claviger_identity::emails;
use claviger_session::Session;
use claviger_ui::{ChangePassword, Done, NewPasswordProblem, PasswordProblem, Problem};
use http::StatusCode;

use crate::Surfaces;
use crate::base::{Csp, Refusal, Reply, Request};
use crate::pages::{Visit, new_password, patience};

/// GET: the form, or that it is done.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let Some(session) = visit.session().await? else { return visit.go("/login") };
    if request.query().get("done").is_some() {
        return visit.page_for(&Done::PasswordChanged, Csp::Plain, session.binding());
    }
    render(visit, &session, ChangePassword::default()).await
}

/// POST: the present password and the new one.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let Some(session) = visit.session().await? else { return visit.go("/login") };
    visit.check_csrf(session.binding())?;
    let (current, new) = (request.form().secret("current_password"), request.form().secret("password"));
    let (Some(current), Some(new)) = (&current, &new) else {
        let page = ChangePassword {
            current_problem: current.is_none().then_some(PasswordProblem::Missing),
            password_problem: new.is_none().then_some(NewPasswordProblem::Missing),
            ..ChangePassword::default()
        };
        let status = if current.is_none() { StatusCode::FORBIDDEN } else { StatusCode::UNPROCESSABLE_ENTITY };
        return Ok(render(visit, &session, page).await?.status(status));
    };
    let tag = visit.texts.tag();
    match surfaces.accounts.change_password(&visit.cx, &session, current, new, &tag).await {
        Ok(opened) => Ok(visit.with_session(visit.go("/account/password?done=1")?, &opened)),
        Err(ChangeError::SignedOut) => visit.go("/login"),
        Err(ChangeError::Unavailable(fault)) => Err(fault.into()),
        Err(error) => refused(visit, &session, &error).await,
    }
}

async fn refused(visit: &Visit<'_>, session: &Session, error: &ChangeError) -> Result<Reply, Refusal> {
    let mut page = ChangePassword::default();
    let status = match error {
        ChangeError::Limited => {
            page.problem = Some(Problem::TooMany { minutes: 15 });
            return Ok(patience(render(visit, session, page).await?));
        }
        ChangeError::Password(refusal) => {
            page.password_problem = Some(new_password(refusal));
            StatusCode::UNPROCESSABLE_ENTITY
        }
        _ => {
            page.current_problem = Some(PasswordProblem::Wrong);
            StatusCode::FORBIDDEN
        }
    };
    Ok(render(visit, session, page).await?.status(status))
}

async fn render(visit: &Visit<'_>, session: &Session, mut page: ChangePassword) -> Result<Reply, Refusal> {
    page.email = emails::main_of(&visit.cx, session.user).await?.map_or_else(String::new, |email| email.address);
    page.password_min = visit.request.realm().settings.passwords.minimum;
    visit.page_for(&page, Csp::Form, session.binding())
}
