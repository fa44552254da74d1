//! Statements and readers of users.

use claviger_storage::{ColumnError, Row};

use super::{Claims, Status, User};

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
    /// A page of users.
    pub(super) PAGE: "select id, subject, status, epoch, claims, created_at, updated_at from users \
        where realm_id = $1 and id > $2 order by id limit $3";
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
