//! The one handle through which everything reads and writes, whichever engine stands behind it.

use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;

use claviger_kernel::{Clock, RealmId, Timestamp, Unavailable};

use crate::changes::{self, Feed, Follower, Progress};
use crate::nodes::MOST_OFF;
use crate::postgres::Postgres;
use crate::signals::{Brings, Signals};
use crate::sqlite::Sqlite;
use crate::{ColumnError, CommitError, Committed, OpenError, Row, Sql, Unit, Value, value};

/// How to open a SQLite store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file; made if absent. The data folder's lock file stands beside it.
    pub path: PathBuf,
    /// How many connections serve reads.
    pub readers: usize,
}

/// How to open a PostgreSQL store.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `database.url`: the application role. Units and lists run as it, with the tenant set.
    pub url: claviger_kernel::Secret<String>,
    /// `database.read_url`: the keyed-read role; the application role where absent is refused by `doctor`.
    pub read_url: Option<claviger_kernel::Secret<String>>,
    /// `database.migrate_url`: the owner. Where absent, the schema must be current already.
    pub migrate_url: Option<claviger_kernel::Secret<String>>,
    /// How many connections run units.
    pub writers: usize,
    /// How many pipelined connections serve keyed reads.
    pub readers: usize,
    /// `database.notify`: whether nodes tell each other of changes, so that none waits for its next look at the log.
    pub notify: bool,
}

/// The store. Clones share one engine.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    signals: Arc<Signals>,
    feed: Arc<Feed>,
}

#[derive(Clone)]
pub(crate) enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Store {
    /// Opens (and makes or migrates) the SQLite store.
    pub async fn open_sqlite(options: SqliteOptions) -> Result<Self, OpenError> {
        let signals = Arc::new(Signals::default());
        let engine = Sqlite::open(options, Arc::clone(&signals)).await?;
        Ok(Self { engine: Engine::Sqlite(Arc::new(engine)), signals, feed: Arc::new(Feed::new()) })
    }

    /// Connects to (and, as the owner, migrates) the PostgreSQL store.
    pub async fn open_postgres(options: PostgresOptions) -> Result<Self, OpenError> {
        Self::open_postgres_with_slack(options, 1).await
    }

    /// The same where everything may take `slack` times as long.
    pub(crate) async fn open_postgres_with_slack(options: PostgresOptions, slack: u32) -> Result<Self, OpenError> {
        let signals = Arc::new(Signals::default());
        let engine = Postgres::open(options, slack, Arc::clone(&signals)).await?;
        Ok(Self { engine: Engine::Postgres(Arc::new(engine)), signals, feed: Arc::new(Feed::new()) })
    }

    /// `sqlite` or `postgres`.
    pub const fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// Reads at most one row by a unique key. The only read that hot paths use.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer, or if a column is not what `read` expects.
    pub async fn get<T: Send>(
        &self,
        sql: &'static Sql,
        args: Vec<Value>,
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, Unavailable> {
        value::storable(sql, &args)?;
        match &self.engine {
            Engine::Sqlite(engine) => engine.get(sql, &args, read),
            Engine::Postgres(engine) => engine.get(sql, args, read).await,
        }
    }

    /// Reads many rows of one realm, on the bounded readers, within two seconds. The text bears its own limit.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer in time, or if a column is not what `read` expects.
    pub async fn list<T: Send + 'static>(
        &self,
        realm: RealmId,
        sql: &'static Sql,
        args: Vec<Value>,
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Vec<T>, Unavailable> {
        value::storable(sql, &args)?;
        match &self.engine {
            Engine::Sqlite(engine) => engine.list(sql, args, read).await,
            Engine::Postgres(engine) => engine.list(realm, sql, args, read).await,
        }
    }

    /// Commits a unit: every step, durably, or nothing.
    ///
    /// Once called the unit runs to its end, even if the caller is dropped. A unit with entries for the change log is
    /// answered once this process's own followers have applied them.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] names the step that found the world changed; [`CommitError::Unavailable`] otherwise, also
    /// for a unit larger than a unit may be (cut long work into chunks), and for one that was committed and that this
    /// process's followers cannot apply now.
    pub async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        unit.within_limits()?;
        let changes = changes::named(&unit);
        let grew = |committed: &Committed| !changes.is_empty() || committed.found_changes();
        let committed = match &self.engine {
            // An unknown outcome stops the writer, so nobody ever looks for the trace of a quiet unit.
            Engine::Sqlite(engine) => engine.commit(unit).await?,
            Engine::Postgres(engine) => {
                let jobs = Brings::jobs(&unit);
                let committed = engine.commit(unit.sealed()).await?;
                self.signals.tell(Brings::new(jobs, grew(&committed)));
                committed
            }
        };
        if grew(&committed) {
            self.feed.after_commit(&self.engine, &changes).await?;
        }
        Ok(committed)
    }

    /// Has `follower` follow the change log. It loads everything at the next look.
    pub fn follow(&self, follower: Arc<dyn Follower>) {
        self.feed.add(follower);
    }

    /// Looks at the change log now: what was committed before the call has been applied by every follower.
    ///
    /// # Errors
    /// [`Unavailable`] if the log cannot be read, or if a follower could not load what it lacks.
    pub async fn catch_up(&self) -> Result<(), Unavailable> {
        self.feed.catch_up(&self.engine).await
    }

    /// By which clock [`Store::progress`] tells when the log was looked at.
    pub fn keep_time(&self, clock: Arc<dyn Clock>) {
        self.feed.keep_time(clock);
    }

    /// Follows the change log, until the future is dropped. Nothing is polled on SQLite.
    pub async fn follow_changes(&self, clock: &dyn Clock) {
        self.feed.run(&self.engine, &self.signals, clock).await;
    }

    /// Whether every follower has all that was committed until `within` ago. On SQLite all changes are this process's own,
    /// and its followers have them at once.
    ///
    /// # Errors
    /// [`Unavailable`] says since when they have not.
    pub fn views_current(&self, now: Timestamp, within: Duration) -> Result<(), Unavailable> {
        let current = match self.feed.progress().complete_at {
            Some(at) => matches!(self.engine, Engine::Sqlite(_)) || now.since(at) <= within,
            None => false,
        };
        if current { Ok(()) } else { Err(Unavailable::new("the views have not followed the change log for too long")) }
    }

    /// The time `now` of this process by the clock that all nodes share, the database's: for what one node begins and
    /// another goes on with in seconds. On SQLite, and for a clock that is wrong beyond use, it is `now` itself.
    pub fn shared_time(&self, now: Timestamp) -> Timestamp {
        let ahead = self.feed.progress().ahead;
        let span = Duration::from_micros(ahead.unsigned_abs());
        match ahead {
            _ if span > MOST_OFF => now,
            0.. => now.minus(span),
            _ => now.plus(span),
        }
    }

    /// How far the change log has been followed.
    pub fn progress(&self) -> Progress {
        self.feed.progress()
    }

    /// Whether units can be written at all; the reason if not. Reads go on either way.
    pub fn writable(&self) -> Result<(), Unavailable> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.writable(),
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// The time of the database, by which lease ages are judged and nothing else.
    pub(crate) async fn database_time(&self) -> Result<Timestamp, Unavailable> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.database_time(),
            Engine::Postgres(engine) => engine.database_time().await,
        }
    }

    /// What this process tells itself.
    pub(crate) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Answers every unit that has been handed in, then closes the engine. Later calls answer [`Unavailable`].
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(engine) => engine.close().await,
            Engine::Postgres(engine) => engine.close().await,
        }
    }
}
