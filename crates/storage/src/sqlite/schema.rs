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
    let known = migrate::rendered(Dialect::Sqlite);
    let newest = known.last().map_or(0, |migration| migration.number);
    for migration in &migrate::missing(known, &applied)? {
        apply(raw, migration).map_err(|error| {
            OpenError::Engine(format!("migration {:04}_{} failed: {error}", migration.number, migration.name))
        })?;
    }
    // The figures are those of one schema, whose number says which; a start that died before them writes them now.
    let figures: i64 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fault)?;
    if figures == newest {
        return Ok(());
    }
    let written = statistics::write(raw).and_then(|()| raw.pragma_update(None, "user_version", newest));
    written.map_err(|error| OpenError::Engine(format!("cannot write the planner's figures: {error}")))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::scratch::folder::{self, Folder};
    use crate::{SqliteOptions, Store};

    async fn opened(folder: &Folder) -> Result<Store, OpenError> {
        Store::open_sqlite(folder.options()).await
    }

    fn change(folder: &Folder, sql: &str) {
        rusqlite::Connection::open(folder.database()).unwrap().execute_batch(sql).unwrap();
    }

    #[tokio::test]
    async fn a_schema_that_is_newer_than_the_program_is_left_alone() {
        let folder = folder::migrated().await.unwrap();
        change(&folder, "insert into schema_migrations values (9999, 'later', 0, 0)");
        assert!(matches!(opened(&folder).await, Err(OpenError::Newer { found: 9999, .. })));
    }

    #[tokio::test]
    async fn a_migration_that_was_changed_after_it_had_been_applied_is_named() {
        let folder = folder::migrated().await.unwrap();
        change(&folder, "update schema_migrations set checksum = checksum + 1 where number = 1");
        assert!(matches!(opened(&folder).await, Err(OpenError::Altered(1))));
    }

    #[tokio::test]
    async fn the_planners_figures_are_written_once_and_made_up_for_after_a_start_that_died() {
        let folder = folder::migrated().await.unwrap();
        let count = || -> i64 {
            let raw = rusqlite::Connection::open(folder.database()).unwrap();
            raw.query_row("select count(*) from sqlite_stat1", [], |row| row.get(0)).unwrap()
        };
        let all = count();
        assert!(all > 20);
        change(&folder, "delete from sqlite_stat1 where tbl = 'jobs'");
        opened(&folder).await.unwrap().close().await;
        assert!(count() < all, "nothing measures again");
        change(&folder, "pragma user_version = 1");
        opened(&folder).await.unwrap().close().await;
        assert_eq!(count(), all);
    }

    #[tokio::test]
    async fn one_process_at_a_time_holds_the_folder_and_lets_go_of_it_when_it_closes_or_is_dropped() {
        let folder = folder::migrated().await.unwrap();
        let first = opened(&folder).await.unwrap();
        assert!(matches!(opened(&folder).await, Err(OpenError::Locked(_))));
        first.close().await;
        drop(opened(&folder).await.unwrap());
        opened(&folder).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_else_on_the_machine_may_read_what_is_made() {
        let folder = folder::migrated().await.unwrap();
        let path = folder.database().parent().unwrap().join("data/claviger.db");
        let store = Store::open_sqlite(SqliteOptions::small(&path)).await.unwrap();
        let mode = |name: &str| path.with_file_name(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(""), 0o700);
        for name in ["claviger.db", "claviger.db-wal", "claviger.db-shm", "claviger.lock"] {
            assert_eq!(mode(name), 0o600, "{name}");
        }
        store.close().await;
    }
}
