//! The composition root: configuration, wiring, the command line. Everything is put together here and nowhere else.

pub mod config;

mod clock;
mod command;
mod commands;
mod dev;
mod files;
mod logging;
mod operator;
mod serve;
mod server;
mod surroundings;
mod work;

pub use clock::SystemClock;
pub use command::main;
pub use server::{Ambient, Server, Services};
pub use surroundings::Held;
