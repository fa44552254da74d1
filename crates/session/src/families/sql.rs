//! Statements and readers of token families.

use claviger_identity::users::Standing;
use claviger_storage::{ColumnError, Row};

use super::{Family, Held};

claviger_storage::statements! {
    /// A new family.
    pub(super) INSERT: "insert into token_families (realm_id, id, user_id, user_epoch, client_id, client_epoch, grant_id, \
        session_id, audience, scope, nonce_claim, acr, amr, authenticated_at, generation, secret_hash, rotation_nonce, \
        rotation_key, repeats, device, created_at, used_at, idle_expires_at, expires_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $16, $17, 0, $18, $19, $19, $20, $21)";
    /// A family beside its user's present state.
    pub(super) BY_ID: "select u.id, u.subject, u.status, u.epoch, f.id, f.user_epoch, f.client_id, f.client_epoch, \
        f.grant_id, f.session_id, f.audience, f.scope, f.nonce_claim, f.acr, f.amr, f.authenticated_at, f.generation, \
        f.secret_hash, f.parent_hash, f.rotation_nonce, f.rotation_key, f.parent_used_at, f.repeats, f.idle_expires_at, \
        f.expires_at, f.revoked_at, f.device from token_families f \
        join users u on u.realm_id = f.realm_id and u.id = f.user_id where f.realm_id = $1 and f.id = $2";
    /// What lives of a user's.
    pub(super) OF_USER: "select id, client_id, grant_id, session_id, scope, device, created_at, used_at, expires_at \
        from token_families where realm_id = $1 and user_id = $2 and revoked_at is null and expires_at > $3 \
        and idle_expires_at > $3 order by id desc limit $4";
    /// The chain moves on, if nobody was faster.
    pub(super) ROTATE: "update token_families set generation = $5, secret_hash = $6, parent_hash = $4, rotation_nonce = $7, \
        rotation_key = $8, parent_used_at = $9, repeats = 0, used_at = $9, idle_expires_at = $10 \
        where realm_id = $1 and id = $2 and generation = $3 and secret_hash = $4 and revoked_at is null";
    /// The same answer once more, unless it was given often enough. Repeats do not get into each other's way.
    pub(super) REPEAT: "update token_families set repeats = repeats + 1 \
        where realm_id = $1 and id = $2 and generation = $3 and repeats < $4 and revoked_at is null";
    /// One is over.
    pub(super) REVOKE: "update token_families set revoked_at = $3, revoke_reason = $4 \
        where realm_id = $1 and id = $2 and revoked_at is null";
    /// Those of a grant are over.
    pub(super) REVOKE_OF_GRANT: "update token_families set revoked_at = $3, revoke_reason = $4 \
        where realm_id = $1 and grant_id = $2 and revoked_at is null";
    /// Those of a session are over.
    pub(super) REVOKE_OF_SESSION: "update token_families set revoked_at = $3, revoke_reason = $4 \
        where realm_id = $1 and session_id = $2 and revoked_at is null";
    /// Those of a user are over, but for one session's.
    pub(super) REVOKE_OF_USER: "update token_families set revoked_at = $4, revoke_reason = $5 \
        where realm_id = $1 and user_id = $2 and (session_id is null or session_id <> $3) and revoked_at is null";
    /// Those of sessions that have just ended for a newer one are over.
    pub(super) REVOKE_OF_LIMITED: "update token_families set revoked_at = $3, revoke_reason = 'session limit' \
        where realm_id = $1 and user_id = $2 and revoked_at is null and session_id in (select id from sessions \
        where realm_id = $1 and user_id = $2 and ended_at = $3 and end_reason = 'limit')";
    /// Long over.
    pub(super) EXPIRE: "delete from token_families where realm_id = $1 and id in \
        (select id from token_families where realm_id = $1 and expires_at < $2 order by expires_at limit $3) returning id";
}

pub(super) fn family(row: &Row<'_>) -> Result<Family, ColumnError> {
    let revoked: Option<i64> = row.get(25)?;
    Ok(Family {
        user: Standing::read(row, 0)?,
        id: row.get(4)?,
        user_epoch: row.get(5)?,
        client: row.get(6)?,
        client_epoch: row.get(7)?,
        grant: row.get(8)?,
        session: row.get(9)?,
        audience: row.get(10)?,
        scope: row.get(11)?,
        nonce: row.get(12)?,
        acr: row.get(13)?,
        amr: row.get(14)?,
        authenticated_at: row.get(15)?,
        generation: row.get(16)?,
        secret_hash: row.get(17)?,
        parent_hash: row.get(18)?,
        rotation_nonce: row.get(19)?,
        rotation_key: row.get(20)?,
        parent_used_at: row.get(21)?,
        repeats: row.get(22)?,
        idle_expires_at: row.get(23)?,
        expires_at: row.get(24)?,
        revoked: revoked.is_some(),
        device: row.get(26)?,
    })
}

pub(super) fn held(row: &Row<'_>) -> Result<Held, ColumnError> {
    Ok(Held {
        id: row.get(0)?,
        client: row.get(1)?,
        grant: row.get(2)?,
        session: row.get(3)?,
        scope: row.get(4)?,
        device: row.get(5)?,
        created_at: row.get(6)?,
        used_at: row.get(7)?,
        expires_at: row.get(8)?,
    })
}
