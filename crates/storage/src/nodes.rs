//! The processes that serve on one database: which of them live, and how far their complete views are.
//!
//! A node tells every few seconds that it lives and up to which moment its views hold what was committed. Whoever must
//! not act before everybody knows of something asks for the nodes that are [`behind`] it. Every time in here is the
//! database's, which all nodes share; the same beat finds out whether the node's own clock can be trusted (F20).

use core::sync::atomic::{AtomicI64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use claviger_kernel::{Clock, Entropy, Id, Timestamp, Unavailable};

use crate::{ColumnError, Outage, Row, Store, args, own};

pub(crate) mod sql {
    crate::statements! {
        /// A node lives, and its views are this far.
        pub(crate) BEAT: shared("a node belongs to the server, not to a realm") "insert into nodes \
            (id, version, started_at, seen_at, views_at) values ($1, $2, $3, $4, $5) on conflict (id) do update \
            set seen_at = excluded.seen_at, views_at = excluded.views_at";
        /// The nodes that were seen since.
        pub(crate) SEEN: shared("a node belongs to the server, not to a realm") "select id, version, started_at, \
            seen_at, views_at from nodes where seen_at > $1 order by seen_at limit 1000";
        /// A node leaves in order.
        pub(crate) LEAVE: shared("a node belongs to the server, not to a realm") "delete from nodes where id = $1";
        /// Nodes that went without a word.
        pub(crate) FORGET: shared("a node belongs to the server, not to a realm") "delete from nodes \
            where seen_at < $1";
    }
}

/// How often a node tells that it lives.
pub const BEAT: Duration = Duration::from_secs(5);
/// For how long a node that says nothing counts as alive.
pub const ALIVE: Duration = Duration::from_secs(30);
/// After how long a node that says nothing is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// How far a node's clock may be off the database's.
pub(crate) const MOST_OFF: Duration = Duration::from_secs(30);
/// A statement may have been committed shortly before a moment and have become visible shortly after it.
const MARGIN: Duration = Duration::from_secs(1);

/// A process that serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// New with every start of a process.
    pub id: [u8; 16],
    /// Which version it runs.
    pub version: String,
    /// When it said its first word.
    pub started_at: Timestamp,
    /// When it said its last.
    pub seen_at: Timestamp,
    /// What was committed before stands in its complete views.
    pub views_at: Timestamp,
}

fn node(row: &Row<'_>) -> Result<Node, ColumnError> {
    Ok(Node {
        id: row.get(0)?,
        version: row.get(1)?,
        started_at: row.get(2)?,
        seen_at: row.get(3)?,
        views_at: row.get(4)?,
    })
}

/// A moment by the database's clock: everything that has been read or committed so far lies before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mark(Timestamp);

impl Mark {
    /// The moment now.
    ///
    /// # Errors
    /// [`Unavailable`] if the database does not tell the time.
    pub async fn now(store: &Store) -> Result<Self, Unavailable> {
        store.database_time().await.map(Self)
    }
}

/// The live nodes whose complete views may lack something that was committed before `mark`.
///
/// # Errors
/// [`Unavailable`] if the store cannot answer.
pub async fn behind(store: &Store, mark: Mark) -> Result<Vec<Node>, Unavailable> {
    let mut nodes = live(store).await?;
    nodes.retain(|node| node.views_at < mark.0.plus(MARGIN));
    Ok(nodes)
}

/// The nodes that have told within half a minute that they live.
///
/// # Errors
/// [`Unavailable`] if the store cannot answer.
pub async fn live(store: &Store) -> Result<Vec<Node>, Unavailable> {
    let since = store.database_time().await?.minus(ALIVE);
    store.list(own::NO_REALM, &sql::SEEN, args![since], node).await
}

/// This process among the nodes.
pub struct Nodes {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    id: [u8; 16],
    version: &'static str,
    ahead: AtomicI64,
}

impl Nodes {
    /// A node that has just started and of which nobody knows yet.
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, version: &'static str) -> Self {
        let id = *Id::<()>::new(clock.now(), &*entropy).as_bytes();
        Self { store, clock, entropy, id, version, ahead: AtomicI64::new(0) }
    }

    /// The id of this process.
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Tells that this node lives, and that its complete views hold whatever was committed before `views_at`, a time of
    /// the database. Compares this node's clock with the database's, and drops nodes that have long been silent.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer; after half a minute of that the node counts as dead.
    pub async fn beat(&self, views_at: Timestamp) -> Result<(), Unavailable> {
        let asked = self.clock.now();
        let now = self.store.database_time().await?;
        self.compare(asked, now);
        let mut unit = own::unit(own::NO_REALM, &*self.clock, &*self.entropy);
        unit.one("node", &sql::BEAT, args![self.id, self.version, now, now, views_at]);
        unit.any("nodes", &sql::FORGET, args![now.minus(FORGOTTEN)]);
        self.store.commit(unit).await.map(drop).map_err(own::fault)
    }

    /// Tells every five seconds how far the change log has been followed, until the future is dropped. On SQLite, whose
    /// only process this is, there is nobody to tell.
    pub async fn run(&self) {
        if self.store.engine() == "sqlite" {
            return core::future::pending().await;
        }
        let mut outage = Outage::default();
        loop {
            if let Some(views_at) = self.store.progress().database_time {
                match self.beat(views_at).await {
                    Ok(()) => {
                        if let Some(failures) = outage.over() {
                            tracing::info!(failures, "the other nodes are told again that this one lives");
                        }
                    }
                    Err(fault) => {
                        if let Some(failures) = outage.failed() {
                            let reason = fault.reason();
                            tracing::warn!(reason, failures, "the other nodes could not be told that this one lives");
                        }
                    }
                }
            }
            self.clock.wake_at(self.clock.now().plus(BEAT)).await;
        }
    }

    /// Leaves in order: nobody waits for this node any more.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer; the others then wait until the node counts as dead.
    pub async fn leave(&self) -> Result<(), Unavailable> {
        let mut unit = own::unit(own::NO_REALM, &*self.clock, &*self.entropy);
        unit.any("node", &sql::LEAVE, args![self.id]);
        self.store.commit(unit).await.map(drop).map_err(own::fault)
    }

    /// Whether this node's clock agreed with the database's at the last beat, to half a minute.
    ///
    /// # Errors
    /// Says by how much it is off.
    pub fn clock_agrees(&self) -> Result<(), Unavailable> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        if off(ahead) <= MOST_OFF {
            return Ok(());
        }
        let (way, seconds) = (if ahead > 0 { "ahead of" } else { "behind" }, off(ahead).as_secs());
        Err(Unavailable::new(format!("this machine's clock is {seconds} s {way} the database's; set it right")))
    }

    /// The same, asked now. On SQLite the database's clock is this machine's.
    ///
    /// # Errors
    /// Says by how much the clock is off, or that the database does not tell.
    pub async fn check_clock(&self) -> Result<(), Unavailable> {
        if self.store.engine() == "sqlite" {
            return Ok(());
        }
        let asked = self.clock.now();
        self.compare(asked, self.store.database_time().await?);
        self.clock_agrees()
    }

    fn compare(&self, asked: Timestamp, database: Timestamp) {
        // The answer took a while: the truth lies somewhere between, and half a minute forgives it.
        let ahead = asked.micros().saturating_sub(database.micros());
        let before = self.ahead.swap(ahead, Ordering::Relaxed);
        match (off(before) <= MOST_OFF, self.clock_agrees()) {
            (true, Err(fault)) => tracing::error!(reason = fault.reason(), "this node must not decide by its clock"),
            (false, Ok(())) => tracing::info!("this machine's clock agrees with the database's again"),
            _ => {}
        }
    }
}

const fn off(ahead: i64) -> Duration {
    Duration::from_micros(ahead.unsigned_abs())
}
