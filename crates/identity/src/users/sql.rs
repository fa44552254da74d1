//! Statements and readers of users.

use claviger_storage::{ColumnError, Row};

use super::{Claims, Listed, Status, User};

claviger_storage::statements! {
    /// A new user.
    pub(super) INSERT: "insert into users (realm_id, id, subject, status, epoch, claims, created_at, updated_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    /// One user.
    pub(super) BY_ID: "select id, subject, status, epoch, claims, created_at, updated_at from users \
        where realm_id = $1 and id = $2";
    /// One user, by the name that applications know.
    pub(super) BY_SUBJECT: "select id, subject, status, epoch, claims, created_at, updated_at from users \
        where realm_id = $1 and subject = $2";
    /// A page of users, each with the address that applications get.
    pub(super) PAGE: "select u.id, u.subject, u.status, u.epoch, u.claims, u.created_at, u.updated_at, \
        (select e.address from emails e where e.realm_id = $1 and e.user_id = u.id order by e.main desc, e.id limit 1), \
        (select e.verified_at from emails e where e.realm_id = $1 and e.user_id = u.id order by e.main desc, e.id limit 1) \
        from users u where u.realm_id = $1 and u.id > $2 order by u.id limit $3";
    /// The user is active and of this epoch.
    pub(super) ACTIVE: "select 1 from users where realm_id = $1 and id = $2 and epoch = $3 and status = 'active'";
    /// Disables, and voids what was issued.
    pub(super) DISABLE: "update users set status = 'disabled', epoch = epoch + 1, updated_at = $3 \
        where realm_id = $1 and id = $2 and status = 'active'";
    /// Enables.
    pub(super) ENABLE: "update users set status = 'active', updated_at = $3 \
        where realm_id = $1 and id = $2 and status = 'disabled'";
    /// Voids what was issued.
    pub(super) RAISE_EPOCH: "update users set epoch = epoch + 1, updated_at = $3 where realm_id = $1 and id = $2";
    /// Replaces the profile.
    pub(super) SET_CLAIMS: "update users set claims = $3, updated_at = $4 where realm_id = $1 and id = $2";
}

pub(crate) fn user(row: &Row<'_>) -> Result<User, ColumnError> {
    let status: String = row.get(2)?;
    let claims: String = row.get(4)?;
    Ok(User {
        id: row.get(0)?,
        subject: row.get(1)?,
        status: Status::of(&status),
        epoch: row.get(3)?,
        claims: Claims::from_json(&claims),
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

pub(crate) fn listed(row: &Row<'_>) -> Result<Listed, ColumnError> {
    Ok(Listed { user: user(row)?, email: row.get(7)?, email_verified_at: row.get(8)? })
}
