//! Who is this? Users, the addresses at which they are reached, and the credentials that prove them.
//!
//! This crate alone reads and writes credential tables, and it alone makes [`ActiveUser`] (somebody who exists and is
//! not disabled) and [`Proven`] (one verified credential). Whoever asks for one of these types needs no check of his own.

pub mod attempts;
pub mod emails;
pub mod mailbox;
pub mod newcomers;
pub mod passwords;
pub mod risks;
pub mod users;

mod proven;

pub use proven::{Method, Proven};
pub use users::{ActiveUser, User};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] =
    &[attempts::sql::ALL, emails::sql::ALL, passwords::sql::ALL, risks::sql::ALL, users::sql::ALL];
