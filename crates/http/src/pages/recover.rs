//! `/recover`: the address, the code, the new password.

use std::sync::Arc;

use claviger_accounts::{Flow, Input, State, StepError};
use claviger_ui::{CheckMail, EmailProblem, NewPasswordProblem, RecoverPassword, RecoverRequest};

use super::flow::{self, Form};
use super::{Visit, problems, verify};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// GET: whatever the flow asks; the address by default, and again where somebody wants to type another.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let flow = flow::shown(visit).await?;
    let again = request.query().get("again").is_some();
    match &flow {
        Some(flow) if !again && matches!(flow.state, State::ConfirmReset { .. }) => {
            let resent = request.query().get("resent").is_some();
            verify::render(visit, flow, CheckMail { resent, ..CheckMail::default() })
        }
        Some(flow) if !again && matches!(flow.state, State::NewPassword { .. }) => new_password(visit, flow, None),
        Some(Flow { state: State::SignIn { email }, .. }) => ask(visit, flow.as_ref(), email, None),
        _ => ask(visit, flow.as_ref(), "", None),
    }
}

/// POST: which of the three it is, the fields tell; whether it is its turn, the engine.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let form = request.form();
    let mut flow = flow::posted(visit, State::Recover).await?;
    let has = |name| form.names().any(|known| known == name);
    if has("email") {
        return address(visit, &mut flow).await;
    }
    if has("password") || matches!(flow.state, State::NewPassword { .. }) {
        return password(visit, &mut flow).await;
    }
    if verify::address(&flow.state).is_none() {
        return flow::to_state(visit, &flow);
    }
    match verify::code(visit, &mut flow, CheckMail::default()).await {
        Ok(step) => flow::onward(visit, &flow, step),
        Err(answer) => *answer,
    }
}

async fn address(visit: &Visit<'_>, flow: &mut Flow) -> Result<Reply, Refusal> {
    let Some(email) = visit.request.form().get("email") else {
        return Ok(problems::again(ask(visit, Some(flow), "", Some(EmailProblem::Missing))?, false));
    };
    let taken = match flow::turn_to(visit, flow, Form::Recover).await {
        Ok(()) => flow::step(visit, flow, Input::Recover { email }).await,
        Err(error) => Err(error),
    };
    let error = match taken {
        Ok(step) => return flow::onward(visit, flow, step),
        Err(error) => error,
    };
    match flow::beyond_repair(visit, flow, error) {
        Ok(answer) => answer,
        Err(StepError::Limited) => {
            let page = RecoverRequest {
                flow: Some(flow.id.to_string()),
                email: email.to_owned(),
                problem: Some(problems::too_many()),
                ..RecoverRequest::default()
            };
            Ok(problems::patience(visit.page(&page, flow::policy(Some(flow)))?))
        }
        Err(_) => Ok(problems::again(ask(visit, Some(flow), email, Some(EmailProblem::Malformed))?, false)),
    }
}

async fn password(visit: &Visit<'_>, flow: &mut Flow) -> Result<Reply, Refusal> {
    let Some(password) = visit.request.form().secret("password") else {
        return Ok(problems::again(new_password(visit, flow, Some(NewPasswordProblem::Missing))?, false));
    };
    let error = match flow::step(visit, flow, Input::NewPassword(&password)).await {
        Ok(step) => return flow::onward(visit, flow, step),
        Err(error) => error,
    };
    match flow::beyond_repair(visit, flow, error) {
        Ok(answer) => answer,
        Err(StepError::Password(refusal)) => {
            let problem = problems::new_password(&refusal);
            Ok(problems::again(new_password(visit, flow, Some(problem))?, false))
        }
        Err(_) => Err(flow::gone()),
    }
}

fn ask(
    visit: &Visit<'_>,
    flow: Option<&Flow>,
    email: &str,
    email_problem: Option<EmailProblem>,
) -> Result<Reply, Refusal> {
    let flow_id = flow.map(|flow| flow.id.to_string());
    let page = RecoverRequest { flow: flow_id, email: email.to_owned(), email_problem, ..RecoverRequest::default() };
    visit.page(&page, flow::policy(flow))
}

fn new_password(
    visit: &Visit<'_>,
    flow: &Flow,
    password_problem: Option<NewPasswordProblem>,
) -> Result<Reply, Refusal> {
    let State::NewPassword { email, .. } = &flow.state else { return flow::to_state(visit, flow) };
    let page = RecoverPassword {
        flow: Some(flow.id.to_string()),
        email: email.clone(),
        password_min: visit.request.realm().settings.passwords.minimum,
        problem: None,
        password_problem,
    };
    visit.page(&page, flow::policy(Some(flow)))
}
