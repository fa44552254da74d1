//! What a signed-in user changes about the own account.

use core::time::Duration;

use claviger_audit::{Cx, Event};
use claviger_identity::passwords::{NewPasswordError, PasswordRefusal, ProveError};
use claviger_identity::risks::{self, ClearedBy};
use claviger_identity::{emails, passwords};
use claviger_kernel::{Secret, Unavailable};
use claviger_notify::{Message, Template};
use claviger_session::sessions::{self, Opened};
use claviger_session::{Complete, Requirement, Session};
use claviger_storage::CommitError;

use crate::Accounts;

/// For how long a notice is of use.
pub(crate) const NOTICE_LIFE: Duration = Duration::from_hours(3 * 24);

/// The change was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The current password is not that one, or may not be tried now.
    #[error("the current password is wrong, or cannot be checked right now")]
    Wrong,
    /// The new password breaks the policy.
    #[error(transparent)]
    Password(PasswordRefusal),
    /// Too many failures from this network.
    #[error("too many failed attempts from this network; wait and try again")]
    Limited,
    /// The session ended meanwhile: sign in again.
    #[error("this session is over")]
    SignedOut,
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ProveError> for ChangeError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Wrong => Self::Wrong,
            ProveError::Malformed(refusal) => Self::Password(refusal),
            ProveError::Source => Self::Limited,
            ProveError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl Accounts {
    /// Changes the password of the session's user: asks for the present one, ends every other session and family, gives
    /// this session a new secret, and tells the user by mail (A117).
    pub async fn change_password(
        &self,
        cx: &Cx,
        session: &Session,
        current: &Secret<String>,
        new: &Secret<String>,
        language: &str,
    ) -> Result<Opened, ChangeError> {
        let realm = self.realm(cx)?;
        let right = self.passwords.prove_user(cx, session.user, current).await?;
        let email = emails::main_of(cx, session.user).await?;
        let local = email.as_ref().map_or("", |email| email.address.rsplit_once('@').map_or("", |(local, _)| local));
        let hash =
            match self.passwords.choose(realm.settings.passwords.minimum, new, &[local, &realm.display_name]).await {
                Ok(hash) => hash,
                Err(NewPasswordError::Refused(refusal)) => return Err(ChangeError::Password(refusal)),
                Err(NewPasswordError::Unavailable(fault)) => return Err(fault.into()),
            };
        let proofs = [right.proven.clone()];
        let risk = risks::of(cx, session.user).await?;
        let requirement = Requirement { since: risk.as_ref().map(|risk| risk.last_at), ..Requirement::ORDINARY };
        let complete = Complete::judge(&proofs, &requirement, cx.now()).map_err(|_| ChangeError::SignedOut)?;
        let mut unit = claviger_audit::unit(cx, Event::new("password_changed", session.user));
        passwords::succeeded(&mut unit, &right);
        passwords::set(&mut unit, session.user, &hash);
        sessions::end_all(&mut unit, session.user, Some(session.id), "password changed");
        if let Some(risk) = &risk {
            risks::clear(&mut unit, session.user, risk, ClearedBy::Proof);
        }
        let opened = sessions::step_up(&mut unit, cx, &*self.opaque(cx)?, session, &right.user, &complete);
        if let Some(email) = &email {
            let notice = Message {
                template: Template::PasswordChanged,
                language,
                to: &email.address,
                code: None,
                facts: &[],
                life: NOTICE_LIFE,
            };
            self.notifier.queue(&mut unit, cx, &notice)?;
        }
        match cx.commit(unit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(_)) => return Err(ChangeError::SignedOut),
            Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
        }
        self.notifier.wake();
        Ok(opened)
    }
}
