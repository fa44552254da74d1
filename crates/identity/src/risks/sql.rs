//! Statements and readers of accounts at risk.

use claviger_storage::{ColumnError, Row};

use super::Risk;

claviger_storage::statements! {
    /// A mark, or one more reason for it.
    pub(super) MARK: "insert into user_risks (realm_id, user_id, cause, evidence, marked_at, last_at, times, told_at) \
        values ($1, $2, $3, $4, $5, $5, 1, $6) on conflict (realm_id, user_id) do update set cause = excluded.cause, \
        evidence = excluded.evidence, last_at = excluded.last_at, times = user_risks.times + 1, \
        told_at = coalesce(excluded.told_at, user_risks.told_at)";
    /// The mark of a user.
    pub(super) OF: "select cause, evidence, marked_at, last_at, times, told_at from user_risks \
        where realm_id = $1 and user_id = $2";
    /// Users with a mark, each with the address that applications get.
    pub(super) PAGE: "select u.id, u.subject, u.status, u.epoch, u.claims, u.created_at, u.updated_at, \
        (select e.address from emails e where e.realm_id = $1 and e.user_id = u.id order by e.main desc, e.id limit 1), \
        (select e.verified_at from emails e where e.realm_id = $1 and e.user_id = u.id order by e.main desc, e.id limit 1) \
        from users u \
        where u.realm_id = $1 and u.id > $2 and u.id in (select user_id from user_risks where realm_id = $1 and user_id > $2 \
        order by user_id limit $3)";
    /// The mark goes, if it is still the one that was read.
    pub(super) CLEAR: "delete from user_risks where realm_id = $1 and user_id = $2 and last_at = $3";
}

pub(super) fn risk(row: &Row<'_>) -> Result<Risk, ColumnError> {
    let evidence: String = row.get(1)?;
    Ok(Risk {
        cause: row.get(0)?,
        evidence: serde_json::from_str(&evidence).map_err(|_| ColumnError {
            index: 1,
            expected: "evidence as JSON",
            found: "text",
        })?,
        marked_at: row.get(2)?,
        last_at: row.get(3)?,
        times: row.get(4)?,
        told_at: row.get(5)?,
    })
}
