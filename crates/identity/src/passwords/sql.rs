//! Statements and readers of passwords.

use claviger_authenticators::password::PasswordHash;
use claviger_storage::{ColumnError, Row};

use crate::users::{User, sql as users};

claviger_storage::statements! {
    /// Who has this address, with the password.
    pub(super) BY_EMAIL: "select u.id, u.subject, u.status, u.epoch, u.claims, u.created_at, u.updated_at, \
        p.hash, p.version, e.verified_at, e.address from emails e \
        join users u on u.realm_id = e.realm_id and u.id = e.user_id \
        left join passwords p on p.realm_id = u.realm_id and p.user_id = u.id \
        where e.realm_id = $1 and e.folded = $2";
    /// A user with the password.
    pub(super) BY_USER: "select u.id, u.subject, u.status, u.epoch, u.claims, u.created_at, u.updated_at, \
        p.hash, p.version, p.changed_at from users u \
        left join passwords p on p.realm_id = u.realm_id and p.user_id = u.id \
        where u.realm_id = $1 and u.id = $2";
    /// A new password, first or not.
    pub(super) SET: "insert into passwords (realm_id, user_id, hash, version, changed_at) values ($1, $2, $3, 1, $4) \
        on conflict (realm_id, user_id) do update set hash = excluded.hash, version = passwords.version + 1, \
        changed_at = excluded.changed_at";
    /// The same password under a stronger hash, unless it was changed meanwhile. It is not a new version.
    pub(super) RENEW: "update passwords set hash = $3 where realm_id = $1 and user_id = $2 and version = $4";
    /// The password is still the one that was judged.
    pub(super) SAME: "select 1 from passwords where realm_id = $1 and user_id = $2 and version = $3";
}

pub(super) struct Found {
    pub(super) user: User,
    pub(super) password: Option<(PasswordHash, i64)>,
    pub(super) email: Option<(String, bool)>,
}

pub(super) fn by_user(row: &Row<'_>) -> Result<Found, ColumnError> {
    let hash: Option<String> = row.get(7)?;
    let version: Option<i64> = row.get(8)?;
    Ok(Found { user: users::user(row)?, password: hash.as_deref().and_then(parsed).zip(version), email: None })
}

/// A stored hash that does not parse counts as none: nobody is proven by it, and the log says so.
fn parsed(text: &str) -> Option<PasswordHash> {
    PasswordHash::parse(text).map_err(|error| tracing::error!(%error, "a stored password hash is refused")).ok()
}

pub(super) fn by_email(row: &Row<'_>) -> Result<Found, ColumnError> {
    let verified: Option<i64> = row.get(9)?;
    Ok(Found { email: Some((row.get(10)?, verified.is_some())), ..by_user(row)? })
}
