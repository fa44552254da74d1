//! What can go wrong between the code and the store.

use claviger_kernel::Unavailable;

/// A unit was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The step of this label touched another number of rows than it must, or broke a unique rule; nothing happened.
    #[error("the world has changed: {0}")]
    Conflict(&'static str),
    /// The store cannot tell, or cannot write now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl CommitError {
    /// The label of the step that found the world changed, if that is what happened.
    pub const fn conflict(&self) -> Option<&'static str> {
        match self {
            Self::Conflict(label) => Some(label),
            Self::Unavailable(_) => None,
        }
    }
}

/// A column did not hold what its reader expects: the schema and the code disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {index}: expected {expected}, found {found}")]
pub struct ColumnError {
    /// The column's place, from zero.
    pub index: usize,
    /// What the reader wanted.
    pub expected: &'static str,
    /// What stood there.
    pub found: &'static str,
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the data folder.
    #[error(
        "the data folder {0} is in use by another process; stop it, or talk to it with the same command while it runs"
    )]
    Locked(String),
    /// The schema is newer than this program.
    #[error("the database has schema {found}, this version knows only {known}; start a newer version")]
    Newer {
        /// The schema's number.
        found: i64,
        /// The newest number that this version knows.
        known: i64,
    },
    /// The schema is older and this role may not change it.
    #[error("the database has schema {found} and needs {needed}; set database.migrate_url to the owner's address")]
    Older {
        /// The schema's number.
        found: i64,
        /// The number needed.
        needed: i64,
    },
    /// A migration that was applied earlier reads differently now.
    #[error("migration {0} was changed after it had been applied to this database; restore its text")]
    Altered(i64),
    /// The address or an option is not understood.
    #[error("{0}")]
    Options(String),
    /// The engine said no.
    #[error("{0}")]
    Engine(String),
}
