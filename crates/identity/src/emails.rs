//! E-mail addresses: as typed, and folded for comparison. An address belongs to one user of a realm.
//!
//! Folding never merges letters that a mail system may tell apart: only ASCII case is folded, and the domain goes to its
//! ASCII form (IDNA). `mıke@` and `mike@` are two addresses, and mail goes to the stored one only (A128).

use claviger_audit::{Cx, Event, Unit};
use claviger_kernel::{EmailId, Timestamp, Unavailable, UserId};
use claviger_storage::args;

mod key;
pub(crate) mod sql;

pub use key::{EmailError, EmailKey};

/// An address of a user.
#[derive(Clone, Debug)]
pub struct Email {
    /// The row.
    pub id: EmailId,
    /// Whose it is.
    pub user: UserId,
    /// As it was typed; mail goes here.
    pub address: String,
    /// When the user proved that the mailbox is theirs.
    pub verified_at: Option<Timestamp>,
    /// Whether it is the address that applications get.
    pub main: bool,
}

/// Adds an address to a user. A taken address makes the commit fail with the conflict `email`.
pub fn add(unit: &mut Unit, user: UserId, email: &EmailKey, main: bool, verified_at: Option<Timestamp>) -> EmailId {
    let id: EmailId = unit.id_of(user.shard());
    unit.record(Event::new("email_added", user).with("verified", verified_at.is_some()));
    let args = args![unit.realm(), id, user, email.address(), email.folded(), verified_at, main, unit.now()];
    unit.one("email", &sql::INSERT, args);
    id
}

/// The address row of this key.
pub async fn by_key(cx: &Cx, key: &EmailKey) -> Result<Option<Email>, Unavailable> {
    cx.db.get(&sql::BY_FOLDED, args![cx.realm(), key.folded()], sql::email).await
}

/// The address that applications get.
pub async fn main_of(cx: &Cx, user: UserId) -> Result<Option<Email>, Unavailable> {
    cx.db.get(&sql::MAIN_OF, args![cx.realm(), user], sql::email).await
}

/// Marks an address verified, if it still is this user's and still reads the same (A136): conflict `email` otherwise.
pub fn verify(unit: &mut Unit, email: &Email, folded: &EmailKey) {
    unit.record(Event::new("email_verified", email.user));
    let args = args![unit.realm(), email.id, email.user, folded.folded(), unit.now()];
    unit.one("email", &sql::VERIFY, args);
    unit.changed("user", email.user.as_bytes());
}
