//! Statements and readers of sessions.

use claviger_storage::{ColumnError, Row};

use super::Session;

claviger_storage::statements! {
    /// A new session.
    pub(super) INSERT: "insert into sessions (realm_id, id, user_id, user_epoch, generation, secret_hash, acr, proofs, \
        authenticated_at, created_at, seen_at, idle_expires_at, expires_at, device, source) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    /// A session beside its user's present state.
    pub(super) PRESENT: "select s.id, s.user_id, u.subject, s.user_epoch, s.generation, s.secret_hash, s.acr, s.proofs, \
        s.authenticated_at, s.created_at, s.seen_at, s.idle_expires_at, s.expires_at, s.device, s.ended_at, \
        u.epoch, u.status from sessions s join users u on u.realm_id = s.realm_id and u.id = s.user_id \
        where s.realm_id = $1 and s.id = $2";
    /// The session lives.
    pub(super) ALIVE: "select 1 from sessions where realm_id = $1 and id = $2 and ended_at is null and expires_at > $3";
    /// New proofs under a new secret.
    pub(super) STEP_UP: "update sessions set generation = $4, secret_hash = $5, acr = $6, proofs = $7, \
        authenticated_at = $8, seen_at = $9 where realm_id = $1 and id = $2 and generation = $3 and ended_at is null";
    /// It was used.
    pub(super) TOUCH: "update sessions set seen_at = $3, idle_expires_at = $4 \
        where realm_id = $1 and id = $2 and ended_at is null and idle_expires_at > $3 and seen_at < $3";
    /// It is over.
    pub(super) END: "update sessions set ended_at = $3, end_reason = $4 \
        where realm_id = $1 and id = $2 and ended_at is null";
    /// All of a user's are over, but one.
    pub(super) END_ALL: "update sessions set ended_at = $4, end_reason = $5 \
        where realm_id = $1 and user_id = $2 and id <> $3 and ended_at is null";
    /// The oldest live ones are over that leave no room for the new one, $5. That one never is: by the clock of the node that
    /// opens it, it may seem older than they. What has lain unused for too long is over already, and takes no room.
    pub(super) END_OLDEST: "update sessions set ended_at = $3, end_reason = 'limit' \
        where realm_id = $1 and user_id = $2 and ended_at is null and id in \
        (select id from sessions where realm_id = $1 and user_id = $2 and ended_at is null and expires_at > $3 \
        and idle_expires_at > $3 and id <> $5 order by id desc limit 1000 offset $4)";
    /// Long over.
    pub(super) EXPIRE: "delete from sessions where realm_id = $1 and id in \
        (select id from sessions where realm_id = $1 and expires_at < $2 order by expires_at limit $3) returning id";
}

pub(super) struct SessionRow {
    pub(super) session: Session,
    pub(super) ended: bool,
    pub(super) user_epoch_now: i64,
    pub(super) user_active: bool,
}

pub(super) fn row(row: &Row<'_>) -> Result<SessionRow, ColumnError> {
    let proofs: String = row.get(7)?;
    let ended: Option<i64> = row.get(14)?;
    let status: String = row.get(16)?;
    Ok(SessionRow {
        session: Session {
            id: row.get(0)?,
            user: row.get(1)?,
            subject: row.get(2)?,
            user_epoch: row.get(3)?,
            generation: row.get(4)?,
            secret_hash: row.get(5)?,
            acr: row.get(6)?,
            proofs: serde_json::from_str(&proofs).map_err(|_| ColumnError {
                index: 7,
                expected: "proofs as JSON",
                found: "text",
            })?,
            authenticated_at: row.get(8)?,
            created_at: row.get(9)?,
            seen_at: row.get(10)?,
            idle_expires_at: row.get(11)?,
            expires_at: row.get(12)?,
            device: row.get(13)?,
        },
        ended: ended.is_some(),
        user_epoch_now: row.get(15)?,
        user_active: status == "active",
    })
}
