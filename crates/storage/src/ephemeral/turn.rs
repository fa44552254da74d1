//! Whose turn it is to count: Redis, or the database while a node cannot reach Redis.
//!
//! Two places that count the same id would each call its use the first. So the nodes agree through one row: as long as
//! any of them cannot reach Redis, all count in the database, and after that all count in Redis. A node looks at the row
//! at most once a second, as requests come. Ids issued before a change has surely been seen everywhere are refused.

use core::time::Duration;

use claviger_kernel::{Timestamp, Unavailable};
use parking_lot::Mutex;

use super::database::Database;
use crate::{ColumnError, Expect, Row, args, own};

pub(crate) mod sql {
    crate::statements! {
        /// The turn.
        pub(crate) TURN: shared("all nodes and realms share one turn") "select filling, began_at, ends_at \
            from ephemeral_turns where slot = 1";
        /// Begins the database's turn at $1, or prolongs the one that is on, until $2.
        pub(crate) STAND_IN: shared("all nodes and realms share one turn") "insert into ephemeral_turns \
            (slot, filling, began_at, ends_at) values (1, '', $1, $2) on conflict (slot) do update set \
            began_at = case when ephemeral_turns.ends_at > $1 then ephemeral_turns.began_at else excluded.began_at end, \
            ends_at = case when ephemeral_turns.ends_at > excluded.ends_at \
            then ephemeral_turns.ends_at else excluded.ends_at end \
            returning filling, began_at, ends_at";
        /// Makes $1 the filling that is agreed upon, from $2 on, unless it is already.
        pub(crate) AGREE: shared("all nodes and realms share one turn") "insert into ephemeral_turns \
            (slot, filling, began_at, ends_at) values (1, $1, $2, $2) on conflict (slot) do update set \
            filling = excluded.filling, \
            began_at = case when ephemeral_turns.ends_at > $2 then ephemeral_turns.began_at else $2 end, \
            ends_at = case when ephemeral_turns.ends_at > $2 then ephemeral_turns.ends_at else $2 end \
            where ephemeral_turns.filling <> excluded.filling returning filling, began_at, ends_at";
    }
}

/// For how long a node trusts what it last read of the turn.
const FRESH: Duration = Duration::from_secs(1);
/// By when every node has seen a change: after [`FRESH`], and by as much as the nodes may differ in what they take the
/// database's time to be.
const SEEN: Duration = Duration::from_secs(2);
/// How long the database's turn lasts when nobody prolongs it. A node does so as long as it cannot reach Redis, whether
/// requests come or not: a turn that ends and begins anew would have ids refused each time.
const TURN: Duration = Duration::from_secs(12);
/// A turn with less than this left is prolonged; longer than the pauses between attempts to connect.
const LEFT: Duration = Duration::from_secs(7);

/// The turn, as one node knows it.
pub(super) struct Turns {
    pub(super) database: Database,
    known: Mutex<Option<(Timestamp, Turn)>>,
}

#[derive(Clone)]
struct Turn {
    filling: String,
    began: Timestamp,
    ends: Timestamp,
}

fn turn(row: &Row<'_>) -> Result<Turn, ColumnError> {
    Ok(Turn { filling: row.get(0)?, began: row.get(1)?, ends: row.get(2)? })
}

impl Turn {
    const NEVER: Self = Self {
        filling: String::new(),
        began: Timestamp::from_micros(i64::MIN),
        ends: Timestamp::from_micros(i64::MIN),
    };

    /// Whether the database counts. It may have been prolonged by a node whose word has not arrived yet.
    fn is_on(&self, now: Timestamp) -> bool {
        now < self.ends.plus(SEEN)
    }

    fn since(&self, now: Timestamp) -> Timestamp {
        if self.is_on(now) { self.began.plus(SEEN) } else { self.ends.plus(SEEN).plus(SEEN) }
    }
}

impl Turns {
    pub(super) const fn new(database: Database) -> Self {
        Self { database, known: Mutex::new(None) }
    }

    /// Whether it is the database's turn.
    pub(super) async fn is_on(&self) -> Result<bool, Unavailable> {
        Ok(self.current().await?.is_on(self.database.now()))
    }

    /// From when on every use of an id is remembered.
    pub(super) async fn since(&self) -> Result<Timestamp, Unavailable> {
        Ok(self.current().await?.since(self.database.now()))
    }

    /// Makes it the database's turn for a while, before anything is counted there.
    pub(super) async fn stand_in(&self) -> Result<(), Unavailable> {
        let now = self.database.now();
        if self.current().await?.ends > now.plus(LEFT) {
            return Ok(());
        }
        self.change(&sql::STAND_IN, args![now, now.plus(TURN)]).await
    }

    /// Agrees upon what Redis is filled with, before any use of it: what it held before is forgotten.
    pub(super) async fn agree(&self, filling: &str) -> Result<(), Unavailable> {
        if self.read().await?.filling == filling {
            return Ok(());
        }
        self.change(&sql::AGREE, args![filling, self.database.now()]).await
    }

    async fn current(&self) -> Result<Turn, Unavailable> {
        let now = self.database.now();
        let known = self.known.lock().clone();
        match known {
            Some((read, turn)) if read <= now && now < read.plus(FRESH) => Ok(turn),
            _ => self.read().await,
        }
    }

    async fn read(&self) -> Result<Turn, Unavailable> {
        let asked = self.database.now();
        let found = self.database.store.get(&sql::TURN, Vec::new(), turn).await?.unwrap_or(Turn::NEVER);
        self.learn(asked, found.clone());
        Ok(found)
    }

    async fn change(&self, sql: &'static crate::Sql, args: Vec<crate::Value>) -> Result<(), Unavailable> {
        let asked = self.database.now();
        let mut unit = self.database.unit(own::NO_REALM);
        unit.returning("turn", sql, args, Expect::Any);
        let changed = self.database.commit(unit).await?.first("turn", turn).map_err(|error| own::column(&error))?;
        match changed {
            Some(changed) => self.learn(asked, changed),
            // Another node was faster: what it wrote is read at the next look.
            None => *self.known.lock() = None,
        }
        Ok(())
    }

    /// Keeps the newer of two looks: one that began earlier may arrive later.
    fn learn(&self, asked: Timestamp, turn: Turn) {
        let mut known = self.known.lock();
        if known.as_ref().is_none_or(|(read, older)| *read <= asked && older.ends <= turn.ends) {
            *known = Some((asked, turn));
        }
    }
}
