//! Passwords: proving one, choosing one, replacing one.
//!
//! [`Passwords::prove`] does the same work whether or not the account exists, is locked or is disabled: one look-up, one
//! durable count, one hash (A100, A101). The guess is counted before the hash is computed (A102).

use std::sync::Arc;

use claviger_audit::{Cx, Event, Unit, refused};
use claviger_authenticators::password::{HashWorkers, PasswordPolicy, PresentedPassword};
pub use claviger_authenticators::password::{PasswordHash, PasswordRefusal};
use claviger_crypto::MacKey;
use claviger_kernel::{Secret, Unavailable, UserId};
use claviger_storage::args;

use crate::attempts::{self, ReserveError, Reserved, Subject};
use crate::emails::EmailKey;
use crate::users::ActiveUser;
use crate::{Method, Proven};

pub(crate) mod sql;

/// The hash workers and the policy, built once by the binary.
#[derive(Clone)]
pub struct Passwords {
    workers: Arc<HashWorkers>,
    policy: PasswordPolicy,
}

/// A browser in which a user was signed in before, as its cookie proves.
#[derive(Clone, Copy, Debug)]
pub struct KnownDevice {
    /// Who was signed in.
    pub user: UserId,
    /// The hash of the cookie's secret.
    pub device: [u8; 32],
}

/// A password that was right, of a user who may sign in.
#[derive(Debug)]
pub struct RightPassword {
    /// Who.
    pub user: ActiveUser,
    /// The proof, for whoever judges whether the proofs are enough.
    pub proven: Proven,
    /// The address used, as stored, and whether it has been verified; `None` where no address was used.
    pub email: Option<(String, bool)>,
    reserved: Reserved,
    version: i64,
    renewed: Option<PasswordHash>,
}

/// Why nobody was proven.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// Wrong password, no such account, locked, or disabled: outside there is no difference.
    #[error("the address or the password is wrong, or signing in is not possible right now")]
    Wrong,
    /// The text cannot be a password of anybody's: longer than the limit.
    #[error(transparent)]
    Malformed(PasswordRefusal),
    /// Too many failures from this network.
    #[error("too many failed attempts from this network; wait and try again")]
    Source,
    /// Try later; the password was not judged.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ReserveError> for ProveError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Source => Self::Source,
            ReserveError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

/// Why a new password was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// It breaks the policy.
    #[error(transparent)]
    Refused(#[from] PasswordRefusal),
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Passwords {
    /// The service over these workers and this policy.
    pub const fn new(workers: Arc<HashWorkers>, policy: PasswordPolicy) -> Self {
        Self { workers, policy }
    }

    /// The policy, for the hints that pages show.
    pub const fn policy(&self) -> &PasswordPolicy {
        &self.policy
    }

    /// Judges the password of whoever has this address. `guard` keys the buckets of unknown addresses.
    pub async fn prove(
        &self,
        cx: &Cx,
        guard: &MacKey,
        email: &str,
        typed: &Secret<String>,
        device: Option<KnownDevice>,
    ) -> Result<RightPassword, ProveError> {
        let presented = PresentedPassword::new(typed).map_err(ProveError::Malformed)?;
        let key = EmailKey::parse(email).ok();
        let folded = key.as_ref().map_or(email.trim(), EmailKey::folded);
        let found = match &key {
            Some(key) => cx.db.get(&sql::BY_EMAIL, args![cx.realm(), key.folded()], sql::by_email).await?,
            None => None,
        };
        let subject = found.as_ref().map_or_else(|| unknown(guard, folded), |row| subject_of(row.user.id, device));
        self.judge(cx, subject, found, presented).await
    }

    /// Judges the password of a user who is known already: before a change, or for a step-up.
    pub async fn prove_user(&self, cx: &Cx, user: UserId, typed: &Secret<String>) -> Result<RightPassword, ProveError> {
        let presented = PresentedPassword::new(typed).map_err(ProveError::Malformed)?;
        let found = cx.db.get(&sql::BY_USER, args![cx.realm(), user], sql::by_user).await?;
        self.judge(cx, Subject::Account(user), found, presented).await
    }

    async fn judge(
        &self,
        cx: &Cx,
        subject: Subject,
        found: Option<sql::Found>,
        presented: PresentedPassword,
    ) -> Result<RightPassword, ProveError> {
        let reserved = attempts::reserve(cx, subject, cx.caller.source).await?;
        let stored = found.as_ref().and_then(|row| row.password.as_ref()).filter(|_| reserved.allowed);
        let verdict = match stored {
            Some((hash, _)) => self.workers.verify(presented.clone(), hash).await,
            None => self.workers.verify_absent(presented.clone()).await,
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(fault) => {
                if let Err(fault) = attempts::give_back(cx, &reserved).await {
                    tracing::warn!(reason = fault.reason(), "a guess that nobody judged stays counted");
                }
                return Err(fault.into());
            }
        };
        let right =
            found.filter(|_| verdict.matches).and_then(|row| Some((row.user.active()?, row.password?.1, row.email)));
        let Some((user, version, email)) = right else {
            refused(cx, &Event::new("password_refused", event_subject(subject)).with("locked", !reserved.allowed));
            return Err(ProveError::Wrong);
        };
        // With no room for a second hash now, the next sign-in renews it.
        let renewed = if verdict.needs_rehash { self.workers.rehash(presented).await.ok() } else { None };
        let proven = Proven::new(user.id(), Method::Password, cx.now());
        Ok(RightPassword { user, proven, email, reserved, version, renewed })
    }

    /// Checks a new password against the policy, with the realm's `minimum` of characters, and hashes it. `context` are
    /// words that it may not be made of: the address, the name, the realm's name.
    pub async fn choose(
        &self,
        minimum: u32,
        typed: &Secret<String>,
        context: &[&str],
    ) -> Result<PasswordHash, NewPasswordError> {
        let minimum = usize::try_from(minimum).unwrap_or(usize::MAX);
        // The realm's settings are bounded as the policy is; the stricter default stands in for anything else.
        let policy = PasswordPolicy::new(minimum, self.policy.minimum(true).min(minimum)).unwrap_or(self.policy);
        let password = policy.check(typed, context, false)?;
        Ok(self.workers.hash(password).await?)
    }
}

/// Adds to the unit of a success what the success pays back: the counters, and a stronger hash where one was due.
///
/// The commit depends on the password still being the one that was judged: conflict `password_same` if it was changed
/// meanwhile (A115).
pub fn succeeded(unit: &mut Unit, right: &RightPassword) {
    let user = right.user.id();
    attempts::succeeded(unit, &right.reserved);
    match &right.renewed {
        // It asserts the version itself; two that both required it first would wait for each other.
        Some(hash) => {
            let args = args![unit.realm(), user, hash.to_string(), right.version];
            unit.one("password_same", &sql::RENEW, args);
        }
        None => unit.require("password_same", &sql::SAME, args![unit.realm(), user, right.version]),
    }
}

/// Sets a user's password. The caller ends the user's sessions in the same unit, as the occasion demands.
pub fn set(unit: &mut Unit, user: UserId, hash: &PasswordHash) {
    unit.record(Event::new("password_set", user));
    let args = args![unit.realm(), user, hash.to_string(), unit.now()];
    unit.one("password", &sql::SET, args);
    unit.changed("user", user.as_bytes());
}

fn unknown(guard: &MacKey, folded: &str) -> Subject {
    let tag = guard.tag("unknown address/1", &[folded.as_bytes()]);
    Subject::Unknown([tag[0], tag[1]])
}

fn subject_of(user: UserId, device: Option<KnownDevice>) -> Subject {
    match device {
        Some(known) if known.user == user => Subject::KnownDevice(user, known.device),
        _ => Subject::Account(user),
    }
}

fn event_subject(subject: Subject) -> String {
    match subject {
        Subject::Account(user) | Subject::KnownDevice(user, _) => user.to_string(),
        Subject::Unknown(_) => "unknown".to_owned(),
    }
}
