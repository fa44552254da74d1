//! Statements and readers of resource servers.

use core::time::Duration;

use claviger_storage::{ColumnError, Row};

use super::{ResourceServer, ResourceServerSettings, TokenFormat};
use crate::scope::Scopes;

claviger_storage::statements! {
    /// A new one.
    pub(super) INSERT: "insert into resource_servers (realm_id, id, audience, name, scopes, access_life, \
        token_format, revocation_aware, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
    /// One.
    pub(super) BY_AUDIENCE: "select id, audience, name, scopes, access_life, created_at, updated_at, token_format, revocation_aware \
        from resource_servers where realm_id = $1 and audience = $2";
    /// One, by its row.
    pub(super) BY_ID: "select id, audience, name, scopes, access_life, created_at, updated_at, token_format, \
        revocation_aware from resource_servers where realm_id = $1 and id = $2";
    /// A page.
    pub(super) PAGE: "select id, audience, name, scopes, access_life, created_at, updated_at, token_format, revocation_aware \
        from resource_servers where realm_id = $1 and id > $2 order by id limit $3";
    /// Changes one, unless somebody was faster.
    pub(super) UPDATE: "update resource_servers set name = $3, scopes = $4, access_life = $5, token_format = $6, \
        revocation_aware = $7, updated_at = $8 where realm_id = $1 and id = $2 and updated_at = $9";
    /// One less.
    pub(super) REMOVE: "delete from resource_servers where realm_id = $1 and id = $2";
}

pub(super) fn resource_server(row: &Row<'_>) -> Result<ResourceServer, ColumnError> {
    let scopes: String = row.get(3)?;
    let life: Option<u64> = row.get(4)?;
    let format: String = row.get(7)?;
    let unreadable = ColumnError { index: 7, expected: "a token format", found: "text" };
    Ok(ResourceServer {
        id: row.get(0)?,
        audience: row.get(1)?,
        settings: ResourceServerSettings {
            name: row.get(2)?,
            scopes: Scopes::parse(&scopes).map_err(|_| ColumnError { index: 3, expected: "scopes", found: "text" })?,
            access_life: life.map(Duration::from_secs),
            token_format: TokenFormat::ALL.into_iter().find(|known| known.as_str() == format).ok_or(unreadable)?,
            revocation_aware: row.get(8)?,
        },
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}
