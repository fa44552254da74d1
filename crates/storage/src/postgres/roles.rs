//! The three roles: what makes them, and whether a connection is what it should be.
//!
//! Two group roles carry every privilege: `claviger_app` (units and lists; bound to one realm at a time by row-level
//! security) and `claviger_read` (keyed reads; may select from a named list of tables and change nothing). Logins are
//! members of exactly one of them. The owner is bound by no policy, because a migration has to fill columns across
//! realms and a forced policy would make it pass over every row in silence; hence the owner must never serve.

use core::fmt;

use super::address::{Address, Purpose};
use super::connection::Connection;
use super::{reach, refused};
use crate::{OpenError, PostgresOptions};

/// The oldest PostgreSQL that is supported.
const OLDEST: i32 = 14;

/// The SQL that makes roles and database, for a superuser to run once with `psql`. Passwords are left to fill in.
///
/// `database` is the name of the database; the logins are named after it.
pub fn roles_sql(database: &str) -> String {
    let (base, db) = (database.replace('"', "\"\""), quoted(database));
    let (owner, app, read) = (format!("\"{base}_owner\""), format!("\"{base}_server\""), format!("\"{base}_reader\""));
    format!(
        "-- Group roles: they hold the privileges and log in as nobody. One pair serves every database of a cluster.\n\
         {GROUPS}\n\
         -- Logins. Replace the three passwords.\n\
         create role {owner} login password 'REPLACE-OWNER-PASSWORD' nosuperuser nobypassrls;  -- database.migrate_url\n\
         create role {app} login password 'REPLACE-SERVER-PASSWORD' nosuperuser nobypassrls in role claviger_app;  -- database.url\n\
         create role {read} login password 'REPLACE-READER-PASSWORD' nosuperuser nobypassrls in role claviger_read;  -- database.read_url\n\
         alter role {app} set statement_timeout = '2s';\n\
         alter role {app} set lock_timeout = '1500ms';\n\
         alter role {app} set idle_in_transaction_session_timeout = '3s';\n\
         alter role {read} set statement_timeout = '1900ms';\n\
         alter role {read} set default_transaction_read_only = on;\n\
         \n\
         create database {db} owner {owner} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C';\n\
         revoke all on database {db} from public;\n\
         grant connect on database {db} to {app}, {read};\n\
         \\connect {db}\n\
         revoke all on schema public from public;\n\
         grant usage, create on schema public to {owner};\n\
         grant usage on schema public to claviger_app, claviger_read;\n"
    )
}

/// Makes the group roles where they are missing.
pub(super) const GROUPS: &str = "do $$ begin\n  \
    if to_regrole('claviger_app') is null then create role claviger_app nologin; end if;\n  \
    if to_regrole('claviger_read') is null then create role claviger_read nologin; end if;\n\
    end $$;";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What is wrong with a role or with the database behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleProblem {
    /// The setting whose address leads there.
    pub setting: &'static str,
    /// As whom it logs in.
    pub role: String,
    /// What is wrong.
    pub fault: RoleFault,
}

/// The kinds of [`RoleProblem`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoleFault {
    /// Policies do not bind a superuser.
    Superuser,
    /// Policies do not bind it.
    BypassesPolicies,
    /// It owns a table, so policies do not bind it.
    Owner(String),
    /// It lacks the group role that carries its privileges.
    NotMember(&'static str),
    /// It has the other group role as well, and with it that role's policies.
    AlsoMember(&'static str),
    /// The keyed-read role may change this table.
    Writes(String),
    /// A table without row-level security.
    OpenTable(String),
    /// Another encoding than UTF-8.
    Encoding(String),
    /// A server older than the oldest supported.
    OldServer(String),
    /// A standby, which lags behind: decisions are made on the primary.
    Standby,
    /// Another database than the one behind `database.url`.
    OtherDatabase,
}

impl fmt::Display for RoleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, role, fault } = self;
        write!(f, "{setting} logs in as {role}, ")?;
        match fault {
            RoleFault::Superuser => f.write_str("a superuser, whom no row-level security binds"),
            RoleFault::BypassesPolicies => f.write_str("which bypasses row-level security"),
            RoleFault::Owner(table) => {
                write!(f, "which owns the table {table}, so that no row-level security binds it")
            }
            RoleFault::NotMember(group) => write!(f, "which is no member of {group}"),
            RoleFault::AlsoMember(group) => write!(f, "which must not be a member of {group}"),
            RoleFault::Writes(table) => write!(f, "which may change the table {table} and should only read"),
            RoleFault::OpenTable(table) => write!(f, "and the table {table} there has no row-level security"),
            RoleFault::Encoding(found) => write!(f, "and the database there is encoded in {found}, not UTF8"),
            RoleFault::OldServer(found) => {
                write!(f, "and the server there is {found}; {OLDEST} is the oldest supported")
            }
            RoleFault::Standby => return f.write_str("and the server there is a standby; decisions need the primary"),
            RoleFault::OtherDatabase => return f.write_str("and the database there is not that of database.url"),
        }?;
        f.write_str(
            "; the SQL that `claviger init --postgres-roles NAME` prints makes roles and database as they must be",
        )
    }
}

/// Looks at the roles of `database.url` and `database.read_url`; an empty answer is a good one.
///
/// # Errors
/// [`OpenError`] if one of them cannot be asked.
pub async fn check_roles(options: &PostgresOptions) -> Result<Vec<RoleProblem>, OpenError> {
    let mut problems = Vec::new();
    let app = Address::parse(APP.setting, &options.url)?.limited(Purpose::Read);
    let read = reader(options)?.limited(Purpose::Read);
    let (app, read) = (reach::spawned(APP.setting, &app).await?, reach::spawned(READ.setting, &read).await?);
    problems.extend(check(&app, &APP).await?);
    problems.extend(check(&read, &READ).await?);
    if problems.is_empty() {
        problems.extend(elsewhere(&app, &read).await?);
    }
    Ok(problems)
}

/// The address of the keyed-read role, which must be given: as the application role, without a tenant, keyed reads would
/// find nothing.
pub(super) fn reader(options: &PostgresOptions) -> Result<Address, OpenError> {
    let missing =
        || OpenError::Options("database.read_url is not set; it is the address of the keyed-read role".into());
    Address::parse(READ.setting, options.read_url.as_ref().ok_or_else(missing)?)
}

/// What one of the settings must lead to.
pub(super) struct Expected {
    pub(super) setting: &'static str,
    group: &'static str,
    other: &'static str,
    writes: bool,
}

pub(super) static APP: Expected =
    Expected { setting: "database.url", group: "claviger_app", other: "claviger_read", writes: true };
pub(super) static READ: Expected =
    Expected { setting: "database.read_url", group: "claviger_read", other: "claviger_app", writes: false };

const LOOK: &str = "select session_user::text, \
    (select bool_or(rolsuper) from pg_roles where rolname in (session_user, current_user)), \
    (select bool_or(rolbypassrls) from pg_roles where rolname in (session_user, current_user)), \
    coalesce(pg_has_role(to_regrole('claviger_app'), 'usage'), false), \
    coalesce(pg_has_role(to_regrole('claviger_read'), 'usage'), false), \
    (select min(c.relname::text) from pg_class c where c.relnamespace = to_regnamespace('public') \
        and c.relkind in ('r', 'p') and pg_has_role(c.relowner, 'usage')), \
    (select min(c.relname::text) from pg_class c where c.relnamespace = to_regnamespace('public') \
        and c.relkind in ('r', 'p') and has_table_privilege(c.oid, 'insert, update, delete, truncate')), \
    (select min(c.relname::text) from pg_class c where c.relnamespace = to_regnamespace('public') \
        and c.relkind in ('r', 'p') and not c.relrowsecurity), \
    current_setting('server_encoding'), current_setting('server_version_num')::int4, \
    current_setting('server_version'), pg_is_in_recovery()";

/// Looks at the role behind one connection.
pub(super) async fn check(connection: &Connection, expected: &Expected) -> Result<Vec<RoleProblem>, OpenError> {
    let rows = connection.client().query_typed(LOOK, &[]).await.map_err(|error| refused(expected.setting, &error))?;
    let row = rows.first().ok_or_else(|| OpenError::Engine(format!("{}: no answer", expected.setting)))?;
    let (superuser, bypass): (bool, bool) = (row.get(1), row.get(2));
    let (app, read): (bool, bool) = (row.get(3), row.get(4));
    let member = |group| if group == APP.group { app } else { read };
    let mut faults = Vec::new();
    if superuser {
        // A superuser is a member and an owner of everything: one line says it all.
        faults.push(RoleFault::Superuser);
    } else {
        faults.extend(bypass.then_some(RoleFault::BypassesPolicies));
        faults.extend(row.get::<_, Option<String>>(5).map(RoleFault::Owner));
        faults.extend((!member(expected.group)).then_some(RoleFault::NotMember(expected.group)));
        faults.extend(member(expected.other).then_some(RoleFault::AlsoMember(expected.other)));
        let writable = row.get::<_, Option<String>>(6).filter(|_| !expected.writes);
        faults.extend(writable.map(RoleFault::Writes));
    }
    faults.extend(row.get::<_, Option<String>>(7).map(RoleFault::OpenTable));
    let encoding: String = row.get(8);
    faults.extend((encoding != "UTF8").then_some(RoleFault::Encoding(encoding)));
    faults.extend((row.get::<_, i32>(9) < OLDEST * 10_000).then(|| RoleFault::OldServer(row.get(10))));
    faults.extend(row.get::<_, bool>(11).then_some(RoleFault::Standby));
    let role: String = row.get(0);
    Ok(faults.into_iter().map(|fault| RoleProblem { setting: expected.setting, role: role.clone(), fault }).collect())
}

/// The first of `problems` as the reason not to start.
pub(super) fn refuse(problems: impl IntoIterator<Item = RoleProblem>) -> Result<(), OpenError> {
    problems.into_iter().next().map_or(Ok(()), |problem| Err(OpenError::Options(problem.to_string())))
}

/// Whether keyed reads go to another database than units: each has a change log with an identity of its own.
pub(super) async fn elsewhere(app: &Connection, read: &Connection) -> Result<Option<RoleProblem>, OpenError> {
    let asked = "select session_user::text, (select id from log_identity), \
        (select oid from pg_database where datname = current_database())";
    let identity = async |connection: &Connection, setting| {
        let rows = connection.client().query_typed(asked, &[]).await.map_err(|error| refused(setting, &error))?;
        let row = rows.first().ok_or_else(|| OpenError::Engine(format!("{setting}: no answer")))?;
        Ok::<(String, (Option<Vec<u8>>, u32)), OpenError>((row.get(0), (row.get(1), row.get(2))))
    };
    let ((_, of_units), (role, of_reads)) = (identity(app, APP.setting).await?, identity(read, READ.setting).await?);
    let problem = RoleProblem { setting: READ.setting, role, fault: RoleFault::OtherDatabase };
    Ok((of_units != of_reads).then_some(problem))
}
