//! The keys of every realm: how they are kept, when they change, who may use them.
//!
//! A key is wrapped under the [`MasterKey`], which stands outside the store, and bound to its row. It goes *pending →
//! active → retiring → removed*: published before it signs, kept until its last token has expired. [`KeyRing`] is the
//! complete view, and the one service through which everything else signs, verifies, seals and hashes.

mod change;
mod error;
mod events;
mod follow;
mod key;
mod look;
mod master;
mod origin;
mod realm;
mod remove;
mod ring;
mod rotate;
mod rules;
mod source;
mod sql;
#[cfg(test)]
mod tests;
mod turn;
mod view;

pub use error::{KeysError, MasterError};
pub use key::{Key, KeyState, Purpose};
pub use master::{MalformedMaster, MasterId, MasterKey};
pub use origin::MasterOrigin;
pub use ring::{KeyFault, KeyRing, SealError};
pub use rotate::Rotation;
pub use source::{FreshKeys, KeySource};
pub use view::Jwks;

/// Every statement of this crate, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[sql::ALL];
