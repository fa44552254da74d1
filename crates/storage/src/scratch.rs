//! Scratch databases for tests: fresh and migrated, on either engine. No production path links this.
//!
//! SQLite: a WAL file on tmpfs, copied from a template that the process migrates once. PostgreSQL: a database made from
//! a template on the cluster that `CLAVIGER_TEST_POSTGRES` names. A test written with [`both_engines!`](crate::both_engines)
//! runs on each, and fails, never skips, where an engine is missing.

pub(crate) mod folder;
mod hasty;
mod link;
mod redis;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use claviger_kernel::{Clock, Entropy, Id, ManualClock, RealmId, SeededEntropy, Timestamp};

use crate::migrate::{self, Dialect};
use crate::postgres::scratch::{VARIABLE, database};
use crate::{Ephemeral, JobQueue, Leases, OpenError, PostgresOptions, SqliteOptions, Store, Unit, own};
use folder::Folder;

pub use crate::postgres::scratch::ScratchDatabase;
pub use hasty::Hasty;
pub use link::{Link, Way};
pub use redis::{LONG, ScratchRedis};

/// The engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// A store of one test, gone with this value; a clock moved by hand and replayable randomness beside it.
pub struct Scratch {
    /// The store.
    pub store: Store,
    /// Stands at 2026-11-21T00:00:00Z until it is moved.
    pub clock: ManualClock,
    /// The same bytes in every run.
    pub entropy: Arc<SeededEntropy>,
    place: Place,
}

enum Place {
    Sqlite(Folder),
    Postgres(Box<ScratchDatabase>),
}

/// A fresh, migrated store.
///
/// # Panics
/// If it cannot be made; the text says what to do.
pub async fn store(engine: Engine) -> Scratch {
    match fresh(engine).await {
        Ok(scratch) => scratch,
        Err(error) => {
            assert!(
                engine == Engine::Sqlite || std::env::var_os(VARIABLE).is_some(),
                "{VARIABLE} is not set: run `cargo xtask services up` and set it to the address that is printed"
            );
            panic!("no scratch database: {error}")
        }
    }
}

async fn fresh(engine: Engine) -> Result<Scratch, OpenError> {
    let (store, place) = match engine {
        Engine::Sqlite => {
            let folder = folder::migrated().await?;
            (Store::open_sqlite(folder.options()).await?, Place::Sqlite(folder))
        }
        Engine::Postgres => {
            let database = database().await?;
            (patient(database.options()).await?, Place::Postgres(Box::new(database)))
        }
    };
    let clock = ManualClock::new(Timestamp::from_seconds(1_795_219_200));
    Ok(Scratch { store, clock, entropy: Arc::new(SeededEntropy::new(1)), place })
}

/// On PostgreSQL everything may take this many times as long as on a server: the machine has much else to do, and what
/// a test finds must not hang on that.
const SLACK: u32 = 15;

async fn patient(options: PostgresOptions) -> Result<Store, OpenError> {
    Store::open_postgres_with_slack(options, SLACK).await
}

impl Scratch {
    /// The same with a store that waits no longer than a server's: for what must be refused in time.
    ///
    /// # Panics
    /// If the store does not open.
    pub async fn hurried(mut self) -> Self {
        if let Place::Postgres(database) = &self.place {
            self.store = Store::open_postgres(database.options()).await.expect("the store opens");
        }
        self
    }

    /// Another store, by a way of the test's own, that has the patience of this one.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn by_way_of(&self, options: PostgresOptions) -> Store {
        patient(options).await.expect("the store opens")
    }

    /// Which engine it is on.
    pub const fn engine(&self) -> Engine {
        match self.place {
            Place::Sqlite(_) => Engine::Sqlite,
            Place::Postgres(_) => Engine::Postgres,
        }
    }

    /// The clock, as services take it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    /// The randomness, as services take it.
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        self.entropy.clone()
    }

    /// Short-lived state in this store.
    pub fn ephemeral(&self) -> Ephemeral {
        Ephemeral::in_database(self.store.clone(), self.clock(), self.entropy())
    }

    /// The job queue of this store.
    pub fn jobs(&self) -> JobQueue {
        JobQueue::new(self.store.clone(), self.clock(), self.entropy())
    }

    /// The leases of this store.
    pub fn leases(&self) -> Leases {
        Leases::new(self.store.clone(), self.clock(), self.entropy())
    }

    /// A new id.
    pub fn id<K>(&self) -> Id<K> {
        Id::new(self.clock.now(), &*self.entropy)
    }

    /// An empty unit of `realm` that leaves no audit event.
    pub fn unit(&self, realm: RealmId) -> Unit {
        own::unit(realm, &self.clock, &*self.entropy)
    }

    /// Makes the tables of `text`, which is written as the files in `migrations/` are, for this test alone.
    ///
    /// # Panics
    /// If the text breaks a rule of [`migrate`] or the engine refuses it.
    pub async fn extend(&self, text: &str) {
        match &self.place {
            Place::Sqlite(folder) => {
                let extra = migrate::migration("9999_scratch", text, Dialect::Sqlite).expect("the extra tables");
                let raw = rusqlite::Connection::open(folder.database()).expect("a second connection");
                raw.execute_batch(&extra.statements.join(";\n")).expect("the extra tables");
            }
            Place::Postgres(database) => database.extend(text).await.expect("the extra tables"),
        }
    }

    /// The SQLite file, for what a test does behind the engine's back; nothing on PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(folder) => Some(folder.database()),
            Place::Postgres(_) => None,
        }
    }

    /// The database, for what a test does behind the engine's back; nothing on SQLite.
    pub const fn database(&self) -> Option<&ScratchDatabase> {
        match &self.place {
            Place::Sqlite(_) => None,
            Place::Postgres(database) => Some(database),
        }
    }

    /// Closes the store and opens it anew, as a restart would.
    pub async fn restart(&mut self) {
        self.store.close().await;
        let opened = match &self.place {
            Place::Sqlite(folder) => Store::open_sqlite(folder.options()).await,
            Place::Postgres(database) => patient(database.options()).await,
        };
        self.store = opened.expect("the store opens again");
    }

    /// Another store on the same database, as a second node would have; PostgreSQL only.
    pub async fn second(&self) -> Option<Store> {
        match &self.place {
            Place::Sqlite(_) => None,
            Place::Postgres(database) => Some(patient(database.options()).await.expect("the second store opens")),
        }
    }
}

impl SqliteOptions {
    /// The options of a small store at `path`.
    pub(crate) fn small(path: &Path) -> Self {
        Self { path: path.to_owned(), readers: 2 }
    }
}

/// Runs a test on a fresh store of `engine`; what [`both_engines!`](crate::both_engines) expands to.
///
/// # Panics
/// As the test does.
pub fn run<F: Future<Output = ()>>(engine: Engine, test: impl FnOnce(Scratch) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime for the test").block_on(async { test(store(engine).await).await });
}

/// Declares tests that run on both engines, as `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// both_engines! {
///     async fn a_row_that_was_written_is_read(scratch) {
///         scratch.store.get(/* … */).await.unwrap();
///     }
/// }
/// ```
#[macro_export]
macro_rules! both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($($scratch:ident)+) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of its surroundings")]
            use super::*;

            async fn test($($scratch)+: $crate::scratch::Scratch) $body

            $(#[$attribute])*
            #[test]
            fn sqlite() {
                $crate::scratch::run($crate::scratch::Engine::Sqlite, test);
            }

            $(#[$attribute])*
            #[test]
            fn postgres() {
                $crate::scratch::run($crate::scratch::Engine::Postgres, test);
            }
        })*
    };
}
