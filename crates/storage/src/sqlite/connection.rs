//! One connection: its settings, its prepared statements, binding and reading.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use claviger_kernel::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, Statement, ffi};

use super::fault::Fault;
use super::rewrite::numbered;
use crate::row::Source;
use crate::{ColumnError, Row, Sql, StepKind, Value};

/// How long a connection waits for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 512;

static TIME: Sql = Sql {
    name: "storage::sqlite::TIME",
    text: "select cast(unixepoch('subsec') * 1000000 as integer)",
    scope: crate::Scope::Shared("asks for the time"),
};

pub(super) struct Connection {
    raw: rusqlite::Connection,
    /// The rewritten texts, by the address of the statement.
    texts: HashMap<usize, String>,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Bool(value) => ValueRef::Integer((*value).into()),
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl Connection {
    pub(super) fn writing(path: &Path) -> rusqlite::Result<Self> {
        let connection = Self::open(path)?;
        let mode: String = connection.raw.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            let why = format!("the file system offers no write-ahead log (journal mode is {mode})");
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(why)));
        }
        // Checkpoints are the writer's, after its answers.
        connection.raw.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.raw.pragma_update(None, "synchronous", "full")?;
        connection.raw.pragma_update(None, "cache_size", -16 * 1024)?;
        Ok(connection)
    }

    pub(super) fn reading(path: &Path) -> rusqlite::Result<Self> {
        let connection = Self::open(path)?;
        connection.raw.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = rusqlite::Connection::open_with_flags(path, flags)?;
        raw.busy_timeout(BUSY)?;
        // Otherwise a joined statement is prepared anew for every other value that is bound to it, to see whether that
        // asks for another plan; ours come from fixed statistics, whatever the values.
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        raw.pragma_update(None, "trusted_schema", false)?;
        raw.pragma_update(None, "foreign_keys", true)?;
        raw.pragma_update(None, "temp_store", "memory")?;
        raw.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { raw, texts: HashMap::new() })
    }

    pub(super) const fn raw(&self) -> &rusqlite::Connection {
        &self.raw
    }

    pub(super) const fn raw_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.raw
    }

    /// Runs `work` on the prepared statement with `args` bound.
    fn bound<T>(
        &mut self,
        sql: &'static Sql,
        args: &[Value],
        work: impl FnOnce(&mut Statement<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let text = self.texts.entry(std::ptr::from_ref(sql).addr()).or_insert_with(|| numbered(sql.text));
        let mut statement = self.raw.prepare_cached(text)?;
        if statement.parameter_count() != args.len() {
            let wanted = statement.parameter_count();
            return Err(Fault::Misuse(format!("{wanted} parameters, {} values", args.len())));
        }
        for (value, place) in args.iter().zip(1..) {
            statement.raw_bind_parameter(place, value)?;
        }
        work(&mut statement)
    }

    /// The first row.
    pub(super) fn first<T>(
        &mut self,
        sql: &'static Sql,
        args: &[Value],
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, Fault> {
        self.bound(sql, args, |statement| {
            let mut rows = statement.raw_query();
            rows.next()?.map(|row| read(&Row(Source::Sqlite(row)))).transpose().map_err(Fault::Column)
        })
    }

    /// Every row.
    pub(super) fn all<T>(
        &mut self,
        sql: &'static Sql,
        args: &[Value],
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Vec<T>, Fault> {
        self.bound(sql, args, |statement| {
            let mut rows = statement.raw_query();
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(&Row(Source::Sqlite(row)))?);
            }
            Ok(all)
        })
    }

    /// Runs a step; returns how many rows it touched or found, and those that it gave back.
    pub(super) fn step(
        &mut self,
        sql: &'static Sql,
        args: &[Value],
        kind: StepKind,
    ) -> Result<(u64, Vec<Vec<Value>>), Fault> {
        let mut rows = Vec::new();
        let read_only = self.bound(sql, args, |statement| {
            let width = statement.column_count();
            let read_only = statement.readonly();
            let mut answer = statement.raw_query();
            while let Some(row) = answer.next()? {
                rows.push(if kind == StepKind::Returning { Row(Source::Sqlite(row)).to_owned(width)? } else { vec![] });
            }
            Ok(read_only)
        })?;
        match kind {
            StepKind::Write if read_only => Err(Fault::Misuse("a write step that writes nothing".into())),
            StepKind::Require if !read_only => Err(Fault::Misuse("a require step that writes".into())),
            StepKind::Write => Ok((self.raw.changes(), rows)),
            StepKind::Returning | StepKind::Require => Ok((rows.len() as u64, rows)),
        }
    }

    /// Runs one of the engine's own words: begin, savepoint, commit and their like.
    pub(super) fn word(&self, word: &'static str) -> Result<(), Fault> {
        self.raw.prepare_cached(word)?.raw_execute().map(drop).map_err(Fault::Engine)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Fault> {
        Ok(self.first(&TIME, &[], |row| row.get(0))?.expect("a select without a table has one row"))
    }

    /// Whether the transaction still stands. SQLite rolls back all of it on a full disk and the like, without a word.
    pub(super) fn in_transaction(&self) -> bool {
        !self.raw.is_autocommit()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::Scope;

    static JOINED: Sql = Sql {
        name: "storage::sqlite::tests::JOINED",
        text: "select u.name from f join u on u.realm_id = f.realm_id and u.id = f.user_id \
            where f.realm_id = $1 and f.id = $2",
        scope: Scope::Shared("a test's own tables"),
    };

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound_to_it() {
        let mut connection = Connection::open(Path::new(":memory:")).unwrap();
        let tables =
            "create table u (realm_id integer, id integer, name text, primary key (realm_id, id)) without rowid;
            create table f (realm_id integer, id integer, user_id integer, primary key (realm_id, id)) without rowid;
            insert into u values (1, 1, 'ada'); insert into f values (1, 1, 1), (1, 2, 1);";
        connection.raw().execute_batch(tables).unwrap();
        for id in [1_i64, 2, 3, 1] {
            let name = connection.first(&JOINED, &[1_i64.into(), id.into()], |row| row.get::<String>(0)).unwrap();
            assert_eq!(name.as_deref(), (id < 3).then_some("ada"));
        }
        let statement = connection.raw().prepare_cached(&numbered(JOINED.text)).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
