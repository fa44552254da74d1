//! Flows as pages know them: found by the `flow` field and the browser's cookie, begun by the first POST, and shown at the
//! address that belongs to their state.

use claviger_accounts::{Browser, Flow, FlowGone, Input, NewFlow, SignedIn, State, Step, StepError};
use claviger_kernel::{ErrorClass, FlowId, Unavailable};
use claviger_ui::ErrorKind;

use super::Visit;
use crate::base::{Csp, Refusal, Reply};

/// Where a flow leads once somebody is signed in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Onward<'a> {
    /// A path of ours.
    pub(crate) return_to: Option<&'a str>,
    /// The application's name.
    pub(crate) application: Option<&'a str>,
}

/// Begins a flow in this browser.
pub(crate) async fn begin(visit: &Visit<'_>, state: State, onward: Onward<'_>) -> Result<Flow, Unavailable> {
    let new = NewFlow {
        state,
        binding: visit.binding,
        return_to: onward.return_to,
        application: onward.application,
        language: &visit.texts.tag(),
        life: visit.request.realm().settings.flows.sign_in,
    };
    Flow::begin(&visit.cx, new).await
}

/// The flow that the address names, if it is this browser's. A page without one is a fresh start.
pub(super) async fn shown(visit: &mut Visit<'_>) -> Result<Option<Flow>, Unavailable> {
    let named = visit.request.query().get("flow");
    named_flow(visit, named).await
}

/// The flow that a form was posted in, if it is still there; a form without one begins one in `first`.
///
/// # Errors
/// 400: it has expired, was finished, or was begun in another browser (A032).
pub(super) async fn posted(visit: &mut Visit<'_>, first: State) -> Result<Flow, Refusal> {
    visit.check_csrf(&visit.binding)?;
    let named = visit.request.form().get("flow");
    match named_flow(visit, named).await? {
        Some(flow) => Ok(flow),
        None if named.is_none() => Ok(begin(visit, first, Onward::default()).await?),
        None => Err(gone()),
    }
}

/// The forms of a flow between which a person may go to and fro.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    SignIn,
    SignUp,
    Recover,
}

impl Form {
    /// The state in which a flow begins that asks for it.
    pub(crate) const fn state(self) -> State {
        match self {
            Self::SignIn => State::SignIn { email: String::new() },
            Self::SignUp => State::SignUp,
            Self::Recover => State::Recover,
        }
    }
}

/// Brings a flow to `form`, wherever it stands: what was proven on the way there is dropped, nothing is gained.
pub(crate) async fn turn_to(visit: &Visit<'_>, flow: &mut Flow, form: Form) -> Result<(), StepError> {
    let (accounts, browser) = (&visit.surfaces.accounts, Browser::default());
    let there = match flow.state {
        State::SignIn { .. } => Some(Form::SignIn),
        State::SignUp => Some(Form::SignUp),
        State::Recover => Some(Form::Recover),
        _ => None,
    };
    if there == Some(form) {
        return Ok(());
    }
    if there.is_none() || form == Form::SignIn {
        accounts.step(&visit.cx, flow, Input::WantsSignIn, &browser).await?;
    }
    match form {
        Form::SignIn => {}
        Form::SignUp => drop(accounts.step(&visit.cx, flow, Input::WantsAccount, &browser).await?),
        Form::Recover => drop(accounts.step(&visit.cx, flow, Input::WantsReset, &browser).await?),
    }
    Ok(())
}

/// Hands an input to the engine.
pub(super) async fn step(visit: &Visit<'_>, flow: &mut Flow, input: Input<'_>) -> Result<Step, StepError> {
    let browser = visit.browser().await?;
    visit.surfaces.accounts.step(&visit.cx, flow, input, &browser).await
}

/// Goes on after an input that was taken.
pub(super) fn onward(visit: &Visit<'_>, flow: &Flow, step: Step) -> Result<Reply, Refusal> {
    match step {
        Step::Show => to_state(visit, flow),
        Step::PasswordReset => visit.go(&format!("/login?flow={}&done=password", flow.id)),
        Step::SignedIn(signed_in) => signed_in_reply(visit, &signed_in),
    }
}

fn signed_in_reply(visit: &Visit<'_>, signed_in: &SignedIn) -> Result<Reply, Refusal> {
    let home = visit.path(claviger_ui::HOME);
    let reply = Reply::see_other(signed_in.return_to.as_deref().unwrap_or(&home))?;
    Ok(visit.with_known(visit.with_session(visit.with_binding(reply), &signed_in.opened), &signed_in.known))
}

/// To the page of the flow's state.
pub(super) fn to_state(visit: &Visit<'_>, flow: &Flow) -> Result<Reply, Refusal> {
    visit.go_in(path_of(&flow.state), flow.id)
}

/// The page that asks what the state asks.
pub(super) const fn path_of(state: &State) -> &'static str {
    match state {
        State::SignIn { .. } => "/login",
        State::SignUp => "/signup",
        State::ConfirmSignUp(_) | State::ConfirmAddress { .. } => "/verify",
        State::Recover | State::ConfirmReset { .. } | State::NewPassword { .. } => "/recover",
    }
}

/// The policy of a page in which this flow may end: with an application waiting, the last redirect leaves the house.
pub(super) fn policy(flow: Option<&Flow>) -> Csp {
    if flow.is_some_and(|flow| flow.return_to.is_some()) { Csp::FormToClient } else { Csp::Form }
}

/// The refusals that no page can mend. `Err` gives the others back.
pub(super) fn beyond_repair(
    visit: &Visit<'_>,
    flow: &Flow,
    error: StepError,
) -> Result<Result<Reply, Refusal>, StepError> {
    match error {
        StepError::Gone => Ok(Err(gone())),
        StepError::OutOfTurn => Ok(to_state(visit, flow)),
        StepError::Closed => Ok(visit.go_in("/login", flow.id)),
        StepError::Unavailable(fault) => Ok(Err(fault.into())),
        other => Err(other),
    }
}

/// 400: nothing of this browser's goes by that name.
pub(crate) fn gone() -> Refusal {
    let detail = "This sign-in has expired, is finished, or was begun in another browser. Begin again.";
    Refusal::new(ErrorClass::Invalid, "flow_gone", detail).page_kind(ErrorKind::FlowExpired)
}

/// The flow of this id, if it is this browser's. Its page speaks the flow's language from here on.
pub(crate) async fn named_flow(visit: &mut Visit<'_>, named: Option<&str>) -> Result<Option<Flow>, Unavailable> {
    let Some(id) = named.and_then(|text| text.parse::<FlowId>().ok()) else { return Ok(None) };
    match Flow::load(&visit.cx, id, &visit.binding).await {
        Ok(flow) => {
            visit.speak(&flow.language);
            Ok(Some(flow))
        }
        Err(FlowGone::Gone) => Ok(None),
        Err(FlowGone::Unavailable(fault)) => Err(fault),
    }
}
