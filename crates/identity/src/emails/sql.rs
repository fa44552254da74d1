//! Statements and readers of addresses.

use claviger_storage::{ColumnError, Row};

use super::Email;

claviger_storage::statements! {
    /// A new address.
    pub(super) INSERT: "insert into emails (realm_id, id, user_id, address, folded, verified_at, main, created_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    /// The address of this key.
    pub(super) BY_FOLDED: "select id, user_id, address, verified_at, main from emails \
        where realm_id = $1 and folded = $2";
    /// The user's main address.
    pub(super) MAIN_OF: "select id, user_id, address, verified_at, main from emails \
        where realm_id = $1 and user_id = $2 order by main desc, id limit 1";
    /// The mailbox is proven.
    pub(super) VERIFY: "update emails set verified_at = coalesce(verified_at, $5) \
        where realm_id = $1 and id = $2 and user_id = $3 and folded = $4";
}

pub(super) fn email(row: &Row<'_>) -> Result<Email, ColumnError> {
    Ok(Email { id: row.get(0)?, user: row.get(1)?, address: row.get(2)?, verified_at: row.get(3)?, main: row.get(4)? })
}
