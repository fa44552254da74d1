//! What a process is told at its start: a TOML file, the environment on top, flags on top of that.
//!
//! Every setting stands in one table ([`SETTINGS`]) with its form, bounds, default and purpose; the reference page is made
//! from it. A key or a `CLAVIGER_` variable that the table does not know stops the start and is named, because a misspelt
//! security switch must not pass for one. Whatever a realm may differ in is a row in the store and not here.

mod error;
pub mod fuzz;
mod layers;
mod reference;
mod settings;
mod table;
mod value;

pub use error::{ConfigError, Origin};
pub use layers::{Flag, load};
pub use reference::reference_page;
pub use settings::{
    DatabaseSettings, EphemeralSettings, HashImplementation, KeySettings, LimitSettings, LogFormat, LogSettings,
    PasswordHashing, ProxySettings, Settings,
};
pub use table::{Form, SETTINGS, Setting};
pub use value::Span;
