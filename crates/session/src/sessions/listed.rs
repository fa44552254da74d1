//! The list of a user's sessions: where somebody is signed in, and which device it is.

use claviger_audit::{Cx, Unit};
use claviger_kernel::{SessionId, Timestamp, Unavailable, UserId};
use claviger_storage::{ColumnError, CommitError, Cursor, FIRST_COLUMN, Listed, Page, Row, Value, Wanted, args};

use super::{Lifetimes, PresentError};

claviger_storage::list! {
    /// The sessions of a user. One that has idled out still counts as signed in while an application that was opened in it
    /// holds a live refresh token: ending it ends that too.
    pub(crate) mod of_user {
        columns "s.device, s.source, s.acr, s.authenticated_at, s.created_at, s.seen_at, s.expires_at, s.ended_at, s.end_reason";
        rows "sessions s join users u on u.realm_id = s.realm_id and u.id = s.user_id where s.realm_id = $1 and s.user_id = $5";
        id "s.id";
        filters {
            /// Ended and expired ones too, as long as they are kept.
            All = "all": "",
            /// Those by which somebody is signed in now; `$6` is the time.
            Alive = "alive": "and s.ended_at is null and s.user_epoch = u.epoch and u.status = 'active' and \
                ((s.idle_expires_at > $6 and s.expires_at > $6) or exists (select 1 from token_families f \
                where f.realm_id = s.realm_id and f.session_id = s.id and f.revoked_at is null and f.expires_at > $6 \
                and f.idle_expires_at > $6))",
        }
        sorts {
            /// The one used last comes first.
            LastSeen = "last_seen": "s.seen_at" desc,
            /// The newest comes first.
            Newest = "newest": "s.created_at" desc,
            /// The oldest comes first.
            Oldest = "oldest": "s.created_at" asc,
        }
    }
}

pub(crate) mod sql {
    claviger_storage::statements! {
        /// Whose a session is; that never changes.
        pub(crate) OWNER: "select user_id from sessions where realm_id = $1 and id = $2";
        /// One as the list shows it.
        pub(crate) ONE: "select s.seen_at, s.id, s.device, s.source, s.acr, s.authenticated_at, s.created_at, s.seen_at, \
            s.expires_at, s.ended_at, s.end_reason from sessions s where s.realm_id = $1 and s.id = $2";
        /// An application that was opened in it was used.
        pub(crate) SEEN: "update sessions set seen_at = $3 \
            where realm_id = $1 and id = $2 and ended_at is null and seen_at < $4";
    }
}

pub use of_user::{Filter, Sort};

/// A session as its list shows it. Nothing in it opens anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedSession {
    /// The row; `sid` in tokens.
    pub id: SessionId,
    /// The device as a person would name it.
    pub device: String,
    /// The network from which it was opened.
    pub source: Option<String>,
    /// How sure we were (`acr`).
    pub acr: String,
    /// When the freshest proof was given (`auth_time`).
    pub authenticated_at: Timestamp,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used, to a tenth of the idle time-out.
    pub seen_at: Timestamp,
    /// When it is over if nobody ends it.
    pub expires_at: Timestamp,
    /// When somebody ended it, and why.
    pub ended: Option<(Timestamp, String)>,
}

impl Listed for ListedSession {
    fn read(row: &Row<'_>) -> Result<Self, ColumnError> {
        let ended: Option<Timestamp> = row.get(FIRST_COLUMN + 7)?;
        let reason: Option<String> = row.get(FIRST_COLUMN + 8)?;
        Ok(Self {
            id: row.get(FIRST_COLUMN - 1)?,
            device: row.get(FIRST_COLUMN)?,
            source: row.get(FIRST_COLUMN + 1)?,
            acr: row.get(FIRST_COLUMN + 2)?,
            authenticated_at: row.get(FIRST_COLUMN + 3)?,
            created_at: row.get(FIRST_COLUMN + 4)?,
            seen_at: row.get(FIRST_COLUMN + 5)?,
            expires_at: row.get(FIRST_COLUMN + 6)?,
            ended: ended.map(|at| (at, reason.unwrap_or_default())),
        })
    }
}

/// A page of the sessions of `user`.
pub async fn list(
    cx: &Cx,
    user: UserId,
    filter: Filter,
    sort: Sort,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Page<ListedSession>, Unavailable> {
    let args: Vec<Value> = match filter {
        Filter::All => args![user],
        Filter::Alive => args![user, cx.now()],
    };
    of_user::LIST.page(&cx.db, cx.realm(), &Wanted { filter, sort, after, limit }, args).await
}

/// The session of this id as the list shows it, in whatever state.
pub async fn listed(cx: &Cx, id: SessionId) -> Result<Option<ListedSession>, Unavailable> {
    cx.db.get(&sql::ONE, args![cx.realm(), id], ListedSession::read).await
}

/// Whose session this is, in whatever state.
pub async fn owner(cx: &Cx, id: SessionId) -> Result<Option<UserId>, Unavailable> {
    cx.db.get(&sql::OWNER, args![cx.realm(), id], |row| row.get(0)).await
}

/// Notes that an application that was opened in a session was used: a live session does not idle out, one that has is
/// shown as used. Written as coarsely as [`super::touch`] writes.
pub async fn used(cx: &Cx, id: SessionId, lifetimes: &Lifetimes) -> Result<(), Unavailable> {
    match super::by_id(cx, id).await {
        Ok(session) => super::touch(cx, &session, lifetimes).await.map(drop),
        Err(PresentError::Unavailable(fault)) => Err(fault),
        Err(PresentError::Expired) => {
            let mut unit: Unit = claviger_audit::quiet(cx, "an application was used on a device");
            let coarse = unit.now().minus(lifetimes.idle / 10);
            unit.any("session", &sql::SEEN, args![cx.realm(), id, unit.now(), coarse]);
            match cx.commit(unit).await {
                Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
                Err(CommitError::Unavailable(fault)) => Err(fault),
            }
        }
        Err(_) => Ok(()),
    }
}
