//! Migrations: one numbered list, forward only, written once for both engines and rendered for each.
//!
//! A file stands in `migrations/` and in [`MIGRATIONS`]. Types are placeholders (`{id}`, `{bytes}`, `{int}`, `{bool}`,
//! `{text}`, `{time}`), a table ends in `{keyed}` (clustered by its primary key) or `{table}`, and a comment line above
//! each `create table` says whose rows it holds: `-- tenant`, `-- tenant keyed` or `-- shared`. What only one engine can
//! say stands between `-- only sqlite` (or `-- only postgres`) and `-- end`.

mod render;

pub use render::RenderError;

macro_rules! migration {
    ($file:literal) => {
        ($file, include_str!(concat!("../../../migrations/", $file, ".sql")))
    };
}

/// The migrations in their order: file name without its ending, and text.
pub const MIGRATIONS: &[(&str, &str)] = &[
    migration!("0001_storage"),
    migration!("0002_audit"),
    migration!("0003_tenancy"),
    migration!("0004_keys"),
    migration!("0005_identity"),
    migration!("0006_session"),
    migration!("0007_clients"),
    migration!("0008_oauth"),
    migration!("0009_notify"),
    migration!("0010_authorization"),
    migration!("0011_revocations"),
    migration!("0012_nodes"),
    migration!("0013_risks"),
    migration!("0014_token_formats"),
    migration!("0016_ephemeral"),
];

/// Which engine a migration is rendered for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Whose rows a table holds, and so who may read them on PostgreSQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tenancy {
    /// Rows of one realm each: row-level security by `realm_id`, closed to the keyed-read role.
    Tenant,
    /// The same, and the keyed-read role may select.
    TenantKeyed,
    /// Rows of no realm, or read across realms: no row-level security.
    Shared,
}

/// One migration, ready to run on one engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migration {
    /// Its number.
    pub number: i64,
    /// Its name, without the number.
    pub name: &'static str,
    /// Tells whether the text has changed since it was applied; the same on both engines.
    pub checksum: i64,
    /// The statements, without the final semicolon.
    pub statements: Vec<String>,
    /// The tables that it makes.
    pub tables: Vec<(String, Tenancy)>,
}

/// Every migration, rendered for `dialect`.
///
/// # Panics
/// If a file does not follow the rules of this module; a test reads them all.
pub fn rendered(dialect: Dialect) -> Vec<Migration> {
    let render = |&(file, text): &(&'static str, &'static str)| {
        migration(file, text, dialect).unwrap_or_else(|error| panic!("migrations/{file}.sql: {error}"))
    };
    MIGRATIONS.iter().map(render).collect()
}

/// Reads one migration: `file` is `NNNN_name`.
pub fn migration(file: &'static str, text: &str, dialect: Dialect) -> Result<Migration, RenderError> {
    let (digits, name) = file.split_once('_').ok_or(RenderError::Name)?;
    let number = digits.parse().ok().filter(|number| *number > 0).ok_or(RenderError::Name)?;
    let (statements, tables) = render::render(text, dialect)?;
    Ok(Migration { number, name, checksum: checksum(text), statements, tables })
}

/// FNV-1a: guards against a slip of the editor, not against an attacker.
fn checksum(text: &str) -> i64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.cast_signed()
}

/// What an engine has to do to come from what it has applied to what this version knows.
///
/// `applied` are the numbers and checksums in `schema_migrations`. Returns the migrations that are missing.
///
/// # Errors
/// [`crate::OpenError::Newer`] and [`crate::OpenError::Altered`].
pub fn missing(known: Vec<Migration>, applied: &[(i64, i64)]) -> Result<Vec<Migration>, crate::OpenError> {
    let newest = known.last().map_or(0, |migration| migration.number);
    if let Some((found, _)) = applied.iter().max().filter(|(found, _)| *found > newest) {
        return Err(crate::OpenError::Newer { found: *found, known: newest });
    }
    for (number, checksum) in applied {
        if !known.iter().any(|migration| migration.number == *number && migration.checksum == *checksum) {
            return Err(crate::OpenError::Altered(*number));
        }
    }
    Ok(known.into_iter().filter(|migration| applied.iter().all(|(number, _)| *number != migration.number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenError;

    #[test]
    fn every_migration_renders_for_both_engines_with_the_same_tables_in_ascending_order() {
        let (sqlite, postgres) = (rendered(Dialect::Sqlite), rendered(Dialect::Postgres));
        assert!(sqlite.is_sorted_by(|a, b| a.number < b.number), "numbers ascend");
        for (sqlite, postgres) in sqlite.iter().zip(&postgres) {
            assert_eq!(sqlite.tables, postgres.tables, "{}", sqlite.name);
            assert_eq!(sqlite.checksum, postgres.checksum);
        }
        assert_eq!(sqlite.len(), postgres.len());
    }

    #[test]
    fn what_has_been_applied_must_be_known_and_unchanged() {
        let known = || {
            ["0001_a", "0003_b"]
                .map(|file| migration(file, &format!("create index {file} on t (c);"), Dialect::Sqlite).unwrap())
                .to_vec()
        };
        let sums: Vec<_> = known().iter().map(|migration| (migration.number, migration.checksum)).collect();
        assert_eq!(missing(known(), &[]).unwrap(), known());
        assert_eq!(missing(known(), &sums).unwrap(), []);
        assert_eq!(missing(known(), &sums[1..]).unwrap(), known()[..1]);
        assert!(matches!(missing(known(), &[(1, 0)]), Err(OpenError::Altered(1))));
        assert!(matches!(missing(known(), &[(2, 0)]), Err(OpenError::Altered(2))));
        assert!(matches!(missing(known(), &[(4, 0)]), Err(OpenError::Newer { found: 4, known: 3 })));
    }
}
