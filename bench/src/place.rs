//! Where stores lie: SQLite on a real disk, PostgreSQL in a cluster that syncs.

use std::path::Path;

use anyhow::Context as _;
use claviger_storage::scratch::{self, Scratch};
use claviger_storage::{PostgresOptions, SqliteOptions, Store};
use tempfile::TempDir;

/// The engines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Names the folder of SQLite files; `cargo xtask bench` sets it.
const FOLDER: &str = "CLAVIGER_BENCH_FOLDER";

/// A store that goes with this value, and what holds it.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
    /// The database, on PostgreSQL.
    pub(crate) scratch: Option<Scratch>,
}

impl Place {
    /// A fresh, migrated store with the number of connections that a server has by default.
    pub(crate) async fn make(engine: Engine) -> anyhow::Result<Self> {
        let folder = folder()?;
        match engine {
            Engine::Sqlite => Ok(Self { store: open_sqlite(&file(folder.path())).await?, folder, scratch: None }),
            Engine::Postgres => {
                let scratch = scratch::store(scratch::Engine::Postgres).await;
                let options = scratch.database().context("the scratch store is on PostgreSQL")?.options();
                let options = PostgresOptions { writers: 8, readers: 4, ..options };
                Ok(Self { store: Store::open_postgres(options).await?, folder, scratch: Some(scratch) })
            }
        }
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        file(self.folder.path())
    }
}

/// An empty folder on the disk that is measured.
pub(crate) fn folder() -> anyhow::Result<TempDir> {
    match std::env::var_os(FOLDER) {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    }
    .context("no folder for the store")
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("claviger.db")
}

pub(crate) async fn open_sqlite(path: &Path) -> anyhow::Result<Store> {
    Ok(Store::open_sqlite(SqliteOptions { path: path.to_owned(), readers: 4 }).await?)
}
