//! Several nodes: separate processes on one PostgreSQL, with nothing else in common and no sticky sessions.

pub(crate) mod cluster;
pub(crate) mod people;
pub(crate) mod wire;

mod away;
mod keys;
mod leaks;
mod random;
mod revoked;
mod tokens;
