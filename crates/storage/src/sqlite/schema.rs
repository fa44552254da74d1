//! Brings a SQLite database to the schema that this version knows.

use super::connection::Connection;
use super::statistics;
use crate::OpenError;
use crate::migrate::{self, Dialect, Migration};

const LEDGER: &str = "create table if not exists schema_migrations (\
    number integer not null primary key, name text not null, checksum integer not null, applied_at integer not null\
    ) strict";

pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let fault = |error: rusqlite::Error| OpenError::Engine(format!("cannot read the schema: {error}"));
    let raw = connection.raw();
    raw.execute_batch(LEDGER).map_err(fault)?;
    let mut applied = raw.prepare("select number, checksum from schema_migrations order by number").map_err(fault)?;
    let applied = applied.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fault)?;
    let applied: Vec<(i64, i64)> = applied.collect::<Result<_, _>>().map_err(fault)?;
    let missing = migrate::missing(migrate::rendered(Dialect::Sqlite), &applied)?;
    for migration in &missing {
        apply(raw, migration).map_err(|error| {
            OpenError::Engine(format!("migration {:04}_{} failed: {error}", migration.number, migration.name))
        })?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    statistics::write(raw).map_err(|error| OpenError::Engine(format!("cannot write the planner's figures: {error}")))
}

/// All of the migration and its entry in the ledger, or nothing.
fn apply(raw: &rusqlite::Connection, migration: &Migration) -> rusqlite::Result<()> {
    let transaction = raw.unchecked_transaction()?;
    for statement in &migration.statements {
        transaction.execute_batch(statement)?;
    }
    transaction.execute(
        "insert into schema_migrations (number, name, checksum, applied_at) \
            values (?1, ?2, ?3, cast(unixepoch('subsec') * 1000000 as integer))",
        (migration.number, migration.name, migration.checksum),
    )?;
    transaction.commit()
}
