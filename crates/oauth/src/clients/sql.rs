//! Statements and readers of clients.

use claviger_kernel::Timestamp;
use claviger_storage::{ColumnError, Row};

use super::{Client, ClientKind, SecretRow};

claviger_storage::statements! {
    /// A new client.
    pub(super) INSERT: "insert into clients (realm_id, id, client_id, name, kind, status, epoch, settings, created_at, \
        updated_at) values ($1, $2, $3, $4, $5, 'active', 0, $6, $7, $7)";
    /// One, by the name by which it asks.
    pub(super) BY_CLIENT_ID: "select id, client_id, name, kind, status, epoch, settings, created_at, updated_at \
        from clients where realm_id = $1 and client_id = $2";
    /// One.
    pub(super) BY_ID: "select id, client_id, name, kind, status, epoch, settings, created_at, updated_at \
        from clients where realm_id = $1 and id = $2";
    /// A page.
    pub(super) PAGE: "select id, client_id, name, kind, status, epoch, settings, created_at, updated_at \
        from clients where realm_id = $1 and id > $2 and status = 'active' order by id limit $3";
    /// A client, and whether this secret is one of its live ones.
    pub(crate) WITH_SECRET: "select c.id, c.client_id, c.name, c.kind, c.status, c.epoch, c.settings, c.created_at, \
        c.updated_at, s.id, s.expires_at from clients c left join client_secrets s on s.realm_id = c.realm_id \
        and s.client_id = c.id and s.hash = $3 and (s.expires_at is null or s.expires_at > $4) where c.realm_id = $1 and c.client_id = $2";
    /// Changes one, unless somebody was faster.
    pub(super) UPDATE: "update clients set name = $3, settings = $4, updated_at = $5 \
        where realm_id = $1 and id = $2 and updated_at = $6 and status = 'active'";
    /// Keeps the row, so that the name is never given again (A138), and voids what was issued.
    pub(super) REMOVE: "update clients set status = 'removed', epoch = epoch + 1, updated_at = $4 \
        where realm_id = $1 and id = $2 and epoch = $3 and status = 'active'";
    /// Voids what was issued, and nothing else.
    pub(super) VOID: "update clients set epoch = epoch + 1, updated_at = $4 \
        where realm_id = $1 and id = $2 and epoch = $3 and status = 'active'";
    /// The client is active and of this epoch.
    pub(crate) ACTIVE: "select 1 from clients where realm_id = $1 and id = $2 and epoch = $3 and status = 'active'";
    /// A new secret.
    pub(super) ADD_SECRET: "insert into client_secrets (realm_id, id, client_id, hash, created_at) \
        values ($1, $2, $3, $4, $5)";
    /// Every secret.
    pub(super) REMOVE_SECRETS: "delete from client_secrets where realm_id = $1 and client_id = $2";
    /// All but the newest.
    pub(super) REMOVE_OLDER_SECRETS: "delete from client_secrets where realm_id = $1 and client_id = $2 and id < \
        (select max_id from (select id as max_id from client_secrets where realm_id = $1 and client_id = $2 \
        order by id desc limit 1) newest)";
    /// Those that stand end soon.
    pub(super) END_SECRETS: "update client_secrets set expires_at = $3 \
        where realm_id = $1 and client_id = $2 and (expires_at is null or expires_at > $3)";
    /// The secrets of a client.
    pub(super) SECRETS: "select id, created_at, expires_at from client_secrets \
        where realm_id = $1 and client_id = $2 order by id";
}

pub(crate) fn client(row: &Row<'_>) -> Result<Client, ColumnError> {
    let kind: String = row.get(3)?;
    let status: String = row.get(4)?;
    let settings: String = row.get(6)?;
    let unreadable = ColumnError { index: 6, expected: "client settings as JSON", found: "text" };
    Ok(Client {
        id: row.get(0)?,
        client_id: row.get(1)?,
        name: row.get(2)?,
        kind: if kind == "public" { ClientKind::Public } else { ClientKind::Confidential },
        active: status == "active",
        epoch: row.get(5)?,
        settings: serde_json::from_str(&settings).map_err(|_| unreadable)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

/// The secret that was presented is one of the client's, until then.
pub(crate) struct Proof {
    pub(crate) until: Option<Timestamp>,
}

pub(crate) fn with_secret(row: &Row<'_>) -> Result<(Client, Option<Proof>), ColumnError> {
    let secret: Option<[u8; 16]> = row.get(9)?;
    let until = row.get(10)?;
    Ok((client(row)?, secret.map(|_| Proof { until })))
}

pub(super) fn secret_row(row: &Row<'_>) -> Result<SecretRow, ColumnError> {
    Ok(SecretRow { id: row.get(0)?, created_at: row.get(1)?, expires_at: row.get(2)? })
}
