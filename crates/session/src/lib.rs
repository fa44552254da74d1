//! Is this request authenticated? Sessions of browsers, families of refresh tokens, and how both end.
//!
//! A session is opened in one place, [`sessions::open`], and only for an active user and a [`Complete`] set of proofs;
//! a path that skipped a check does not compile. Sessions and families copy nothing of the user but the epoch, and every
//! check compares it.

pub mod complete;
pub mod families;
pub mod revocations;
pub mod sessions;

pub use complete::{Complete, Level, Missing, Requirement};
pub use revocations::Revocations;
pub use sessions::{Opened, Session};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[
    families::sql::ALL,
    revocations::sql::ALL,
    sessions::sql::ALL,
    sessions::listed::of_user::ALL,
    sessions::listed::sql::ALL,
];
