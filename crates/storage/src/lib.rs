//! Where everything durable lives: one relational truth on SQLite or PostgreSQL, written as guarded units.
//!
//! Use cases read rows ([`Store::get`], [`Store::list`]), decide in a pure function, and commit one [`Unit`]: statements
//! plus how many rows each must touch, all or nothing. SQL is written once, in the subset that both engines share, as
//! [`Sql`] statements declared with [`statements!`]. This crate knows no domain.

mod changes;
mod ephemeral;
mod error;
mod jobs;
mod leases;
mod list;
pub mod migrate;
pub mod nodes;
mod outage;
mod own;
mod postgres;
mod row;
pub mod scratch;
mod signals;
mod sqlite;
mod statement;
mod store;
pub mod suite;
mod unit;
mod value;

pub use changes::{Change, Follower, LOG_REACH, Progress};
pub use ephemeral::{Ephemeral, FirstUse, RedisPatience};
pub use error::{ColumnError, CommitError, OpenError};
pub use jobs::{Failed, Job, JobQueue, Retry};
pub use leases::{Lease, Leases};
#[doc(hidden)]
pub use list::flat as flat_list;
pub use list::{BadCursor, Choice, Cursor, FIRST_COLUMN, LARGEST_PAGE, List, Listed, Page, Wanted};
pub use outage::Outage;
pub use own::{forget_changes, forget_quiet_units};
pub use postgres::{RoleFault, RoleProblem, check_roles, roles_sql};
pub use row::{Column, FromColumn, Row, Rows};
pub use statement::{Scope, Sql};
pub use store::{PostgresOptions, SqliteOptions, Store};
pub use unit::{Committed, Expect, Step, StepKind, Unit};
pub use value::Value;

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&Sql]] = &[
    changes::sql::ALL,
    ephemeral::sql::ALL,
    ephemeral::turn_sql::ALL,
    jobs::sql::ALL,
    leases::sql::ALL,
    nodes::sql::ALL,
    own::sql::ALL,
    unit::sql::ALL,
];
