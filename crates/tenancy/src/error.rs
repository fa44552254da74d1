//! What can be wrong with a change of realms.

use claviger_kernel::{ErrorClass, Unavailable};
use claviger_storage::CommitError;

use crate::SettingsError;

/// A realm was not made, found or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenancyError {
    /// The name is malformed.
    #[error("a realm's name has 1 to 40 characters of a-z, 0-9 and -, and neither begins nor ends with -")]
    Name,
    /// The name is kept for Claviger itself.
    #[error("the name {0} is reserved; choose another")]
    Reserved(String),
    /// Another realm bears the name.
    #[error("there is a realm called {0} already")]
    Taken(String),
    /// The display name is empty or too long.
    #[error("a realm's display name has 1 to 80 characters and no control characters")]
    DisplayName,
    /// There is no such realm.
    #[error("there is no such realm")]
    NotFound,
    /// The realm has changed since it was read.
    #[error("the realm has changed in the meantime; read it again and repeat the change")]
    Changed,
    /// The realm `main` carries the server itself.
    #[error("the realm main cannot be disabled")]
    MainStays,
    /// A setting is unknown or out of bounds.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl TenancyError {
    /// What a caller can do about it.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Name | Self::Reserved(_) | Self::DisplayName | Self::Settings(_) => ErrorClass::Invalid,
            Self::Taken(_) | Self::Changed | Self::MainStays => ErrorClass::Conflict,
            Self::NotFound => ErrorClass::NotFound,
            Self::Unavailable(_) => ErrorClass::Unavailable,
        }
    }

    /// A commit that failed, where `taken` is the name that the unit wanted.
    pub fn committing(error: CommitError, taken: &str) -> Self {
        match error {
            CommitError::Conflict("realm_name") => Self::Taken(taken.to_owned()),
            CommitError::Conflict("realm") => Self::Changed,
            CommitError::Conflict(label) => Unavailable::new(format!("a realm's unit missed {label}")).into(),
            CommitError::Unavailable(fault) => fault.into(),
        }
    }
}
