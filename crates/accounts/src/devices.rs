//! Where somebody is signed in, and how that ends: by the person on the account page or in an application's own settings,
//! or by an administrator.

use claviger_audit::{Cx, Event};
use claviger_kernel::{SessionId, Unavailable, UserId};
use claviger_session::sessions;

use crate::Accounts;

/// The session was not ended.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// The user has no session of this id.
    #[error("there is no such session")]
    Unknown,
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Accounts {
    /// Ends one session of `user`, and everything that was opened in it. Another user's session is unknown here.
    pub async fn end_session(
        &self,
        cx: &Cx,
        user: UserId,
        session: SessionId,
        reason: &'static str,
    ) -> Result<(), EndError> {
        if sessions::owner(cx, session).await? != Some(user) {
            return Err(EndError::Unknown);
        }
        let mut unit = claviger_audit::unit(cx, Event::new("session_closed", session).with("user", user));
        sessions::end(&mut unit, session, reason);
        Ok(crate::engine::committed(cx.commit(unit).await)?)
    }

    /// Ends every session of `user`, and what was opened in them. What they are signed in to by other means, such as a
    /// grant for offline access, ends too.
    pub async fn end_every_session(&self, cx: &Cx, user: UserId) -> Result<(), Unavailable> {
        let mut unit = claviger_audit::unit(cx, Event::new("every_session_closed", user));
        sessions::end_all(&mut unit, user, None, "ended by an administrator");
        crate::engine::committed(cx.commit(unit).await)
    }

    /// Ends every session of `user` but `keep`, and what was opened in them.
    pub async fn end_other_sessions(&self, cx: &Cx, user: UserId, keep: SessionId) -> Result<(), Unavailable> {
        let mut unit = claviger_audit::unit(cx, Event::new("other_sessions_closed", user).with("keep", keep));
        sessions::end_all(&mut unit, user, Some(keep), "ended by the user");
        crate::engine::committed(cx.commit(unit).await)
    }
}
