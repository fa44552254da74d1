//! The schema: migrations one after the other, each in its own transaction, and the walls around each table.

use super::address::Address;
use super::connection::Connection;
use super::{reach, refused};
use crate::OpenError;
use crate::migrate::{Migration, Tenancy, missing};

const SETTING: &str = "database.migrate_url";

/// Who comes first migrates; the others wait here and then find it done.
const LOCK: &str = "select set_config('lock_timeout', '0', true), pg_advisory_xact_lock(7161625341923885105), \
    set_config('lock_timeout', '10s', true)";

/// What stands before the first migration. The function answers null where no tenant is set.
const BASE: &str = "create table if not exists schema_migrations (\n  \
      number bigint primary key,\n  name text not null,\n  checksum bigint not null\n);\n\
    alter table schema_migrations enable row level security;\n\
    grant select on schema_migrations to claviger_app, claviger_read;\n\
    drop policy if exists known on schema_migrations;\n\
    create policy known on schema_migrations for select to claviger_app, claviger_read using (true);\n\
    create or replace function claviger_realm() returns bytea language sql stable parallel safe as\n  \
      $$ select pg_catalog.decode(nullif(pg_catalog.current_setting('claviger.realm', true), ''), 'hex') $$;";

/// The walls around `table`.
///
/// Even a table of no realm is written only where a tenant is set, which is so in units and nowhere else.
fn walls(table: &str, tenancy: Tenancy) -> String {
    let close = format!(
        "alter table {table} enable row level security;\n\
         revoke all on {table} from public;\n\
         grant select, insert, update, delete on {table} to claviger_app;\n"
    );
    let open = match tenancy {
        Tenancy::Tenant | Tenancy::TenantKeyed => format!(
            "create policy tenant on {table} to claviger_app \
             using (realm_id = claviger_realm()) with check (realm_id = claviger_realm());\n"
        ),
        Tenancy::Shared => format!(
            "create policy seen on {table} for select to claviger_app using (true);\n\
             create policy added on {table} for insert to claviger_app with check (claviger_realm() is not null);\n\
             create policy changed on {table} for update to claviger_app using (claviger_realm() is not null);\n\
             create policy removed on {table} for delete to claviger_app using (claviger_realm() is not null);\n"
        ),
    };
    let keyed = match tenancy {
        Tenancy::Tenant => String::new(),
        Tenancy::TenantKeyed | Tenancy::Shared => format!(
            "grant select on {table} to claviger_read;\n\
             create policy keyed on {table} for select to claviger_read using (true);\n"
        ),
    };
    [close, open, keyed].concat()
}

/// Brings the schema to the newest number, as the owner.
pub(super) async fn migrate(address: &Address, known: fn() -> Vec<Migration>) -> Result<(), OpenError> {
    let connection = reach::spawned(SETTING, address).await?;
    let client = connection.client();
    let groups = "select 1 from pg_roles where rolname in ('claviger_app', 'claviger_read')";
    let found = client.query_typed(groups, &[]).await.map_err(|error| refused(SETTING, &error))?;
    if found.len() < 2 {
        return Err(OpenError::Options(
            "the roles claviger_app and claviger_read do not exist; run the SQL that `claviger init --postgres-roles NAME` prints".into(),
        ));
    }
    transact(&connection, BASE).await?;
    // One at a time, each asking anew: another node may have been at it meanwhile.
    loop {
        client.batch_execute(&format!("begin; {LOCK}")).await.map_err(|error| refused(SETTING, &error))?;
        let next = missing(known(), &applied(&connection, SETTING).await?)?.into_iter().next();
        if let Some(migration) = &next {
            apply(&connection, migration).await?;
        }
        client.batch_execute("commit").await.map_err(|error| refused(SETTING, &error))?;
        let Some(Migration { number, name, .. }) = next else { return Ok(()) };
        tracing::info!(number, name, "migrated the database");
    }
}

async fn transact(connection: &Connection, text: &str) -> Result<(), OpenError> {
    let whole = format!("begin; {LOCK}; {text} commit;");
    connection.client().batch_execute(&whole).await.map_err(|error| refused(SETTING, &error))
}

async fn apply(connection: &Connection, migration: &Migration) -> Result<(), OpenError> {
    make(connection, migration).await?;
    // Numbers, names and checksums are ours and plain.
    let Migration { number, name, checksum, .. } = migration;
    let record =
        format!("insert into schema_migrations (number, name, checksum) values ({number}, '{name}', {checksum})");
    connection.client().batch_execute(&record).await.map_err(|error| refused(SETTING, &error))
}

/// Makes what `migration` makes, with the walls around its tables.
pub(super) async fn make(connection: &Connection, migration: &Migration) -> Result<(), OpenError> {
    let walls = migration.tables.iter().map(|(table, tenancy)| walls(table, *tenancy));
    for text in migration.statements.iter().cloned().chain(walls) {
        let done = connection.client().batch_execute(&text).await;
        done.map_err(|error| refused(&format!("migration {} {}", migration.number, migration.name), &error))?;
    }
    Ok(())
}

/// Whether the schema is the one that this version knows, asked as a role that may not change it.
pub(super) async fn verify(connection: &Connection, setting: &str, known: Vec<Migration>) -> Result<(), OpenError> {
    let exists = "select to_regclass('public.schema_migrations') is not null";
    let rows = connection.client().query_typed(exists, &[]).await.map_err(|error| refused(setting, &error))?;
    let applied = match rows.first() {
        Some(row) if row.get(0) => applied(connection, setting).await?,
        _ => Vec::new(),
    };
    match missing(known, &applied)?.last() {
        None => Ok(()),
        Some(newest) => Err(OpenError::Older {
            found: applied.iter().map(|(number, _)| *number).max().unwrap_or(0),
            needed: newest.number,
        }),
    }
}

async fn applied(connection: &Connection, setting: &str) -> Result<Vec<(i64, i64)>, OpenError> {
    let rows = connection.client().query_typed("select number, checksum from schema_migrations", &[]).await;
    Ok(rows.map_err(|error| refused(setting, &error))?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Tells one schema from another: every statement that makes it counts.
pub(super) fn fingerprint(known: &[Migration]) -> u64 {
    let texts = known.iter().flat_map(|migration| {
        let walls = migration.tables.iter().map(|(table, tenancy)| walls(table, *tenancy));
        migration.statements.iter().cloned().chain(walls)
    });
    core::iter::once(BASE.to_owned())
        .chain(texts)
        .flat_map(String::into_bytes)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
