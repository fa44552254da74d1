//! Sessions in the memory of a node: a cookie that was seen lately is judged without a look-up.
//!
//! What is kept is the row as read; whether it is good is judged anew at every hit, against the time and against the view
//! of what has been revoked. The log drops what has changed, and nothing is believed for long.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_audit::Cx;
use claviger_crypto::opaque::{self, Opaque, OpaqueKeys};
use claviger_kernel::{RealmId, SessionId, Timestamp, Unavailable, kind};
use claviger_storage::{Change, Follower, args};
use claviger_tokens::{Epochs, Marks};
use quick_cache::sync::Cache;

use super::sql::{self, SessionRow};
use super::{Lifetimes, PresentError, Session, rules, touch};
use crate::Revocations;

/// How many sessions a node keeps; some 600 bytes each.
const MOST: usize = 50_000;
/// After this long a row is read again.
const FRESH: Duration = Duration::from_mins(1);
/// For this long a row serves while the store cannot be asked (F32). Revocations stay in the view at least as long.
const ALONE: Duration = Duration::from_mins(15);

/// The sessions that a node has seen lately. One for the process, shared by reference.
pub struct SessionCache {
    rows: Cache<(RealmId, SessionId), Arc<Kept>>,
    /// Grows whenever something is dropped: a row that was being read meanwhile is not kept.
    drops: AtomicU64,
    revocations: Arc<Revocations>,
}

struct Kept {
    row: SessionRow,
    sid: String,
    read_at: Timestamp,
}

impl SessionCache {
    /// An empty cache beside the view that every hit is compared with.
    pub fn new(revocations: Arc<Revocations>) -> Self {
        Self { rows: Cache::new(MOST), drops: AtomicU64::new(0), revocations }
    }

    /// The session of this cookie, if it is good now: from memory, or by one keyed read.
    ///
    /// # Errors
    /// [`PresentError`]; while the store cannot be asked a session that is known here stays good until its time is over.
    pub async fn present(&self, cx: &Cx, keys: &OpaqueKeys, cookie: &str) -> Result<Session, PresentError> {
        let opaque = opaque::parse(opaque::Kind::Session, cookie, keys).map_err(|_| PresentError::Forged)?;
        let key = (cx.realm(), opaque.id::<kind::Session>());
        let kept = self.rows.get(&key);
        if let Some(kept) = &kept
            && cx.now().since(kept.read_at) < FRESH
            && let Ok(()) = self.judge(cx, kept, &opaque)
        {
            return Ok(kept.row.session.clone());
        }
        // A hit that says no may be out of date: another node has stepped the session up, or kept it from idling out.
        match self.read(cx, key).await {
            Ok(read) => {
                self.judge(cx, &read, &opaque)?;
                Ok(read.row.session.clone())
            }
            Err(PresentError::Unavailable(fault)) => self.alone(cx, kept.as_deref(), &opaque, fault),
            Err(error) => Err(error),
        }
    }

    fn judge(&self, cx: &Cx, kept: &Kept, opaque: &Opaque) -> Result<(), PresentError> {
        rules::good(&kept.row, opaque, cx.now())?;
        let session = &kept.row.session;
        let marks = Marks {
            session: Some(&kept.sid),
            user: Some(&session.subject),
            epochs: Epochs { user: u64::try_from(session.user_epoch).ok(), ..Epochs::default() },
            ..Marks::default()
        };
        match self.revocations.refuses(cx.realm(), &marks) {
            Some(_) => Err(PresentError::Ended),
            None => Ok(()),
        }
    }

    /// While the store is away: what is known goes on, what has run out cannot be told from what was prolonged elsewhere.
    fn alone(
        &self,
        cx: &Cx,
        kept: Option<&Kept>,
        opaque: &Opaque,
        fault: Unavailable,
    ) -> Result<Session, PresentError> {
        match kept {
            Some(kept) if cx.now().since(kept.read_at) < ALONE && self.judge(cx, kept, opaque).is_ok() => {
                Ok(kept.row.session.clone())
            }
            _ => Err(fault.into()),
        }
    }

    async fn read(&self, cx: &Cx, key: (RealmId, SessionId)) -> Result<Arc<Kept>, PresentError> {
        let drops = self.drops.load(Ordering::SeqCst);
        let read_at = cx.now();
        let row = cx.db.get(&sql::PRESENT, args![key.0, key.1], sql::row).await?;
        let Some(row) = row else {
            self.rows.remove(&key);
            return Err(PresentError::Unknown);
        };
        let kept = Arc::new(Kept { row, sid: key.1.to_string(), read_at });
        self.rows.insert(key, Arc::clone(&kept));
        if self.drops.load(Ordering::SeqCst) != drops {
            self.rows.remove(&key);
        }
        Ok(kept)
    }

    /// Keeps a session from idling out, as [`touch`].
    ///
    /// # Errors
    /// [`Unavailable`] if that could not be noted; the session is as good as before.
    pub async fn touch(&self, cx: &Cx, session: &Session, lifetimes: &Lifetimes) -> Result<(), Unavailable> {
        if touch(cx, session, lifetimes).await? {
            self.forget(cx.realm(), session.id);
        }
        Ok(())
    }

    fn forget(&self, realm: RealmId, session: SessionId) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        self.rows.remove(&(realm, session));
    }
}

#[async_trait]
impl Follower for SessionCache {
    fn name(&self) -> &'static str {
        "sessions"
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable> {
        // Sessions that have ended are in the view of revocations; here it is enough to drop those that go on changed.
        for change in changes.iter().filter(|change| change.kind == "session") {
            if let Ok(id) = change.subject.as_slice().try_into() {
                self.forget(change.realm, SessionId::from_bytes(id));
            }
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        self.drops.fetch_add(1, Ordering::SeqCst);
        self.rows.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
