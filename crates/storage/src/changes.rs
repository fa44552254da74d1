//! The change log's reader: what the views of this process follow.
//!
//! A position in the log is a snapshot, never a sequence number: a transaction that commits late would be passed over.
//! Each look reads what has become visible since the last one and hands it on, so that an entry is applied as soon as it
//! is seen; nothing waits for older transactions that are still open. Entries may come twice and in any order, and a
//! follower must not care. Where the log cannot tell what was missed (another database, too much at once) followers load
//! everything again.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use claviger_kernel::{Clock, RealmId, Timestamp, Unavailable, UnitId};
use parking_lot::{Mutex, RwLock};

use crate::signals::Signals;
use crate::store::Engine;
use crate::{ColumnError, Outage, Row, Unit, Value, unit};

pub(crate) mod sql {
    crate::statements! {
        /// What a SQLite store has added since a position.
        pub(crate) AFTER: shared("followers read across realms") "select position, realm_id, kind, subject, unit_id \
            from change_log where position > $1 order by position limit $2";
        /// Where a SQLite log ends.
        pub(crate) END: shared("followers read across realms") "select position from change_log \
            where position > $1 order by position desc limit 1";
        /// Drops old entries, the oldest of them first.
        pub(crate) FORGET: shared("entries of every realm go alike") "delete from change_log \
            where at < $1 and at <= coalesce((select at from change_log where at < $1 order by at limit 1 offset $2), $1) \
            returning position";
    }
}

/// How often a node looks at the log of PostgreSQL where nobody tells it to.
const LOOK: Duration = Duration::from_millis(500);
/// How soon a look that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a commit waits for the followers of its own node.
const OWN: Duration = Duration::from_secs(1);
/// More entries than this at once, and loading everything again is less work.
pub(crate) const MOST: u32 = 10_000;

/// For how long at least the change log keeps its entries. Who has not looked for longer loads everything again.
pub const LOG_REACH: Duration = Duration::from_hours(24);

/// One entry of the change log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// In which realm.
    pub realm: RealmId,
    /// What kind of thing has changed.
    pub kind: String,
    /// Which one: an id, mostly.
    pub subject: Vec<u8>,
    /// The unit that changed it.
    pub unit: UnitId,
}

/// A view or a cache that follows the log. It reads; a unit of its own that changes what views show would wait for itself.
#[async_trait]
pub trait Follower: Send + Sync {
    /// Its name, for the log.
    fn name(&self) -> &'static str;

    /// Takes note of `changes`, each of which it may have seen before.
    ///
    /// # Errors
    /// [`Unavailable`] if it cannot now; it is then asked to [`Follower::reload`] until it can.
    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable>;

    /// Loads everything again: anything may have changed.
    async fn reload(&self) -> Result<(), Unavailable>;
}

/// Where a follower stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Position {
    /// Nothing has been read yet.
    Nowhere,
    /// The last entry read on SQLite, which commits in order.
    Sqlite(i64),
    /// What was visible on PostgreSQL, and in which log.
    Postgres {
        /// The oldest transaction that was open.
        horizon: i64,
        /// The whole snapshot.
        snapshot: String,
        /// Log, database and start of the server.
        log: String,
        /// When that was, by the database's clock.
        at: Timestamp,
    },
}

/// What one look has found.
pub(crate) struct Look {
    pub(crate) changes: Vec<Change>,
    pub(crate) position: Position,
    /// Whether the log cannot tell what came before.
    pub(crate) lost: bool,
    /// The database's time at the look, where it has one of its own.
    pub(crate) database_time: Option<Timestamp>,
}

struct Following {
    follower: Arc<dyn Follower>,
    behind: AtomicBool,
}

/// The reader of one process.
pub(crate) struct Feed {
    followers: RwLock<Vec<Arc<Following>>>,
    clock: RwLock<Option<Arc<dyn Clock>>>,
    position: tokio::sync::Mutex<Position>,
    begun: AtomicU64,
    ended: AtomicU64,
    progress: Mutex<Progress>,
}

/// How far this process has followed the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// When the last look began that left no follower behind, by this process's clock.
    pub complete_at: Option<Timestamp>,
    /// The database's time at that look; nothing on SQLite.
    pub database_time: Option<Timestamp>,
    /// How far at least this process's clock was ahead of the database's at the last look (or behind it, where negative), in
    /// microseconds.
    pub ahead: i64,
    /// How many looks there were.
    pub looks: u64,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            followers: RwLock::default(),
            clock: RwLock::default(),
            position: tokio::sync::Mutex::new(Position::Nowhere),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            progress: Mutex::default(),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.progress.lock()
    }

    pub(crate) fn add(&self, follower: Arc<dyn Follower>) {
        self.followers.write().push(Arc::new(Following { follower, behind: AtomicBool::new(true) }));
    }

    pub(crate) fn keep_time(&self, clock: Arc<dyn Clock>) {
        *self.clock.write() = Some(clock);
    }

    /// Looks at the log, so that whatever was committed before the call has been applied. Callers that come while a
    /// look is under way share the next one.
    pub(crate) async fn catch_up(&self, engine: &Engine) -> Result<(), Unavailable> {
        let ticket = self.begun.load(Ordering::SeqCst);
        let mut position = self.position.lock().await;
        if self.ended.load(Ordering::SeqCst) > ticket {
            return Ok(());
        }
        let turn = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.look(engine, &mut position).await?;
        self.ended.store(turn, Ordering::SeqCst);
        Ok(())
    }

    async fn look(&self, engine: &Engine, position: &mut Position) -> Result<(), Unavailable> {
        let clock = self.clock.read().clone();
        let now = || clock.as_ref().map(|clock| clock.now());
        let began = now();
        let found = engine.look(position).await?;
        let answered = now();
        let followers = self.followers.read().clone();
        if found.lost {
            for one in &followers {
                one.behind.store(true, Ordering::Relaxed);
            }
        }
        let mut fault = None;
        for one in &followers {
            // Followers build upon those before them: what one loads beside one that is behind may lack something.
            if let Err(error) = one.follow(&found.changes, fault.is_some()).await {
                let (view, reason) = (one.follower.name(), error.reason());
                fault = Some(Unavailable::new(format!("the view {view} is behind: {reason}")));
            }
        }
        // Only now do the entries count as read: a caller that was dropped meanwhile has lost none. Who could not apply them
        // is behind, and loads everything.
        *position = found.position;
        let mut progress = self.progress.lock();
        progress.looks += 1;
        if let (Some(began), Some(answered), Some(theirs)) = (began, answered, found.database_time) {
            progress.ahead = ahead(began, answered, theirs);
        }
        if fault.is_none() {
            progress.complete_at = began;
            progress.database_time = found.database_time;
        }
        fault.map_or(Ok(()), Err)
    }

    /// After the commit of a unit that changes what views show: this node's own have it when the caller goes on.
    ///
    /// What the unit itself names is applied even if the log cannot be read. Where that is not all, or cannot be applied,
    /// nobody is told that it was done: this node would still accept what it says it has ended.
    pub(crate) async fn after_commit(&self, engine: &Engine, changes: &[Change]) -> Result<(), Unavailable> {
        if self.followers.read().is_empty() {
            return Ok(());
        }
        let read = tokio::time::timeout(OWN, self.catch_up(engine)).await;
        if matches!(read, Ok(Ok(()))) {
            return Ok(());
        }
        tracing::warn!("the change log could not be read after a commit; its entries are applied as written");
        let followers = self.followers.read().clone();
        let mut applied =
            if changes.is_empty() { Err(Unavailable::new("what has changed cannot be read")) } else { Ok(()) };
        for one in followers {
            // One that cannot is behind already and loads everything as soon as it can.
            if let Err(fault) = one.follower.apply(changes).await {
                one.behind.store(true, Ordering::Relaxed);
                applied = Err(fault);
            }
        }
        applied
    }

    /// Looks whenever there may be something new, until the future is dropped.
    pub(crate) async fn run(&self, engine: &Engine, signals: &Signals, clock: &dyn Clock) {
        let mut outage = Outage::default();
        loop {
            let pause = match self.catch_up(engine).await {
                Ok(()) => {
                    if let Some(failures) = outage.over() {
                        tracing::info!(failures, "the change log is followed again");
                    }
                    engine.looks_every()
                }
                Err(fault) => {
                    if let Some(failures) = outage.failed() {
                        let reason = fault.reason();
                        tracing::warn!(reason, failures, "the change log could not be followed; trying again");
                    }
                    Some(AGAIN)
                }
            };
            let woken = signals.changes.notified();
            match pause {
                Some(pause) => tokio::select! {
                    () = clock.wake_at(clock.now().plus(pause)) => {}
                    () = woken => {}
                },
                None => woken.await,
            }
        }
    }
}

/// How far a clock is ahead of the database's for certain, of which it read `began` before and `answered` after the database
/// said that it was `theirs`.
fn ahead(began: Timestamp, answered: Timestamp, theirs: Timestamp) -> i64 {
    let (began, answered, theirs) = (began.micros(), answered.micros(), theirs.micros());
    began.saturating_sub(theirs).max(0) + answered.saturating_sub(theirs).min(0)
}

impl Following {
    /// Takes `changes`, or loads everything: once more at the next look if an `earlier` follower has not come up to date.
    async fn follow(&self, changes: &[Change], earlier: bool) -> Result<(), Unavailable> {
        if !self.behind.load(Ordering::Relaxed) {
            if changes.is_empty() {
                return Ok(());
            }
            match self.follower.apply(changes).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(view = self.follower.name(), %error, "a change could not be applied"),
            }
        }
        self.behind.store(true, Ordering::Relaxed);
        self.follower.reload().await?;
        self.behind.store(earlier, Ordering::Relaxed);
        Ok(())
    }
}

impl Engine {
    /// How long to wait before the next look; for ever where every change is this process's own.
    const fn looks_every(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => Some(LOOK),
        }
    }

    async fn look(&self, position: &Position) -> Result<Look, Unavailable> {
        match self {
            Self::Postgres(engine) => engine.look(position).await,
            Self::Sqlite(engine) => {
                let limit = Value::from(MOST);
                let Position::Sqlite(after) = position else {
                    let end = engine.get(&sql::END, &[Value::Int(0)], |row| row.get::<i64>(0))?;
                    let position = Position::Sqlite(end.unwrap_or(0));
                    return Ok(Look { changes: Vec::new(), position, lost: true, database_time: None });
                };
                let found = engine.list(&sql::AFTER, vec![Value::Int(*after), limit], read).await?;
                if found.len() >= MOST as usize {
                    return Box::pin(self.look(&Position::Nowhere)).await;
                }
                let position = Position::Sqlite(found.last().map_or(*after, |(position, _)| *position));
                let changes = found.into_iter().map(|(_, change)| change).collect();
                Ok(Look { changes, position, lost: false, database_time: None })
            }
        }
    }
}

fn read(row: &Row<'_>) -> Result<(i64, Change), ColumnError> {
    Ok((row.get(0)?, Change { realm: row.get(1)?, kind: row.get(2)?, subject: row.get(3)?, unit: row.get(4)? }))
}

/// What `unit` itself says has changed; nothing if it changes nothing that views show.
pub(crate) fn named(unit: &Unit) -> Vec<Change> {
    let entries = unit.steps().iter().filter(|step| core::ptr::eq(step.sql, &raw const unit::sql::CHANGE));
    let named = entries.filter_map(|step| match step.args.as_slice() {
        [_, Value::Text(kind), Value::Bytes(subject), ..] => {
            Some(Change { realm: unit.realm(), kind: kind.clone(), subject: subject.clone(), unit: unit.id() })
        }
        _ => None,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f22_a_clock_is_off_by_what_the_way_to_the_database_does_not_explain() {
        let at = Timestamp::from_seconds;
        assert_eq!(ahead(at(100), at(104), at(102)), 0, "the answer took a while");
        assert_eq!(ahead(at(110), at(114), at(102)), 8_000_000);
        assert_eq!(ahead(at(90), at(94), at(102)), -8_000_000);
    }
}
