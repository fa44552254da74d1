//! What an administrator does to an account.

use claviger_audit::{Cx, Event};
use claviger_authorization::{Role, roles};
use claviger_identity::emails::EmailKey;
use claviger_identity::passwords::{NewPasswordError, PasswordRefusal};
use claviger_identity::risks::{self, ClearedBy};
use claviger_identity::users::{self, ActiveUser, NewUser};
use claviger_identity::{attempts, newcomers, passwords};
use claviger_kernel::{Secret, Unavailable, UserId};
use claviger_session::{revocations, sessions};
use claviger_storage::CommitError;

use crate::Accounts;

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Subject and profile.
    pub user: NewUser,
    /// The address.
    pub email: &'a EmailKey,
    /// Whether the administrator vouches for it.
    pub verified: bool,
    /// The first password; without one the user comes in by a reset.
    pub password: Option<&'a Secret<String>>,
    /// Roles to hold from the first moment.
    pub roles: &'a [Role],
}

/// The account was not changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdministrationError {
    /// Another user has the address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// Another user has the subject.
    #[error("another user has this subject")]
    SubjectTaken,
    /// The password breaks the policy.
    #[error(transparent)]
    Password(PasswordRefusal),
    /// There is no such user, or nothing to change.
    #[error("there is no such user, or the user is in that state already")]
    NoChange,
    /// Nobody else holds the administrator's role.
    #[error("nobody else holds this role; give it to somebody first")]
    LastHolder,
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<CommitError> for AdministrationError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict("email") => Self::EmailTaken,
            CommitError::Conflict("subject") => Self::SubjectTaken,
            CommitError::Conflict("last_holder") => Self::LastHolder,
            CommitError::Conflict(_) => Self::NoChange,
            CommitError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl Accounts {
    /// Makes an account.
    pub async fn create(&self, cx: &Cx, new: NewAccount<'_>) -> Result<ActiveUser, AdministrationError> {
        let realm = self.realm(cx)?;
        let hash = match new.password {
            None => None,
            Some(password) => {
                match self
                    .passwords
                    .choose(realm.settings.passwords.minimum, password, &[new.email.local_part(), &realm.display_name])
                    .await
                {
                    Ok(hash) => Some(hash),
                    Err(NewPasswordError::Refused(refusal)) => return Err(AdministrationError::Password(refusal)),
                    Err(NewPasswordError::Unavailable(fault)) => return Err(fault.into()),
                }
            }
        };
        let mut unit = claviger_audit::unit(cx, Event::new("account_created", new.email));
        let user = newcomers::by_administrator(&mut unit, cx, new.user, new.email, new.verified, hash.as_ref());
        for role in new.roles {
            roles::assign(&mut unit, user.id(), *role);
        }
        cx.commit(unit).await?;
        Ok(user)
    }

    /// Disables a user: nothing issued before is good any more, and nothing new is issued (A087).
    /// The last holder of a role cannot be disabled: a realm keeps an administrator (A186).
    pub async fn disable(&self, cx: &Cx, user: UserId) -> Result<(), AdministrationError> {
        let held = roles::of_user(cx, user).await?;
        let mut unit = claviger_audit::unit(cx, Event::new("account_disabled", user));
        let raised = users::disable(&mut unit, user);
        revocations::user(&mut unit, raised);
        sessions::end_all(&mut unit, user, None, "user disabled");
        for role in held {
            roles::require_other_holder(&mut unit, user, role);
        }
        cx.commit(unit).await?;
        Ok(())
    }

    /// Lets a disabled user sign in again. What ended stays ended.
    pub async fn enable(&self, cx: &Cx, user: UserId) -> Result<(), AdministrationError> {
        let mut unit = claviger_audit::unit(cx, Event::new("account_enabled", user));
        users::enable(&mut unit, user);
        attempts::clear(&mut unit, user);
        cx.commit(unit).await?;
        Ok(())
    }

    /// Opens an account that was locked by failed attempts.
    pub async fn unlock(&self, cx: &Cx, user: UserId) -> Result<(), AdministrationError> {
        let mut unit = claviger_audit::unit(cx, Event::new("account_unlocked", user));
        attempts::clear(&mut unit, user);
        cx.commit(unit).await?;
        Ok(())
    }

    /// Takes the mark off an account at risk: the administrator has spoken with the user.
    pub async fn clear_risk(&self, cx: &Cx, user: UserId) -> Result<(), AdministrationError> {
        let risk = risks::of(cx, user).await?.ok_or(AdministrationError::NoChange)?;
        let mut unit = claviger_audit::unit(cx, Event::new("account_risk_cleared", user));
        risks::clear(&mut unit, user, &risk, ClearedBy::Administrator);
        cx.commit(unit).await?;
        Ok(())
    }

    /// Sets a user's password and ends everything that was signed in.
    pub async fn set_password(&self, cx: &Cx, user: UserId, new: &Secret<String>) -> Result<(), AdministrationError> {
        let realm = self.realm(cx)?;
        let hash = match self.passwords.choose(realm.settings.passwords.minimum, new, &[&realm.display_name]).await {
            Ok(hash) => hash,
            Err(NewPasswordError::Refused(refusal)) => return Err(AdministrationError::Password(refusal)),
            Err(NewPasswordError::Unavailable(fault)) => return Err(fault.into()),
        };
        let mut unit = claviger_audit::unit(cx, Event::new("account_password_set", user));
        passwords::set(&mut unit, user, &hash);
        let raised = users::raise_epoch(&mut unit, user, "password set by an administrator");
        revocations::user(&mut unit, raised);
        sessions::end_all(&mut unit, user, None, "password set by an administrator");
        attempts::clear(&mut unit, user);
        cx.commit(unit).await?;
        Ok(())
    }

    /// Ends everything that a user is signed in to.
    pub async fn end_sessions(&self, cx: &Cx, user: UserId) -> Result<(), AdministrationError> {
        let mut unit = claviger_audit::unit(cx, Event::new("account_signed_out", user));
        let raised = users::raise_epoch(&mut unit, user, "signed out everywhere");
        revocations::user(&mut unit, raised);
        sessions::end_all(&mut unit, user, None, "signed out everywhere");
        cx.commit(unit).await?;
        Ok(())
    }

    /// Gives a user a role.
    pub async fn assign_role(&self, cx: &Cx, user: UserId, role: Role) -> Result<(), AdministrationError> {
        let mut unit = claviger_audit::unit(cx, Event::new("role_given", user).with("role", role.as_str()));
        roles::assign(&mut unit, user, role);
        cx.commit(unit).await?;
        Ok(())
    }

    /// Takes a role from a user; the last holder keeps it.
    pub async fn unassign_role(&self, cx: &Cx, user: UserId, role: Role) -> Result<(), AdministrationError> {
        let mut unit = claviger_audit::unit(cx, Event::new("role_taken", user).with("role", role.as_str()));
        roles::unassign(&mut unit, user, role);
        cx.commit(unit).await?;
        Ok(())
    }
}
