//! `/verify`: the code that proves an address, when signing up or before the first sign-in.

use std::sync::Arc;

use claviger_accounts::{Flow, Input, State, Step, StepError};
use claviger_ui::{CheckMail, CodeFor, CodeProblem, Problem};

use super::{Visit, flow, problems};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};

/// GET: the code form. It belongs to a flow that waits for a code; any other goes to its own page.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let Some(flow) = flow::shown(visit).await? else { return visit.go("/login") };
    let page = CheckMail { resent: request.query().get("resent").is_some(), ..CheckMail::default() };
    if address(&flow.state).is_none() {
        return flow::to_state(visit, &flow);
    }
    render(visit, &flow, page)
}

/// POST: the code, or the wish for another mail.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let mut flow = flow::posted(visit, State::SignIn { email: String::new() }).await?;
    if address(&flow.state).is_none() {
        return flow::to_state(visit, &flow);
    }
    let confirms = matches!(flow.state, State::ConfirmAddress { .. });
    match code(visit, &mut flow, CheckMail::default()).await {
        Ok(Step::Show) if confirms && matches!(flow.state, State::SignIn { .. }) => {
            visit.go(&format!("/login?flow={}&done=address", flow.id))
        }
        Ok(step) => flow::onward(visit, &flow, step),
        Err(answer) => *answer,
    }
}

/// Hands in a code or asks for another mail; `Err` is the answer to a form that was not taken. `/recover` asks for codes
/// in the same way.
pub(super) async fn code(
    visit: &Visit<'_>,
    flow: &mut Flow,
    mut page: CheckMail,
) -> Result<Step, Box<Result<Reply, Refusal>>> {
    let form = visit.request.form();
    if form.get("resend").is_some() {
        return match flow::step(visit, flow, Input::Resend).await {
            Ok(_) => Err(Box::new(visit.go(&format!("{}?flow={}&resent=1", flow::path_of(&flow.state), flow.id)))),
            Err(error) => Err(Box::new(refused(visit, flow, page, error))),
        };
    }
    let Some(typed) = form.get("code") else {
        page.code_problem = Some(CodeProblem::Missing);
        return Err(Box::new(render(visit, flow, page).map(|reply| problems::again(reply, false))));
    };
    typed.clone_into(&mut page.code);
    flow::step(visit, flow, Input::Code(typed)).await.map_err(|error| Box::new(refused(visit, flow, page, error)))
}

fn refused(visit: &Visit<'_>, flow: &Flow, mut page: CheckMail, error: StepError) -> Result<Reply, Refusal> {
    let limited = match flow::beyond_repair(visit, flow, error) {
        Ok(answer) => return answer,
        Err(error) => error == StepError::Limited,
    };
    page.problem = Some(if limited { problems::too_many() } else { Problem::CodeRefused });
    Ok(problems::again(render(visit, flow, page)?, limited))
}

/// The address whose code a state waits for, and what the code is for.
pub(super) fn address(state: &State) -> Option<(&str, CodeFor)> {
    match state {
        State::ConfirmSignUp(pending) => Some((&pending.email, CodeFor::Verify)),
        State::ConfirmAddress { email } => Some((email, CodeFor::Verify)),
        State::ConfirmReset { email } => Some((email, CodeFor::Recover)),
        _ => None,
    }
}

/// The code form of a flow that waits for one.
pub(super) fn render(visit: &Visit<'_>, flow: &Flow, mut page: CheckMail) -> Result<Reply, Refusal> {
    let (email, purpose) = address(&flow.state).ok_or_else(flow::gone)?;
    page.purpose = purpose;
    email.clone_into(&mut page.email);
    page.flow = Some(flow.id.to_string());
    visit.page(&page, flow::policy(Some(flow)))
}
