//! The composition root: configuration, wiring, the command line. Everything is put together here and nowhere else.

pub mod config;

mod clock;
mod command;
mod files;
mod logging;
mod serve;
mod server;

pub use clock::SystemClock;
pub use command::main;
pub use server::{Ambient, Server, Services};
