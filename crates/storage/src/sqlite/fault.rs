//! What SQLite's errors mean to a unit and to its neighbours.

use claviger_kernel::Unavailable;
use rusqlite::ffi::{self, ErrorCode};

use crate::{ColumnError, Sql};

/// A statement failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The engine's error.
    Engine(rusqlite::Error),
    /// A column is not what its reader expects.
    Column(ColumnError),
    /// The statement's arguments or kind are wrong: the code is.
    Misuse(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<ColumnError> for Fault {
    fn from(error: ColumnError) -> Self {
        Self::Column(error)
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Column(error) => error.fmt(f),
            Self::Misuse(text) => f.write_str(text),
        }
    }
}

impl Fault {
    /// A row stood in the way: a unique rule.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Engine(rusqlite::Error::SqliteFailure(error, _)) if matches!(
            error.extended_code,
            ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID
        ))
    }

    /// The file can no longer be trusted to keep what is written: nothing more may be written (F16).
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Engine(error) if matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::FileLockingProtocolFailed
            )
        ))
    }

    /// A commit refused so has not happened: no room, or no lock.
    pub(super) fn refuses_commit(&self) -> bool {
        matches!(self, Self::Engine(error) if matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)
        ))
    }

    /// What the caller is told.
    pub(super) fn unavailable(&self, sql: &Sql) -> Unavailable {
        Unavailable::new(format!("{}: {self}", sql.name))
    }
}
