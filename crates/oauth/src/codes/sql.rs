//! Statements and readers of codes.

use claviger_storage::{ColumnError, Row};

use super::Code;

claviger_storage::statements! {
    /// A new code.
    pub(super) INSERT: "insert into authorization_codes (realm_id, id, secret_hash, client_id, client_epoch, user_id, \
        user_epoch, session_id, grant_id, family_id, redirect_uri, audience, scope, nonce, code_challenge, acr, amr, \
        authenticated_at, device, created_at, expires_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    /// One.
    pub(super) BY_ID: "select id, secret_hash, client_id, client_epoch, user_id, user_epoch, session_id, grant_id, \
        family_id, redirect_uri, audience, scope, nonce, code_challenge, acr, amr, authenticated_at, device, expires_at, \
        used_at from authorization_codes where realm_id = $1 and id = $2";
    /// It is used.
    pub(super) MARK_USED: "update authorization_codes set used_at = $3 \
        where realm_id = $1 and id = $2 and used_at is null";
    /// Long over.
    pub(super) EXPIRE: "delete from authorization_codes where realm_id = $1 and id in (select id from authorization_codes \
        where realm_id = $1 and expires_at < $2 order by expires_at limit $3) returning id";
}

pub(super) fn code(row: &Row<'_>) -> Result<Code, ColumnError> {
    let used: Option<i64> = row.get(19)?;
    Ok(Code {
        id: row.get(0)?,
        secret_hash: row.get(1)?,
        client: row.get(2)?,
        client_epoch: row.get(3)?,
        user: row.get(4)?,
        user_epoch: row.get(5)?,
        session: row.get(6)?,
        grant: row.get(7)?,
        family: row.get(8)?,
        redirect_uri: row.get(9)?,
        audience: row.get(10)?,
        scope: row.get(11)?,
        nonce: row.get(12)?,
        code_challenge: row.get(13)?,
        acr: row.get(14)?,
        amr: row.get(15)?,
        authenticated_at: row.get(16)?,
        device: row.get(17)?,
        expires_at: row.get(18)?,
        used: used.is_some(),
    })
}
