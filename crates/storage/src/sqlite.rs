//! The SQLite engine: keyed reads on the calling thread, lists on a few bounded threads, one writer that groups commits.
//!
//! WAL with `synchronous=FULL`; a unit is answered after the sync that made it durable. One process at a time holds the
//! data folder.

mod checkpoint;
mod connection;
mod fault;
mod lists;
mod lock;
mod queue;
mod readers;
mod rewrite;
mod schema;
mod statistics;
mod unit;
mod writer;

use std::sync::Arc;

use claviger_kernel::{Timestamp, Unavailable};

use crate::signals::Signals;
use crate::{ColumnError, CommitError, Committed, OpenError, Row, Sql, SqliteOptions, Unit, Value};
use connection::Connection;
use lists::Lists;
use lock::Lock;
use parking_lot::Mutex;
use readers::Readers;
pub(crate) use rewrite::numbered;
use writer::Writer;

pub(crate) struct Sqlite {
    readers: Readers,
    lists: Lists,
    writer: Writer,
    /// Let go of last, when nothing of this process touches the file any more.
    lock: Mutex<Option<Lock>>,
}

impl Sqlite {
    pub(crate) async fn open(options: SqliteOptions, signals: Arc<Signals>) -> Result<Self, OpenError> {
        let opened = tokio::task::spawn_blocking(move || Self::open_here(&options, signals)).await;
        opened.map_err(|error| OpenError::Engine(error.to_string()))?
    }

    fn open_here(options: &SqliteOptions, signals: Arc<Signals>) -> Result<Self, OpenError> {
        let lock = lock::hold(&options.path)?;
        let engine = |error: rusqlite::Error| {
            OpenError::Engine(format!("cannot open the database {}: {error}", options.path.display()))
        };
        let mut writing = Connection::writing(&options.path).map_err(engine)?;
        schema::migrate(&mut writing)?;
        let reading = || Connection::reading(&options.path).map_err(engine);
        let readers = Readers::new((0..options.readers.max(1)).map(|_| reading()).collect::<Result<_, _>>()?);
        let lists = Lists::start((0..lists::THREADS).map(|_| reading()).collect::<Result<_, _>>()?);
        let writer = Writer::start(writing, signals);
        Ok(Self {
            readers,
            lists: lists.map_err(|error| thread(&error))?,
            writer: writer.map_err(|error| thread(&error))?,
            lock: Mutex::new(Some(lock)),
        })
    }

    pub(crate) fn get<T: Send>(
        &self,
        sql: &'static Sql,
        args: &[Value],
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, Unavailable> {
        self.readers.with(|connection| connection.first(sql, args, read))
    }

    pub(crate) async fn list<T: Send + 'static>(
        &self,
        sql: &'static Sql,
        args: Vec<Value>,
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Vec<T>, Unavailable> {
        self.lists.run(move |connection| connection.all(sql, &args, read)).await
    }

    pub(crate) async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        self.writer.commit(unit).await
    }

    /// The time by which lease ages are judged: that of the database, here the machine's.
    pub(crate) fn database_time(&self) -> Result<Timestamp, Unavailable> {
        self.readers.with(Connection::time)
    }

    /// Whether units can be written, and if not, why.
    pub(crate) fn writable(&self) -> Result<(), Unavailable> {
        self.writer.writable()
    }

    pub(crate) async fn close(&self) {
        self.readers.close();
        self.lists.close().await;
        self.writer.close().await;
        self.lock.lock().take();
    }
}

fn thread(error: &std::io::Error) -> OpenError {
    OpenError::Engine(format!("cannot start a thread: {error}"))
}
