//! What may they do? One function, [`decide`], asked by everyone, ourselves included. It never signs anybody in.
//!
//! Roles are built in so far: `admin` may do everything in its realm. A permission is `resource:action`; every route of
//! the management surface declares the one that it needs.

mod decide;
mod permission;
pub mod roles;

pub use decide::{Decision, Granted, Why, decide};
pub use permission::Permission;
pub use roles::{Role, assign, of_user, unassign};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[roles::sql::ALL];
