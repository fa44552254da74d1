//! Statements over keys and master keys, and their readers.

use claviger_kernel::Timestamp;
use claviger_storage::{ColumnError, Row};

use crate::{Key, KeyState, Purpose};

claviger_storage::statements! {
    /// A page of a realm's keys, by id, removed ones included.
    pub(crate) KEYS: "select id, purpose, number, kid, state, soon, published_at, active_at, retiring_at, removed_at, \
        master_id, wrapped from realm_keys where realm_id = $1 and id > $2 order by id limit 200";
    /// A new key. There is one active and one pending at most for each purpose, and no number twice.
    pub(crate) INSERT: "insert into realm_keys (realm_id, id, purpose, number, kid, state, soon, published_at, \
        active_at, master_id, wrapped) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    /// A pending key is wanted before its schedule.
    pub(crate) HURRY: "update realm_keys set soon = $3 where realm_id = $1 and id = $2 and state = 'pending'";
    /// The active key makes room.
    pub(crate) RETIRE: "update realm_keys set state = 'retiring', retiring_at = $3 \
        where realm_id = $1 and id = $2 and state = 'active'";
    /// The pending key takes over.
    pub(crate) ACTIVATE: "update realm_keys set state = 'active', active_at = $3 \
        where realm_id = $1 and id = $2 and state = 'pending'";
    /// A key leaves the state $4 for good, and its secret half is wiped.
    pub(crate) REMOVE: "update realm_keys set state = 'removed', removed_at = $3, wrapped = $5 \
        where realm_id = $1 and id = $2 and state = $4";
    /// A page of a realm's keys that are still wrapped under the master key $2.
    pub(crate) WRAPPED_UNDER: "select id, purpose, number, wrapped from realm_keys \
        where realm_id = $1 and master_id = $2 and id > $3 and state <> 'removed' order by id limit $4";
    /// The same key under another master key.
    pub(crate) REWRAP: "update realm_keys set master_id = $4, wrapped = $5 \
        where realm_id = $1 and id = $2 and master_id = $3 and state <> 'removed'";
    /// The master keys that are in use or about to leave.
    pub(crate) MASTERS: shared("the master key belongs to the server, not to a realm")
        "select id, state, proof from master_keys where state <> 'gone' order by id limit 10";
    /// The first master key, or the next.
    pub(crate) MASTER_INSERT: shared("the master key belongs to the server, not to a realm")
        "insert into master_keys (id, state, proof, created_at) values ($1, 'current', $2, $3)";
    /// The current master key wraps nothing new.
    pub(crate) MASTER_LEAVES: shared("the master key belongs to the server, not to a realm")
        "update master_keys set state = 'leaving', left_at = $2 where id = $1 and state = 'current'";
    /// Nothing is wrapped under the master key any more.
    pub(crate) MASTER_GONE: shared("the master key belongs to the server, not to a realm")
        "update master_keys set state = 'gone', left_at = $2 where id = $1 and state = 'leaving'";
    /// The master key under which a new key has been wrapped is still the current one.
    pub(crate) MASTER_CURRENT: shared("the master key belongs to the server, not to a realm")
        "select id from master_keys where id = $1 and state = 'current'";
}

/// A key's row: what may be shown, and the wrapped secret.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) key: Key,
    pub(crate) master: [u8; 8],
    pub(crate) wrapped: Vec<u8>,
}

impl KeyRow {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, ColumnError> {
        let key = Key {
            id: row.get(0)?,
            purpose: purpose(row, 1)?,
            number: row.get(2)?,
            kid: row.get(3)?,
            state: word(row, 4, "a key's state", KeyState::named)?,
            soon: row.get(5)?,
            published_at: row.get(6)?,
            active_at: row.get::<Option<Timestamp>>(7)?,
            retiring_at: row.get::<Option<Timestamp>>(8)?,
            removed_at: row.get::<Option<Timestamp>>(9)?,
        };
        Ok(Self { key, master: row.get(10)?, wrapped: row.get(11)? })
    }
}

/// A key that is wrapped under the old master key.
#[derive(Clone, Debug)]
pub(crate) struct WrappedKey {
    pub(crate) id: claviger_kernel::KeyId,
    pub(crate) purpose: Purpose,
    pub(crate) number: u32,
    pub(crate) wrapped: Vec<u8>,
}

impl WrappedKey {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, ColumnError> {
        Ok(Self { id: row.get(0)?, purpose: purpose(row, 1)?, number: row.get(2)?, wrapped: row.get(3)? })
    }
}

/// A master key's row.
#[derive(Clone, Debug)]
pub(crate) struct MasterRow {
    pub(crate) id: [u8; 8],
    pub(crate) current: bool,
    pub(crate) proof: Vec<u8>,
}

impl MasterRow {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, ColumnError> {
        let current = word(row, 1, "current or leaving", |state| match state {
            "current" => Some(true),
            "leaving" => Some(false),
            _ => None,
        })?;
        Ok(Self { id: row.get(0)?, current, proof: row.get(2)? })
    }
}

fn purpose(row: &Row<'_>, index: usize) -> Result<Purpose, ColumnError> {
    word(row, index, "a key's purpose", Purpose::named)
}

fn word<T>(
    row: &Row<'_>,
    index: usize,
    expected: &'static str,
    named: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ColumnError> {
    let text: String = row.get(index)?;
    named(&text).ok_or(ColumnError { index, expected, found: "another word" })
}
