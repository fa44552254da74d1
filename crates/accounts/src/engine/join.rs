//! Signing up, and proving the address of an account.
//!
//! Nothing is made before the mailbox is proven, so a stranger who signs up with somebody's address has nothing in it
//! (A135). With an address that has an account, the same work is done and its owner is told by mail (A100).

use claviger_audit::{Cx, Event, quiet};
use claviger_identity::emails::{self, EmailKey};
use claviger_identity::mailbox::{self, Purpose};
use claviger_identity::newcomers;
use claviger_identity::passwords::{self, NewPasswordError, PasswordHash, RightPassword};
use claviger_identity::users::Claims;
use claviger_kernel::{Secret, Timestamp, Unavailable};
use claviger_notify::{Message, Template};
use claviger_storage::CommitError;

use super::{Browser, Step, StepError};
use crate::flow::{Flow, Pending, State};
use crate::{Accounts, limits};

impl Accounts {
    pub(super) async fn sign_up(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        name: &str,
        email: &str,
        password: &Secret<String>,
    ) -> Result<Step, StepError> {
        let realm = self.realm(cx)?;
        if !realm.settings.sign_up.open {
            return Err(StepError::Closed);
        }
        let email = EmailKey::parse(email).map_err(|_| StepError::Address)?;
        let name = name.trim();
        claims_of(name).map_err(|()| StepError::Name)?;
        if !limits::may_ask(cx).await? {
            return Err(StepError::Limited);
        }
        let hash = self
            .passwords
            .choose(realm.settings.passwords.minimum, password, &[email.local_part(), name, &realm.display_name])
            .await
            .map_err(refusal)?;
        let pending = Pending {
            email: email.address().to_owned(),
            name: name.to_owned(),
            hash: hash.to_string(),
            chosen_at: cx.now().micros(),
        };
        self.send_sign_up_code(cx, flow, &email).await?;
        flow.move_to(cx, State::ConfirmSignUp(pending)).await?;
        Ok(Step::Show)
    }

    pub(super) async fn send_sign_up_code(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        email: &EmailKey,
    ) -> Result<(), Unavailable> {
        let taken = emails::by_key(cx, email).await?.is_some();
        let template = if taken { Template::AlreadyRegistered } else { Template::Verify };
        self.send_code(cx, flow, Purpose::SignUp, email, template, taken).await
    }

    /// Begins the challenge and queues its mail: the same two writes whatever the address is.
    pub(super) async fn send_code(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        purpose: Purpose,
        email: &EmailKey,
        template: Template,
        void: bool,
    ) -> Result<(), Unavailable> {
        let guard = self.guard(cx)?;
        let flows = &self.realm(cx)?.settings.flows;
        let life = if purpose == Purpose::Reset { flows.reset } else { flows.verification };
        flow.extend(cx.now().plus(life));
        let allowed = limits::may_mail(cx, &guard, email, purpose.as_str()).await?;
        // A code that no mail carries can only be guessed: asking again and again gives nobody more guesses.
        let void = void || !allowed;
        let code = mailbox::challenge(cx, &guard, flow.id, purpose, email, void, life).await?;
        let mut unit = quiet(cx, "a mail with a code; what the code leads to leaves its own event");
        if allowed {
            let message = Message {
                template,
                language: &flow.language,
                to: email.address(),
                code: Some(code.digits()),
                facts: &[],
                life,
            };
            self.notifier.queue(&mut unit, cx, &message)?;
        }
        super::committed(cx.commit(unit).await)?;
        self.notifier.wake();
        Ok(())
    }

    pub(super) async fn confirm_sign_up(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        pending: &Pending,
        code: &str,
        browser: &Browser,
    ) -> Result<Step, StepError> {
        if !self.realm(cx)?.settings.sign_up.open {
            return Err(StepError::Closed);
        }
        let mailbox = mailbox::answer(cx, &self.guard(cx)?, flow.id, Purpose::SignUp, code).await?;
        let hash = PasswordHash::parse(&pending.hash).map_err(|_| StepError::Gone)?;
        let claims = claims_of(&pending.name).map_err(|()| StepError::Gone)?;
        let chosen_at = Timestamp::from_micros(pending.chosen_at);
        let id = flow.id;
        let begin = |cx: &Cx| {
            let mut unit = claviger_audit::unit(cx, Event::new("signed_up", id));
            let (user, proofs) = newcomers::sign_up(&mut unit, cx, &mailbox, claims.clone(), &hash, chosen_at);
            (unit, user, proofs)
        };
        self.open_session(cx, flow, begin, browser).await
    }

    /// The password was right, but nobody has proven the address yet: a code goes there first.
    pub(super) async fn ask_for_address(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        address: &str,
        right: &RightPassword,
    ) -> Result<Step, StepError> {
        let email = EmailKey::parse(address).map_err(|_| StepError::Wrong)?;
        let mut unit = quiet(cx, "takes back the counted attempt of a right password");
        passwords::succeeded(&mut unit, right);
        match cx.commit(unit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(_)) => return Err(StepError::Wrong),
            Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
        }
        self.send_code(cx, flow, Purpose::Verify, &email, Template::Verify, false).await?;
        flow.move_to(cx, State::ConfirmAddress { email: address.to_owned() }).await?;
        Ok(Step::Show)
    }

    pub(super) async fn confirm_address(&self, cx: &Cx, flow: &mut Flow, code: &str) -> Result<Step, StepError> {
        let mailbox = mailbox::answer(cx, &self.guard(cx)?, flow.id, Purpose::Verify, code).await?;
        let email = emails::by_key(cx, mailbox.email()).await?.ok_or(StepError::Gone)?;
        let mut unit = claviger_audit::unit(cx, Event::new("address_confirmed", email.user));
        emails::verify(&mut unit, &email, mailbox.email());
        super::committed(cx.commit(unit).await)?;
        flow.move_to(cx, State::SignIn { email: email.address }).await?;
        Ok(Step::Show)
    }

    pub(super) async fn resend(&self, cx: &Cx, flow: &mut Flow, state: State) -> Result<Step, StepError> {
        let parse = |address: &str| EmailKey::parse(address).map_err(|_| StepError::Gone);
        match &state {
            State::ConfirmSignUp(pending) => self.send_sign_up_code(cx, flow, &parse(&pending.email)?).await?,
            State::ConfirmAddress { email } => {
                self.send_code(cx, flow, Purpose::Verify, &parse(email)?, Template::Verify, false).await?;
            }
            State::ConfirmReset { email } => self.send_reset_code(cx, flow, &parse(email)?).await?,
            _ => return Err(StepError::OutOfTurn),
        }
        flow.move_to(cx, state).await?;
        Ok(Step::Show)
    }
}

fn claims_of(name: &str) -> Result<Claims, ()> {
    let mut claims = Claims::default();
    claims.set("name", name.into()).map_err(|_| ())?;
    Ok(claims)
}

pub(super) fn refusal(error: NewPasswordError) -> StepError {
    match error {
        NewPasswordError::Refused(refusal) => StepError::Password(refusal),
        NewPasswordError::Unavailable(fault) => StepError::Unavailable(fault),
    }
}
