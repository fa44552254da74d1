//! Statements and readers of the revocation log.

use claviger_kernel::{RealmId, Timestamp, UnitId};
use claviger_storage::{ColumnError, Row, Value, args};

use claviger_tokens::RevokedBy;

use super::entry::{self, Entry};

claviger_storage::statements! {
    /// One entry.
    pub(super) INSERT: "insert into revocations (realm_id, unit_id, kind, subject, name, epoch, at) \
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (realm_id, unit_id, kind, subject) do nothing";
    /// A user, under the epoch that the unit has just raised.
    pub(super) USER: "insert into revocations (realm_id, unit_id, kind, subject, name, epoch, at) \
        select u.realm_id, $2, 'user', u.id, u.subject, u.epoch, $3 from users u where u.realm_id = $1 and u.id = $4 \
        on conflict (realm_id, unit_id, kind, subject) do nothing";
    /// The sessions of a user that the unit has ended.
    pub(super) SESSIONS_OF_USER: "insert into revocations (realm_id, unit_id, kind, subject, epoch, at) \
        select s.realm_id, $2, 'session', s.id, 1, $3 from sessions s where s.realm_id = $1 and s.user_id = $4 \
        and s.ended_at = $3 on conflict (realm_id, unit_id, kind, subject) do nothing";
    /// The families of a user that the unit has revoked.
    pub(super) FAMILIES_OF_USER: "insert into revocations (realm_id, unit_id, kind, subject, epoch, at) \
        select f.realm_id, $2, 'family', f.id, 1, $3 from token_families f where f.realm_id = $1 and f.user_id = $4 \
        and f.revoked_at = $3 on conflict (realm_id, unit_id, kind, subject) do nothing";
    /// The families of a grant that the unit has revoked.
    pub(super) FAMILIES_OF_GRANT: "insert into revocations (realm_id, unit_id, kind, subject, epoch, at) \
        select f.realm_id, $2, 'family', f.id, 1, $3 from token_families f where f.realm_id = $1 and f.grant_id = $4 \
        and f.revoked_at = $3 on conflict (realm_id, unit_id, kind, subject) do nothing";
    /// The sessions of a user that the unit has ended for a newer one.
    pub(super) LIMITED_SESSIONS: "insert into revocations (realm_id, unit_id, kind, subject, epoch, at) \
        select s.realm_id, $2, 'session', s.id, 1, $3 from sessions s where s.realm_id = $1 and s.user_id = $4 \
        and s.ended_at = $3 and s.end_reason = 'limit' on conflict (realm_id, unit_id, kind, subject) do nothing";
    /// The change log's entry for them, if there are any.
    pub(super) CHANGE_IF_ANY: "insert into change_log (realm_id, kind, subject, unit_id, at) \
        select $1, $2, $3, $3, $4 where exists (select 1 from sessions s where s.realm_id = $1 and s.user_id = $5 \
        and s.ended_at = $4 and s.end_reason = 'limit') returning position";
    /// The entries of one unit.
    pub(super) OF_UNIT: "select unit_id, kind, subject, name, epoch, at from revocations \
        where realm_id = $1 and unit_id = $2 and (kind, subject) > ($3, $4) order by kind, subject limit 1000";
    /// The entries since a time.
    pub(super) SINCE: "select unit_id, kind, subject, name, epoch, at from revocations \
        where realm_id = $1 and (at, unit_id, kind, subject) > ($2, $3, $4, $5) \
        order by at, unit_id, kind, subject limit 1000";
    /// Entries that concern no token any more.
    pub(super) EXPIRE: "delete from revocations where realm_id = $1 and at < $2 and (unit_id, kind, subject) in \
        (select unit_id, kind, subject from revocations where realm_id = $1 and at < $2 order by at limit $3) \
        returning at";
}

/// An entry as stored, and its place in the order of pages.
#[derive(Clone)]
pub(super) struct Stored {
    unit: UnitId,
    pub(super) entry: Entry,
    pub(super) at: Timestamp,
}

impl Stored {
    /// What stands before every entry since `at`.
    pub(super) fn before(at: Timestamp) -> Self {
        let entry = Entry { kind: RevokedBy::Client, subject: Vec::new(), name: None, epoch: 0 };
        Self { unit: UnitId::from_bytes([0; 16]), entry, at }
    }

    pub(super) fn since(&self, realm: RealmId) -> Vec<Value> {
        args![realm, self.at, self.unit, self.entry.kind.as_str(), &self.entry.subject]
    }

    pub(super) fn of_unit(&self, realm: RealmId, unit: UnitId) -> Vec<Value> {
        args![realm, unit, self.entry.kind.as_str(), &self.entry.subject]
    }
}

pub(super) fn stored(row: &Row<'_>) -> Result<Stored, ColumnError> {
    let kind: String = row.get(1)?;
    let kind = entry::kind(&kind).ok_or(ColumnError { index: 1, expected: "a kind of revocation", found: "text" })?;
    let entry = Entry { kind, subject: row.get(2)?, name: row.get(3)?, epoch: row.get(4)? };
    Ok(Stored { unit: row.get(0)?, entry, at: row.get(5)? })
}
