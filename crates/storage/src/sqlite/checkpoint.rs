//! When the write-ahead log is copied back into the database file: between batches, after the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use claviger_kernel::Unavailable;

use super::connection::Connection;
use super::fault::Fault;

/// Pages of 4 KiB between two checkpoints: rarely enough to be cheap, often enough for a quick start after a crash.
const PAGES: i32 = 4_000;
/// From here on a checkpoint waits for the readers to let go of the log, so that it starts afresh.
const MOST: i32 = 8 * PAGES;

/// The write-ahead log's length, and where the next checkpoint is due.
pub(super) struct Log {
    pages: Arc<AtomicI32>,
    next: i32,
}

impl Log {
    /// Counts from now on what `connection` commits.
    pub(super) fn follow(connection: &mut Connection) -> Self {
        let pages = Arc::new(AtomicI32::new(0));
        let counted = Arc::clone(&pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            counted.store(pages, Ordering::Relaxed);
            Ok(())
        };
        connection.raw_mut().wal_hook(Some(hook)).expect("a connection takes a hook");
        Self { pages, next: PAGES }
    }

    /// Copies the log back if it has grown enough. An error means that the disk is not sound: nothing more may be written.
    pub(super) fn tidy(&mut self, connection: &Connection) -> Result<(), Unavailable> {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.next - PAGES {
            self.next = PAGES;
        }
        if pages < self.next {
            return Ok(());
        }
        self.next = pages + PAGES;
        let pragma = if pages < MOST { "pragma wal_checkpoint(passive)" } else { "pragma wal_checkpoint(restart)" };
        match connection.raw().query_row(pragma, [], |row| row.get::<_, bool>(0)) {
            Ok(_) => Ok(()),
            Err(error) => {
                let fault = Fault::Engine(error);
                tracing::warn!(%fault, pages, "a checkpoint failed");
                if fault.is_fatal() { Err(Unavailable::new(format!("checkpoint: {fault}"))) } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::folder;

    #[tokio::test]
    async fn the_log_starts_afresh_instead_of_growing_for_ever() {
        let folder = folder::migrated().await.unwrap();
        let mut connection = Connection::writing(folder.database()).unwrap();
        let mut log = Log::follow(&mut connection);
        connection.raw().execute_batch("create table t (b blob)").unwrap();
        let mut longest = 0;
        for _ in 0..40 {
            // About 250 pages.
            connection.raw().execute("insert into t (b) values (zeroblob(1000000))", []).unwrap();
            longest = longest.max(log.pages.load(Ordering::Relaxed));
            log.tidy(&connection).unwrap();
        }
        assert!((PAGES..PAGES + 300).contains(&longest), "{longest} pages");
    }

    #[tokio::test]
    async fn a_list_that_holds_the_log_delays_its_fresh_start_and_no_write() {
        let folder = folder::migrated().await.unwrap();
        let mut connection = Connection::writing(folder.database()).unwrap();
        let mut log = Log::follow(&mut connection);
        connection.raw().execute_batch("create table t (b blob)").unwrap();
        let reader = Connection::reading(folder.database()).unwrap();
        reader.raw().execute_batch("begin; select * from t").unwrap();
        for _ in 0..20 {
            connection.raw().execute("insert into t (b) values (zeroblob(1000000))", []).unwrap();
            log.tidy(&connection).unwrap();
        }
        assert!(log.pages.load(Ordering::Relaxed) > PAGES, "the reader still sees the old end");
        reader.raw().execute_batch("commit").unwrap();
        for _ in 0..20 {
            connection.raw().execute("insert into t (b) values (zeroblob(1000000))", []).unwrap();
            log.tidy(&connection).unwrap();
        }
        assert!(log.pages.load(Ordering::Relaxed) <= PAGES + 300);
    }
}
