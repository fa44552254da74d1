//! `/signup`.

use std::sync::Arc;

use claviger_accounts::{Flow, Input, State, StepError};
use claviger_ui::{EmailProblem, NameProblem, NewPasswordProblem, SignUp};

use super::flow::{self, Form};
use super::{Visit, problems};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// GET: the form, where the realm takes newcomers.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let flow = flow::shown(visit).await?;
    if !request.realm().settings.sign_up.open {
        return flow.map_or_else(|| visit.go("/login"), |flow| visit.go_in("/login", flow.id));
    }
    let email = match flow.as_ref().map(|flow| &flow.state) {
        Some(State::SignIn { email }) => email.clone(),
        _ => String::new(),
    };
    render(visit, flow.as_ref(), SignUp { email, ..SignUp::default() })
}

/// POST: name, address and a new password.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let form = request.form();
    let mut flow = flow::posted(visit, State::SignUp).await?;
    let (name, email) = (form.get("name").unwrap_or_default(), form.get("email").unwrap_or_default());
    let mut page = SignUp { name: name.to_owned(), email: email.to_owned(), ..SignUp::default() };
    let Some(password) = form.secret("password").filter(|_| !email.is_empty()) else {
        page.email_problem = email.is_empty().then_some(EmailProblem::Missing);
        page.password_problem = form.get("password").is_none().then_some(NewPasswordProblem::Missing);
        return Ok(problems::again(render(visit, Some(&flow), page)?, false));
    };
    let taken = match flow::turn_to(visit, &mut flow, Form::SignUp).await {
        Ok(()) => flow::step(visit, &mut flow, Input::SignUp { name, email, password: &password }).await,
        Err(error) => Err(error),
    };
    let error = match taken {
        Ok(step) => return flow::onward(visit, &flow, step),
        Err(error) => error,
    };
    match flow::beyond_repair(visit, &flow, error) {
        Ok(answer) => return answer,
        Err(StepError::Limited) => {
            page.problem = Some(problems::too_many());
            return Ok(problems::again(render(visit, Some(&flow), page)?, true));
        }
        Err(StepError::Address) => page.email_problem = Some(EmailProblem::Malformed),
        Err(StepError::Name) => page.name_problem = Some(NameProblem::TooLong),
        Err(StepError::Password(refusal)) => page.password_problem = Some(problems::new_password(&refusal)),
        Err(_) => return Err(flow::gone()),
    }
    Ok(problems::again(render(visit, Some(&flow), page)?, false))
}

fn render(visit: &Visit<'_>, flow: Option<&Flow>, mut page: SignUp) -> Result<Reply, Refusal> {
    page.flow = flow.map(|flow| flow.id.to_string());
    page.application = flow.and_then(|flow| flow.application.clone());
    page.password_min = visit.request.realm().settings.passwords.minimum;
    visit.page(&page, flow::policy(flow))
}
