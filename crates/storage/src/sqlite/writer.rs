//! The one writer: all waiting units in one durable commit, a savepoint each, answered after the sync.
//!
//! No answer, not even a conflict, leaves before the commit of its batch: a conflict with a neighbour that is then lost
//! would be a false one. No deadline interrupts the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use claviger_kernel::Unavailable;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::checkpoint::Log;
use super::connection::Connection;
use super::queue::{Queue, Refused};
use super::unit::{self, Stop};
use crate::signals::{Brings, Signals};
use crate::{CommitError, Committed, Unit};

/// How many units may wait.
const WAITING: usize = 8192;
/// How many go into one commit: bounds the time that the first of them waits.
const BATCH: usize = 256;

type Outcome = Result<Committed, CommitError>;

struct Waiting {
    unit: Unit,
    reply: oneshot::Sender<Outcome>,
}

pub(super) struct Writer {
    queue: Arc<Queue<Waiting>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, signals: Arc<Signals>) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(WAITING));
        let own = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("sqlite-write".into());
        let thread = thread.spawn(move || write(connection, &own, &signals))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn commit(&self, unit: Unit) -> Outcome {
        let (reply, answer) = oneshot::channel();
        self.queue.push(Waiting { unit, reply }).map_err(|refused| match refused {
            Refused::Full => Unavailable::new("too many units are waiting"),
            Refused::Closed(reason) => Unavailable::new(reason),
        })?;
        answer.await.unwrap_or_else(|_| Err(Unavailable::new("the writer stopped without an answer").into()))
    }

    pub(super) fn writable(&self) -> Result<(), Unavailable> {
        self.queue.closed().map_or(Ok(()), |reason| Err(Unavailable::new(reason)))
    }

    pub(super) async fn close(&self) {
        self.queue.close("the store is closed");
        let thread = self.thread.lock().take();
        drop(tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close("the store is closed");
        drop(self.thread.get_mut().take().map(JoinHandle::join));
    }
}

/// How the attempt to commit a batch ended.
enum End {
    /// It is durable; an outcome for each unit.
    Durable(Vec<Outcome>),
    /// The transaction went away under way and nothing of it happened: each unit may be tried alone.
    Lost(Unavailable),
    /// Nothing of it happened, and trying again at once would not help.
    Refused(Unavailable),
    /// Whether it happened is not known, or the file is not to be trusted.
    Fatal(Unavailable),
}

fn write(mut connection: Connection, queue: &Queue<Waiting>, signals: &Signals) {
    let mut log = Log::follow(&mut connection);
    loop {
        let batch = queue.take(BATCH);
        if batch.is_empty() {
            return;
        }
        let stopped = match attempt(&mut connection, &batch) {
            End::Lost(_) => batch.into_iter().try_for_each(|one| alone(&mut connection, one, signals)),
            end => answer(end, batch, signals),
        };
        if let Err(reason) = stopped.and_then(|()| log.tidy(&connection)) {
            stop(connection, queue, &reason);
            return;
        }
    }
}

/// Writes nothing more; who waits is told.
fn stop(connection: Connection, queue: &Queue<Waiting>, reason: &Unavailable) {
    tracing::error!(reason = reason.reason(), "writing has stopped: restart once the disk is sound again");
    let stopped = Unavailable::new(format!("writing has stopped: {}", reason.reason()));
    queue.close(stopped.reason());
    drop(connection);
    tell(std::iter::from_fn(|| queue.take(1).pop()), &stopped);
}

/// Tries a unit whose batch was lost once more, without neighbours.
fn alone(connection: &mut Connection, one: Waiting, signals: &Signals) -> Result<(), Unavailable> {
    let batch = vec![one];
    let end = match attempt(connection, &batch) {
        End::Lost(reason) => End::Refused(reason),
        end => end,
    };
    answer(end, batch, signals)
}

/// Tells every caller of the batch how it ended. An error means that writing must stop.
fn answer(end: End, batch: Vec<Waiting>, signals: &Signals) -> Result<(), Unavailable> {
    match end {
        End::Durable(outcomes) => {
            for (one, outcome) in batch.into_iter().zip(outcomes) {
                if let Ok(committed) = &outcome {
                    signals.tell(Brings::of(&one.unit, committed));
                }
                drop(one.reply.send(outcome));
            }
            Ok(())
        }
        End::Lost(reason) | End::Refused(reason) => {
            tracing::warn!(reason = reason.reason(), units = batch.len(), "a batch was not written");
            tell(batch, &reason);
            Ok(())
        }
        End::Fatal(reason) => {
            tell(batch, &reason);
            Err(reason)
        }
    }
}

fn tell(batch: impl IntoIterator<Item = Waiting>, reason: &Unavailable) {
    for one in batch {
        drop(one.reply.send(Err(reason.clone().into())));
    }
}

fn attempt(connection: &mut Connection, batch: &[Waiting]) -> End {
    if let Err(fault) = connection.word("begin immediate") {
        let reason = Unavailable::new(format!("cannot begin to write: {fault}"));
        return if fault.is_fatal() { End::Fatal(reason) } else { End::Refused(reason) };
    }
    let mut outcomes = Vec::with_capacity(batch.len());
    for waiting in batch {
        match within_savepoint(connection, &waiting.unit) {
            Ok(outcome) => outcomes.push(outcome),
            Err(end) => {
                if connection.in_transaction() {
                    drop(connection.word("rollback"));
                }
                return end;
            }
        }
    }
    match connection.word("commit") {
        Ok(()) => End::Durable(outcomes),
        Err(fault) => {
            let reason = Unavailable::new(format!("the commit failed: {fault}"));
            let undone = !connection.in_transaction() || connection.word("rollback").is_ok();
            if undone && fault.refuses_commit() { End::Refused(reason) } else { End::Fatal(reason) }
        }
    }
}

/// Runs one unit so that whatever it does, its neighbours are not touched; an error ends the batch.
fn within_savepoint(connection: &mut Connection, unit: &Unit) -> Result<Outcome, End> {
    savepoint_word(connection, "savepoint unit")?;
    let ran = catch_unwind(AssertUnwindSafe(|| unit::run(connection, unit)));
    let outcome = match ran {
        Ok(Ok(committed)) => Ok(committed),
        Ok(Err(Stop::Here(error))) => Err(error),
        Ok(Err(Stop::Fatal(reason))) => return Err(End::Fatal(reason)),
        Err(_) => Err(Unavailable::new("the unit panicked in the writer").into()),
    };
    if outcome.is_err() {
        // A full disk and its like have rolled back everything, the neighbours too, whom nobody may tell "done".
        if !connection.in_transaction() {
            return Err(End::Lost(Unavailable::new(format!("the transaction went away: {}", reason(&outcome)))));
        }
        savepoint_word(connection, "rollback to unit")?;
    }
    savepoint_word(connection, "release unit")?;
    Ok(outcome)
}

fn reason(outcome: &Outcome) -> String {
    outcome.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

fn savepoint_word(connection: &Connection, word: &'static str) -> Result<(), End> {
    connection.word(word).map_err(|fault| {
        let reason = Unavailable::new(format!("{word}: {fault}"));
        if fault.is_fatal() || connection.in_transaction() { End::Fatal(reason) } else { End::Lost(reason) }
    })
}

#[cfg(test)]
mod tests;
