//! The sign-in engine: one function from a state and an input to the next state, or to a session.

use std::sync::Arc;

use claviger_audit::{Cx, Event, Unit};
use claviger_crypto::opaque::{self, OpaqueKeys};
use claviger_identity::passwords::{KnownDevice, PasswordRefusal, ProveError};
use claviger_identity::risks::{self, ClearedBy};
use claviger_identity::{ActiveUser, Method, Proven, mailbox, passwords, users};
use claviger_kernel::{Actor, Secret, Unavailable, UserId, kind};
use claviger_session::sessions::{self, Device, Opened};
use claviger_session::{Complete, Requirement, Session};
use claviger_storage::CommitError;

use crate::beside::{AGAIN, Beside, Opening};
use crate::flow::{Flow, FlowGone, State};
use crate::{Accounts, lifetimes};

mod join;
mod recover;

/// How often a unit is made anew because what stands beside the session changed between look and commit.
const TRIES: u32 = 8;

/// What a person hands in.
#[derive(Debug)]
pub enum Input<'a> {
    /// Address and password.
    Password {
        /// As typed.
        email: &'a str,
        /// As typed.
        password: &'a Secret<String>,
    },
    /// Goes to the sign-up form.
    WantsAccount,
    /// Goes to the recovery form.
    WantsReset,
    /// Goes back to the sign-in form.
    WantsSignIn,
    /// Name, address and new password of a newcomer.
    SignUp {
        /// May be empty.
        name: &'a str,
        /// As typed.
        email: &'a str,
        /// As typed.
        password: &'a Secret<String>,
    },
    /// The code from the mail.
    Code(&'a str),
    /// Asks for another mail.
    Resend,
    /// The address whose password is forgotten.
    Recover {
        /// As typed.
        email: &'a str,
    },
    /// The new password, once the mailbox is proven.
    NewPassword(&'a Secret<String>),
}

/// What the browser brings along.
#[derive(Debug, Default)]
pub struct Browser {
    /// The device's label.
    pub device: Device,
    /// The cookie of a browser in which somebody was signed in before.
    pub known: Option<Secret<String>>,
    /// The session that the browser has now; it ends when another begins.
    pub session: Option<Session>,
    /// What comes into being together with the session.
    pub beside: Option<Arc<dyn Beside>>,
}

/// A person is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The session and its cookie.
    pub opened: Opened,
    /// The cookie by which this browser is known to its user from now on.
    pub known: Secret<String>,
    /// Where to go.
    pub return_to: Option<String>,
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Show the flow's state.
    Show,
    /// Signed in; the flow is used up.
    SignedIn(Box<SignedIn>),
    /// The password was reset; the flow goes on at its sign-in.
    PasswordReset,
}

/// The input was not taken; the state stays.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Address or password is wrong, or signing in is not possible: one answer for all.
    #[error("the address or the password is wrong, or signing in is not possible right now")]
    Wrong,
    /// Not an address.
    #[error("that is not one e-mail address")]
    Address,
    /// The name is too long or holds control characters.
    #[error("that cannot be a name")]
    Name,
    /// The new password breaks the policy.
    #[error(transparent)]
    Password(PasswordRefusal),
    /// Not the code.
    #[error("that is not the code from the mail")]
    Code,
    /// The code is used up.
    #[error("the code is no longer good; ask for a new one")]
    CodeOver,
    /// The realm takes no sign-ups.
    #[error("signing up is closed here")]
    Closed,
    /// Too many requests from this network.
    #[error("too many attempts from this network; wait and try again")]
    Limited,
    /// The input does not belong to the state: show the state again (A089).
    #[error("that is not what was asked")]
    OutOfTurn,
    /// Begin again.
    #[error("this sign-in has expired; begin again")]
    Gone,
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<FlowGone> for StepError {
    fn from(error: FlowGone) -> Self {
        match error {
            FlowGone::Gone => Self::Gone,
            FlowGone::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<ProveError> for StepError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Wrong => Self::Wrong,
            ProveError::Malformed(refusal) => Self::Password(refusal),
            ProveError::Source => Self::Limited,
            ProveError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<mailbox::AnswerError> for StepError {
    fn from(error: mailbox::AnswerError) -> Self {
        match error {
            mailbox::AnswerError::Wrong => Self::Code,
            mailbox::AnswerError::Over => Self::CodeOver,
            mailbox::AnswerError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl Accounts {
    /// Takes an input to a flow's state and moves the flow on.
    pub async fn step(&self, cx: &Cx, flow: &mut Flow, input: Input<'_>, browser: &Browser) -> Result<Step, StepError> {
        match (flow.state.clone(), input) {
            (_, Input::WantsSignIn) => self.show(cx, flow, State::SignIn { email: String::new() }).await,
            (State::SignIn { .. } | State::Recover | State::SignUp, Input::WantsAccount) => {
                if !self.realm(cx)?.settings.sign_up.open {
                    return Err(StepError::Closed);
                }
                self.show(cx, flow, State::SignUp).await
            }
            (State::SignIn { .. } | State::SignUp | State::Recover, Input::WantsReset) => {
                self.show(cx, flow, State::Recover).await
            }
            (State::SignIn { .. }, Input::Password { email, password }) => {
                self.sign_in(cx, flow, email, password, browser).await
            }
            (State::SignUp, Input::SignUp { name, email, password }) => {
                self.sign_up(cx, flow, name, email, password).await
            }
            (State::ConfirmSignUp(pending), Input::Code(code)) => {
                self.confirm_sign_up(cx, flow, &pending, code, browser).await
            }
            (State::ConfirmAddress { .. }, Input::Code(code)) => self.confirm_address(cx, flow, code).await,
            (State::Recover, Input::Recover { email }) => self.recover(cx, flow, email).await,
            (State::ConfirmReset { .. }, Input::Code(code)) => self.confirm_reset(cx, flow, code).await,
            (State::NewPassword { user, epoch, email }, Input::NewPassword(password)) => {
                self.reset(cx, flow, (user, epoch, &email), password).await
            }
            (state, Input::Resend) => self.resend(cx, flow, state).await,
            _ => Err(StepError::OutOfTurn),
        }
    }

    async fn show(&self, cx: &Cx, flow: &mut Flow, state: State) -> Result<Step, StepError> {
        flow.move_to(cx, state).await?;
        Ok(Step::Show)
    }

    async fn sign_in(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        email: &str,
        password: &Secret<String>,
        browser: &Browser,
    ) -> Result<Step, StepError> {
        let keys = self.opaque(cx)?;
        let known = browser.known.as_ref().and_then(|cookie| known_device(&keys, cookie));
        let right = self.passwords.prove(cx, &self.guard(cx)?, email, password, known).await?;
        if let Some((address, false)) = &right.email {
            return self.ask_for_address(cx, flow, address, &right).await;
        }
        let begin = |cx: &Cx| {
            let cx = &cx.with(cx.caller.acting(Actor::User(right.user.id())));
            let mut unit = claviger_audit::unit(cx, Event::new("signed_in", right.user.id()));
            passwords::succeeded(&mut unit, &right);
            (unit, right.user.clone(), vec![right.proven.clone()])
        };
        self.open_session(cx, flow, begin, browser).await
    }

    /// Opens the session that the flow was for. Everything that the step changes is in the unit that `begin` makes, and is
    /// committed here.
    async fn open_session(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        begin: impl Fn(&Cx) -> (Unit, ActiveUser, Vec<Proven>),
        browser: &Browser,
    ) -> Result<Step, StepError> {
        flow.finish(cx).await?;
        for _ in 0..TRIES {
            match self.try_session(cx, flow, begin(cx), browser).await {
                Err(Retry::Again) => {}
                // Who has proven a mailbox that has an account by now signs in to that one.
                Err(Retry::Taken) => {
                    let email = flow.state.address().to_owned();
                    flow.resume(cx, State::SignIn { email }).await?;
                    return Ok(Step::Show);
                }
                Err(Retry::Refused(error)) => return Err(error),
                Ok(step) => return Ok(step),
            }
        }
        Err(Unavailable::new("a grant changes faster than it can be read").into())
    }

    async fn try_session(
        &self,
        cx: &Cx,
        flow: &Flow,
        (mut unit, user, proofs): (Unit, ActiveUser, Vec<Proven>),
        browser: &Browser,
    ) -> Result<Step, Retry> {
        let user = &user;
        let cx = &cx.with(cx.caller.acting(Actor::User(user.id())));
        let keys = self.opaque(cx)?;
        let realm = self.realm(cx)?;
        let complete = Complete::judge(&proofs, &Requirement::ORDINARY, cx.now()).map_err(|_| StepError::Wrong)?;
        let opened = match &browser.session {
            // The same user proves more: the session goes on under a new secret, and with it what other applications hold.
            Some(former) if former.user == user.id() => {
                sessions::step_up(&mut unit, cx, &keys, former, user, &complete)
            }
            former => {
                if let Some(former) = former {
                    sessions::end(&mut unit, former.id, "replaced");
                }
                sessions::open(&mut unit, cx, &keys, user, &complete, &browser.device, &lifetimes(&realm))
            }
        };
        if proofs.iter().any(|proof| proof.method() == Method::Password)
            && let Some(risk) = risks::of(cx, user.id()).await?
        {
            risks::clear(&mut unit, user.id(), &risk, ClearedBy::Proof);
        }
        if let Some(beside) = &browser.beside {
            let amr: Vec<&'static str> = complete.proofs().iter().map(|proof| proof.method.as_str()).collect();
            let opening = Opening {
                session: opened.id,
                user,
                acr: complete.level().acr(),
                amr: &amr,
                authenticated_at: complete.authenticated_at(),
                device: &browser.device.label,
            };
            beside.add(cx, &mut unit, &opening).await?;
        }
        match cx.commit(unit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(AGAIN)) => return Err(Retry::Again),
            Err(CommitError::Conflict("email")) => return Err(Retry::Taken),
            Err(CommitError::Conflict(_)) => return Err(StepError::Wrong.into()),
            Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
        }
        self.notifier.wake();
        let known = known_cookie(cx, &keys, user.id());
        Ok(Step::SignedIn(Box::new(SignedIn { opened, known, return_to: flow.return_to.clone() })))
    }

    /// Ends the browser's session, and the token families opened in it.
    pub async fn sign_out(&self, cx: &Cx, session: &Session) -> Result<(), Unavailable> {
        let mut unit = claviger_audit::unit(cx, Event::new("signed_out", session.user));
        sessions::end(&mut unit, session.id, "signed out");
        committed(cx.commit(unit).await)
    }

    /// The session of this cookie, if it is good now; keeps it from idling out.
    pub async fn session(&self, cx: &Cx, cookie: &str) -> Result<Option<Session>, Unavailable> {
        use sessions::PresentError as E;
        let keys = self.opaque_for(cx, cookie).await?;
        match self.sessions.present(cx, &keys, cookie).await {
            Ok(session) => {
                // A store that cannot write now does not sign anybody out; the next request tries again.
                if let Err(fault) = self.sessions.touch(cx, &session, &lifetimes(&*self.realm(cx)?)).await {
                    tracing::warn!(reason = fault.reason(), "the use of a session was not noted");
                }
                Ok(Some(session))
            }
            Err(E::Unavailable(fault)) => Err(fault),
            Err(reason) => {
                tracing::debug!(%reason, "a session cookie opened nothing");
                Ok(None)
            }
        }
    }

    /// The user behind a session, if still active.
    pub async fn user(&self, cx: &Cx, session: &Session) -> Result<Option<users::User>, Unavailable> {
        Ok(users::by_id(cx, session.user).await?.filter(|user| user.active().is_some()))
    }
}

/// Why a unit was not committed.
enum Retry {
    /// What stands beside the session has changed: look again.
    Again,
    /// Somebody else has made an account with the address.
    Taken,
    Refused(StepError),
}

impl From<StepError> for Retry {
    fn from(error: StepError) -> Self {
        Self::Refused(error)
    }
}

impl From<Unavailable> for Retry {
    fn from(fault: Unavailable) -> Self {
        Self::Refused(fault.into())
    }
}

fn known_device(keys: &OpaqueKeys, cookie: &Secret<String>) -> Option<KnownDevice> {
    let opaque = opaque::parse(opaque::Kind::KnownDevice, cookie.expose(), keys).ok()?;
    Some(KnownDevice { user: opaque.id::<kind::User>(), device: opaque.hash() })
}

fn known_cookie(cx: &Cx, keys: &OpaqueKeys, user: UserId) -> Secret<String> {
    opaque::mint(opaque::Kind::KnownDevice, keys, user, 0, &Secret::new(cx.random::<32>()))
}

/// A conflict in a unit that only repeats what somebody else has done is no failure.
pub(crate) fn committed(outcome: Result<claviger_storage::Committed, CommitError>) -> Result<(), Unavailable> {
    match outcome {
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Unavailable(fault)) => Err(fault),
    }
}
