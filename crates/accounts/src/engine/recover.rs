//! A forgotten password: a code to the mailbox, then a new password. Nobody is signed in by it, and everything that was
//! signed in before ends (A082, A122).

use claviger_audit::{Cx, Event};
use claviger_identity::emails::{self, EmailKey};
use claviger_identity::mailbox::{self, Purpose};
use claviger_identity::{attempts, passwords, users};
use claviger_kernel::{Actor, Secret, Unavailable, UserId};
use claviger_notify::{Message, Template};
use claviger_session::{revocations, sessions};
use claviger_storage::CommitError;

use super::join::refusal;
use super::{Step, StepError};
use crate::changes::NOTICE_LIFE;
use crate::flow::{Flow, State};
use crate::{Accounts, limits};

impl Accounts {
    pub(super) async fn recover(&self, cx: &Cx, flow: &mut Flow, email: &str) -> Result<Step, StepError> {
        let key = EmailKey::parse(email).map_err(|_| StepError::Address)?;
        if !limits::may_ask(cx).await? {
            return Err(StepError::Limited);
        }
        self.send_reset_code(cx, flow, &key).await?;
        flow.move_to(cx, State::ConfirmReset { email: key.address().to_owned() }).await?;
        Ok(Step::Show)
    }

    pub(super) async fn send_reset_code(&self, cx: &Cx, flow: &mut Flow, typed: &EmailKey) -> Result<(), Unavailable> {
        // Mail goes to the stored spelling, never to the typed one (A128).
        let stored = emails::by_key(cx, typed).await?;
        let key = stored.as_ref().and_then(|email| EmailKey::parse(&email.address).ok());
        let template = if key.is_some() { Template::Reset } else { Template::NoAccount };
        let void = key.is_none();
        self.send_code(cx, flow, Purpose::Reset, key.as_ref().unwrap_or(typed), template, void).await
    }

    pub(super) async fn confirm_reset(&self, cx: &Cx, flow: &mut Flow, code: &str) -> Result<Step, StepError> {
        let mailbox = mailbox::answer(cx, &self.guard(cx)?, flow.id, Purpose::Reset, code).await?;
        let email = emails::by_key(cx, mailbox.email()).await?.ok_or(StepError::CodeOver)?;
        let user = users::by_id(cx, email.user).await?.ok_or(StepError::CodeOver)?;
        let state = State::NewPassword { user: user.id, epoch: user.epoch, email: email.address };
        flow.move_to(cx, state).await?;
        Ok(Step::Show)
    }

    pub(super) async fn reset(
        &self,
        cx: &Cx,
        flow: &mut Flow,
        (user, epoch, address): (UserId, i64, &str),
        password: &Secret<String>,
    ) -> Result<Step, StepError> {
        let realm = self.realm(cx)?;
        let key = EmailKey::parse(address).map_err(|_| StepError::Gone)?;
        // A disabled user cannot come back by a reset, and one reset voids another that was begun before it (A121).
        let found = users::by_id(cx, user).await?;
        let active = found.as_ref().and_then(users::User::active).filter(|user| user.epoch() == epoch);
        // The mailbox was proven as this user's; whose it has become meanwhile is not whose password is set.
        let email = emails::by_key(cx, &key).await?.filter(|email| email.user == user);
        let (Some(active), Some(email)) = (active, email) else { return Err(StepError::Gone) };
        let hash = self
            .passwords
            .choose(realm.settings.passwords.minimum, password, &[key.local_part(), &realm.display_name])
            .await
            .map_err(refusal)?;
        let cx = &cx.with(cx.caller.acting(Actor::User(user)));
        let mut unit = claviger_audit::unit(cx, Event::new("password_reset", user));
        users::require_active(&mut unit, &active);
        passwords::set(&mut unit, user, &hash);
        emails::verify(&mut unit, &email, &key);
        attempts::clear(&mut unit, user);
        let raised = users::raise_epoch(&mut unit, user, "password reset");
        revocations::user(&mut unit, raised);
        sessions::end_all(&mut unit, user, None, "password reset");
        if limits::may_mail(cx, &self.guard(cx)?, &key, "notice").await? {
            let notice = Message {
                template: Template::PasswordChanged,
                language: &flow.language,
                to: address,
                code: None,
                facts: &[],
                life: NOTICE_LIFE,
            };
            self.notifier.queue(&mut unit, cx, &notice)?;
        }
        match cx.commit(unit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(_)) => return Err(StepError::Gone),
            Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
        }
        self.notifier.wake();
        flow.move_to(cx, State::SignIn { email: address.to_owned() }).await?;
        Ok(Step::PasswordReset)
    }
}
