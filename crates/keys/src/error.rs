//! What can be wrong with the master key and with a change of keys.

use claviger_kernel::{ErrorClass, Timestamp, Unavailable};
use claviger_storage::CommitError;
use claviger_tenancy::TenancyError;

use crate::MasterId;

/// The master key does not fit the store; the server must not start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MasterError {
    /// There is none, and the store holds keys that need it (F19), or a value was to be given and is not.
    #[error(
        "the master key is missing: expected in {0}. The store holds keys that only it can unwrap; restore it from its \
         backup. No new one is made over existing data"
    )]
    Missing(String),
    /// Another one is there than the store needs.
    #[error(
        "the master key in {place} has the id {found}, the store needs {needed}. Restore the right one from its backup, \
         or point the configuration at it"
    )]
    Wrong {
        /// Where it was found.
        place: String,
        /// The id of the one found.
        found: MasterId,
        /// The id of the one that the store needs.
        needed: MasterId,
    },
    /// A change of the master key is not finished, and one of the two is not there.
    #[error(
        "a change of the master key is not finished, and {needed} is missing: until then the old and the new key are \
         both needed, in {place} and beside it (F.next, or keys.other_master_key)"
    )]
    Half {
        /// The id of the missing one.
        needed: MasterId,
        /// Where the first is expected.
        place: String,
    },
    /// It is not a master key.
    #[error("{0} does not hold a master key; it is written as cvmk_ and 43 base64url characters")]
    Malformed(String),
    /// The file can be read by others.
    #[error("{path} has mode {mode:04o}: others may read it. Run chmod 600 on it")]
    Permissions {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// The record of the master key is damaged or gone although realms are there.
    #[error("the store holds realms but its record of the master key is {0}; restore the store from its backup")]
    Record(&'static str),
    /// The next master key is not in the configuration.
    #[error("set keys.other_master_key to the next master key and start again; then change to it")]
    NextNotConfigured,
    /// Another next master key waits already.
    #[error(
        "{0} holds another next master key, left by a change that did not finish; use that one, or remove the file"
    )]
    Waiting(String),
    /// A change of the master key is under way already.
    #[error("a change of the master key is under way; wait until it is finished")]
    UnderWay,
    /// Keys could not be unwrapped under the old master key, so it must stay.
    #[error("{0} keys are damaged and do not unwrap; restore their rows or remove those keys by force, then repeat")]
    Damaged(usize),
    /// The store cannot answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A key was not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeysError {
    /// There is no such realm.
    #[error("there is no such realm")]
    NoRealm,
    /// There is no such key in the realm.
    #[error("there is no such key")]
    NoKey,
    /// Keys of this purpose are never replaced.
    #[error("keys of this purpose stay for good: rows are found by what they compute")]
    Permanent,
    /// The key is in use, or what it has made lives as long as the key stays.
    #[error(
        "the key is in use; rotate first. If it has leaked, remove it by force: everything made with it is then refused"
    )]
    InUse,
    /// The key no longer signs, but what it has signed may be alive.
    #[error("tokens under this key are alive until {0}; wait, or remove it by force if it has leaked")]
    LiveTokens(Timestamp),
    /// Secrets lie sealed under the key.
    #[error("what was sealed with this key can only be read with it; it cannot be removed")]
    StillRead,
    /// The key has been removed already.
    #[error("the key has been removed already")]
    Removed,
    /// Somebody else changed the keys at the same time.
    #[error("the keys have changed in the meantime; look again and repeat")]
    Changed,
    /// Another node has taken over the rotation of keys.
    #[error("another node brings the keys on; repeat if nothing has happened")]
    Elsewhere,
    /// A realm could not be made.
    #[error(transparent)]
    Tenancy(#[from] TenancyError),
    /// The store, or the making of a key, failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl KeysError {
    /// What a caller can do about it.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::NoRealm | Self::NoKey => ErrorClass::NotFound,
            Self::Permanent => ErrorClass::Invalid,
            Self::InUse | Self::LiveTokens(_) | Self::StillRead | Self::Removed | Self::Changed | Self::Elsewhere => {
                ErrorClass::Conflict
            }
            Self::Tenancy(error) => error.class(),
            Self::Unavailable(_) => ErrorClass::Unavailable,
        }
    }
}

impl From<CommitError> for KeysError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict("lease") => Self::Elsewhere,
            CommitError::Conflict(_) => Self::Changed,
            CommitError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}
