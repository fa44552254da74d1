//! When a session is good: pure decisions.

use core::time::Duration;

use claviger_crypto::opaque::Opaque;
use claviger_kernel::Timestamp;

use super::sql::SessionRow;
use super::{PresentError, opaque_matches};

/// How long sessions of a realm live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// Unused for this long, a session is over.
    pub idle: Duration,
    /// After this long it is over in any case.
    pub absolute: Duration,
    /// How many live sessions a user may have; the oldest ends for one more.
    pub per_user: u32,
}

/// Whether the cookie is the session's present one and the session lives.
pub(super) fn good(row: &SessionRow, opaque: &Opaque, now: Timestamp) -> Result<(), PresentError> {
    if !opaque_matches(opaque, row.session.generation, &row.session.secret_hash) {
        return Err(PresentError::Unknown);
    }
    alive(row, now)
}

/// Whether the session lives.
pub(super) fn alive(row: &SessionRow, now: Timestamp) -> Result<(), PresentError> {
    if row.ended {
        return Err(PresentError::Ended);
    }
    if !row.user_active || row.user_epoch_now != row.session.user_epoch {
        return Err(PresentError::Epoch);
    }
    if now >= row.session.idle_expires_at || now >= row.session.expires_at {
        return Err(PresentError::Expired);
    }
    Ok(())
}
