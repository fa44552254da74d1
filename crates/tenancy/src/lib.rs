//! Whose data: realms, what each of them may differ in, and the addresses under which they issue.
//!
//! [`Tenancy`] is a complete view: every realm stands in memory, so that finding one costs no query. A realm is made
//! together with its keys, hence by the `keys` crate, which joins [`Tenancy::draft`] with its own rows in one unit.

mod error;
mod events;
mod name;
mod public_url;
mod realm;
mod settings;
mod sql;
#[cfg(test)]
mod tests;
mod view;
mod wire;

pub use error::TenancyError;
pub use name::RealmName;
pub use public_url::{PublicUrl, PublicUrlError};
pub use realm::{Draft, NewRealm, Realm, RealmChange, RealmStatus};
pub use settings::{
    FlowSettings, KeySettings, PasswordSettings, RealmSettings, SessionSettings, SettingProblem, SettingRule,
    SettingsError, SignUpSettings, TokenSettings,
};
pub use view::Tenancy;

/// Every statement of this crate, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[sql::ALL];
