//! Who changed what: the context that every use case gets ([`Cx`]), the units through which it writes ([`Unit`]) and
//! the audit events that those units leave in the same transaction.
//!
//! A write without an event is possible only with [`quiet`], which takes the reason. This crate knows no domain: it
//! takes an event's name, subject and fields as they are.

mod cx;
mod event;
#[cfg(test)]
mod tests;
mod unit;

pub use cx::Cx;
pub use event::{Event, Field, refused};
pub use unit::{Unit, quiet, unit};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[unit::sql::ALL];
