//! Users: a stable id, a subject for the outside, profile claims, a status and an epoch. No credential, no session.

use claviger_audit::{Cx, Event, Unit};
use claviger_kernel::{Shard, Timestamp, Unavailable, UserId};
use claviger_storage::{ColumnError, Row, args};
use serde::{Deserialize, Serialize};

pub(crate) mod claims;
mod events;
pub(crate) mod sql;

pub use claims::{Claims, ClaimsError};

/// Whether a user may be signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// May sign in.
    Active,
    /// May not; every session and token issued before has ended.
    Disabled,
}

impl Status {
    /// The text that the column holds.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    fn of(text: &str) -> Self {
        if text == Self::Active.as_str() { Self::Active } else { Self::Disabled }
    }
}

/// One human identity.
#[derive(Clone, Debug)]
pub struct User {
    /// The row.
    pub id: UserId,
    /// `sub`: the name by which applications know the user. Carries no creation time and may have been imported.
    pub subject: String,
    /// Whether the user may sign in.
    pub status: Status,
    /// Raised to void everything issued before.
    pub epoch: i64,
    /// OpenID Connect profile claims, without those that rows of their own hold (e-mail).
    pub claims: Claims,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A user as a list shows them.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The user.
    pub user: User,
    /// The address that applications get, as typed.
    pub email: Option<String>,
    /// When the user proved that its mailbox is theirs.
    pub email_verified_at: Option<Timestamp>,
}

/// Somebody who exists and was active when read. A unit that relies on it says so with [`require_active`].
#[derive(Clone, Debug)]
pub struct ActiveUser {
    id: UserId,
    subject: String,
    epoch: i64,
}

impl ActiveUser {
    /// The row.
    pub const fn id(&self) -> UserId {
        self.id
    }

    /// `sub`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The epoch under which things are issued now.
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Where the user's rows live.
    pub const fn shard(&self) -> Shard {
        self.id.shard()
    }
}

impl User {
    /// The proof that the user may be signed in, if so.
    pub fn active(&self) -> Option<ActiveUser> {
        (self.status == Status::Active).then(|| ActiveUser {
            id: self.id,
            subject: self.subject.clone(),
            epoch: self.epoch,
        })
    }
}

/// A user as a row of theirs shows them that is read together with its user: what of them decides whether the row counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The row.
    pub id: UserId,
    /// `sub`.
    pub subject: String,
    /// Whether the user may sign in.
    pub status: Status,
    /// The present epoch.
    pub epoch: i64,
}

impl Standing {
    /// Reads `id, subject, status, epoch` of `users`, the first of which stands in column `first`.
    pub fn read(row: &Row<'_>, first: usize) -> Result<Self, ColumnError> {
        let status: String = row.get(first + 2)?;
        Ok(Self {
            id: row.get(first)?,
            subject: row.get(first + 1)?,
            status: Status::of(&status),
            epoch: row.get(first + 3)?,
        })
    }

    /// The proof that the user may be signed in, if so.
    pub fn active(&self) -> Option<ActiveUser> {
        (self.status == Status::Active).then(|| ActiveUser {
            id: self.id,
            subject: self.subject.clone(),
            epoch: self.epoch,
        })
    }
}

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// `sub`, where it is imported; made at random otherwise. The prefixes `cli_` and `svc_` are reserved (A026).
    pub subject: Option<Subject>,
    /// Profile claims.
    pub claims: Claims,
}

/// A `sub`: 1 to 255 printable ASCII characters (OpenID Connect Core §2), none of the reserved prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

/// The text cannot be a `sub`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a subject is 1 to 255 printable ASCII characters and does not start with cli_ or svc_")]
pub struct SubjectError;

impl TryFrom<String> for Subject {
    type Error = SubjectError;
    fn try_from(text: String) -> Result<Self, SubjectError> {
        let reserved = ["cli_", "svc_"].iter().any(|prefix| text.starts_with(prefix));
        let printable = !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && !reserved { Ok(Self(text)) } else { Err(SubjectError) }
    }
}

impl Subject {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Adds a new, active user to the unit. A taken subject makes the commit fail with the conflict `subject`.
pub fn create(unit: &mut Unit, cx: &Cx, new: NewUser) -> ActiveUser {
    let id: UserId = cx.id();
    let subject = new.subject.map_or_else(|| random_subject(cx), |subject| subject.0);
    unit.record(events::created(id));
    let args = args![
        cx.realm(),
        id,
        subject.as_str(),
        Status::Active.as_str(),
        0i64,
        new.claims.to_json(),
        unit.now(),
        unit.now()
    ];
    unit.one("subject", &sql::INSERT, args);
    ActiveUser { id, subject, epoch: 0 }
}

/// 128 random bits in lower-case base 32 behind `u`, so that it can never bear a reserved prefix.
fn random_subject(cx: &Cx) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = u128::from_be_bytes(cx.random());
    let letters = (0..26).map(|place| char::from(ALPHABET[((bits >> (5 * place)) & 31) as usize]));
    core::iter::once('u').chain(letters).collect()
}

/// The user of this id.
pub async fn by_id(cx: &Cx, id: UserId) -> Result<Option<User>, Unavailable> {
    cx.db.get(&sql::BY_ID, args![cx.realm(), id], sql::user).await
}

/// The user whom applications know as `subject`.
pub async fn by_subject(cx: &Cx, subject: &str) -> Result<Option<User>, Unavailable> {
    cx.db.get(&sql::BY_SUBJECT, args![cx.realm(), subject], sql::user).await
}

/// A page of users after `after`, in the order in which they were made; at most `limit` (1 to 200).
pub async fn page(cx: &Cx, after: Option<UserId>, limit: u32) -> Result<Vec<Listed>, Unavailable> {
    let after = after.unwrap_or(UserId::from_bytes([0; 16]));
    cx.db.list(cx.realm(), &sql::PAGE, args![cx.realm(), after, limit.clamp(1, 200)], sql::listed).await
}

/// Makes the commit depend on the user still being active, under the epoch that was read: conflict `user_active`.
pub fn require_active(unit: &mut Unit, user: &ActiveUser) {
    let args = args![unit.realm(), user.id, user.epoch];
    unit.require("user_active", &sql::ACTIVE, args);
}

/// That a unit raises a user's epoch. Who holds it must tell those who verify without asking the row: the revocation log
/// takes it, and nothing else does.
#[derive(Debug)]
#[must_use = "the revocation log must name the user in the same unit"]
pub struct EpochRaised(UserId);

impl EpochRaised {
    /// Whose, for the one that tells.
    pub const fn told(self) -> UserId {
        self.0
    }
}

/// Disables a user and raises the epoch: whatever was issued before is void. Conflict `user` if that is so already.
/// The caller ends sessions and families in the same unit.
pub fn disable(unit: &mut Unit, user: UserId) -> EpochRaised {
    unit.record(events::disabled(user));
    let args = args![unit.realm(), user, unit.now()];
    unit.one("user", &sql::DISABLE, args);
    unit.changed("user", user.as_bytes());
    EpochRaised(user)
}

/// Lets a disabled user sign in again. Nothing issued before comes back: the epoch stays. Conflict `user` if active.
pub fn enable(unit: &mut Unit, user: UserId) {
    unit.record(events::enabled(user));
    let args = args![unit.realm(), user, unit.now()];
    unit.one("user", &sql::ENABLE, args);
    unit.changed("user", user.as_bytes());
}

/// Raises the user's epoch: every session and token issued before is void.
pub fn raise_epoch(unit: &mut Unit, user: UserId, why: &'static str) -> EpochRaised {
    unit.record(events::epoch_raised(user, why));
    let args = args![unit.realm(), user, unit.now()];
    unit.one("user", &sql::RAISE_EPOCH, args);
    unit.changed("user", user.as_bytes());
    EpochRaised(user)
}

/// Replaces the profile claims.
pub fn set_claims(unit: &mut Unit, user: UserId, claims: &Claims) {
    unit.record(Event::new("user_claims_changed", user));
    let args = args![unit.realm(), user, claims.to_json(), unit.now()];
    unit.one("user", &sql::SET_CLAIMS, args);
    unit.changed("user", user.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a026_a_subject_cannot_pose_as_a_client_or_a_service_account() {
        for wrong in ["cli_01", "svc_x", "", "a b", "é", &"x".repeat(256)] {
            assert_eq!(Subject::try_from(wrong.to_owned()), Err(SubjectError), "{wrong}");
        }
        assert!(Subject::try_from("auth0|5f7c8ec7c33c6c004bbafe82".to_owned()).is_ok());
    }
}
