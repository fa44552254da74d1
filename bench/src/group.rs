//! Group commit on SQLite by hand: one thread, one connection, whatever waits goes into one durable transaction.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// How many jobs one transaction takes at most.
const MOST: usize = 256;

type Job = Box<dyn FnOnce(&Connection) -> rusqlite::Result<bool> + Send>;

/// The writer; it ends with its last handle.
#[derive(Clone)]
pub(crate) struct Group {
    jobs: Sender<(Job, oneshot::Sender<bool>)>,
}

impl Group {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path).context("the store cannot be opened")?;
        connection.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -16384; pragma busy_timeout = 5000",
        )?;
        let (jobs, waiting) = channel();
        std::thread::spawn(move || write(&connection, &waiting).expect("the bare writer goes on"));
        Ok(Self { jobs })
    }

    /// Runs `job` in a transaction with its neighbours; what it says is heard once that is durable.
    pub(crate) async fn run(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    ) -> anyhow::Result<bool> {
        let (answer, heard) = oneshot::channel();
        self.jobs.send((Box::new(job), answer)).ok().context("the bare writer has ended")?;
        heard.await.context("the bare writer has ended")
    }
}

fn write(connection: &Connection, waiting: &Receiver<(Job, oneshot::Sender<bool>)>) -> rusqlite::Result<()> {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        while batch.len() < MOST
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        connection.prepare_cached("begin immediate")?.execute(())?;
        let mut answers = Vec::with_capacity(batch.len());
        for (job, answer) in batch {
            answers.push((answer, job(connection)?));
        }
        connection.prepare_cached("commit")?.execute(())?;
        for (answer, done) in answers {
            let _ = answer.send(done);
        }
    }
    Ok(())
}
