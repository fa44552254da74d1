//! `/login`.

use std::sync::Arc;

use claviger_accounts::{Flow, Input, State, StepError};
use claviger_ui::{EmailProblem, Notice, PasswordProblem, Problem, SignIn};
use http::StatusCode;

use super::flow::{self, Form};
use super::{SESSION, Visit, problems};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// GET: the form; whoever is signed in already and comes of their own accord goes home.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let flow = flow::shown(visit).await?;
    let mut page = SignIn::default();
    match &flow {
        Some(flow) => {
            let done = request.query().get("done");
            page.notice = match (&flow.state, done) {
                (State::SignIn { .. }, Some("password")) => Some(Notice::PasswordChanged),
                (State::SignIn { .. }, Some("address")) => Some(Notice::EmailVerified),
                _ => None,
            };
            if let State::SignIn { email } = &flow.state {
                page.email.clone_from(email);
            }
        }
        None if visit.session().await?.is_some() => return visit.go(claviger_ui::HOME),
        None => page.notice = request.cookie(SESSION).map(|_| Notice::SessionEnded),
    }
    render(visit, flow.as_ref(), page)
}

/// POST: address and password.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let form = request.form();
    let mut flow = flow::posted(visit, State::SignIn { email: String::new() }).await?;
    let email = form.get("email").unwrap_or_default();
    let mut page = SignIn { email: email.to_owned(), ..SignIn::default() };
    let Some(password) = form.secret("password").filter(|_| !email.is_empty()) else {
        page.email_problem = email.is_empty().then_some(EmailProblem::Missing);
        page.password_problem = form.get("password").is_none().then_some(PasswordProblem::Missing);
        return Ok(problems::again(render(visit, Some(&flow), page)?, false));
    };
    let taken = match flow::turn_to(visit, &mut flow, Form::SignIn).await {
        Ok(()) => flow::step(visit, &mut flow, Input::Password { email, password: &password }).await,
        Err(error) => Err(error),
    };
    let error = match taken {
        Ok(step) => return flow::onward(visit, &flow, step),
        Err(error) => error,
    };
    match flow::beyond_repair(visit, &flow, error) {
        Ok(answer) => answer,
        Err(StepError::Limited) => {
            page.problem = Some(problems::too_many());
            Ok(problems::again(render(visit, Some(&flow), page)?, true))
        }
        // Longer than any password can be: not one hash was computed (A109).
        Err(StepError::Password(_)) => {
            page.problem = Some(Problem::SignInRefused);
            Ok(render(visit, Some(&flow), page)?.status(StatusCode::BAD_REQUEST))
        }
        Err(_) => {
            page.problem = Some(Problem::SignInRefused);
            Ok(problems::again(render(visit, Some(&flow), page)?, false))
        }
    }
}

fn render(visit: &Visit<'_>, flow: Option<&Flow>, mut page: SignIn) -> Result<Reply, Refusal> {
    page.flow = flow.map(|flow| flow.id.to_string());
    page.application = flow.and_then(|flow| flow.application.clone());
    page.sign_up_closed = !visit.request.realm().settings.sign_up.open;
    visit.page(&page, flow::policy(flow))
}
