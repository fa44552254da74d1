//! Statements and readers of resource servers.

use core::time::Duration;

use claviger_storage::{ColumnError, Row};

use super::ResourceServer;
use crate::scope::Scopes;

claviger_storage::statements! {
    /// A new one.
    pub(super) INSERT: "insert into resource_servers (realm_id, id, audience, name, scopes, access_life, created_at, updated_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $7)";
    /// One.
    pub(super) BY_AUDIENCE: "select id, audience, name, scopes, access_life, created_at, updated_at from resource_servers \
        where realm_id = $1 and audience = $2";
    /// A page.
    pub(super) PAGE: "select id, audience, name, scopes, access_life, created_at, updated_at from resource_servers \
        where realm_id = $1 and id > $2 order by id limit $3";
    /// One less.
    pub(super) REMOVE: "delete from resource_servers where realm_id = $1 and id = $2";
}

pub(super) fn resource_server(row: &Row<'_>) -> Result<ResourceServer, ColumnError> {
    let scopes: String = row.get(3)?;
    let life: Option<u64> = row.get(4)?;
    Ok(ResourceServer {
        id: row.get(0)?,
        audience: row.get(1)?,
        name: row.get(2)?,
        scopes: Scopes::parse(&scopes).map_err(|_| ColumnError { index: 3, expected: "scopes", found: "text" })?,
        access_life: life.map(Duration::from_secs),
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}
