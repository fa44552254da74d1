//! A few threads for reads of many rows, bounded in number, in queue and in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use claviger_kernel::Unavailable;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::connection::Connection;
use super::fault::Fault;
use super::queue::{Queue, Refused};

/// How many lists run at once.
pub(super) const THREADS: usize = 2;
/// How many may wait.
const WAITING: usize = 128;
/// From the call to the answer, waiting included.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often, in steps of SQLite's machine, a running list looks whether anybody still waits for it.
const LOOK: i32 = 1000;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

pub(super) struct Lists {
    queue: Arc<Queue<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Set when the caller has gone, by its deadline or by being dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lists {
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::<Job>::new(WAITING));
        let start = |mut connection: Connection| {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("sqlite-list".into()).spawn(move || {
                while let Some(job) = queue.take(1).pop() {
                    job(&mut connection);
                }
            })
        };
        let threads = connections.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self { threads: Mutex::new(threads), queue })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<Vec<T>, Fault> + Send + 'static,
    ) -> Result<Vec<T>, Unavailable> {
        let gone = Gone(Arc::default());
        let seen = Arc::clone(&gone.0);
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if seen.load(Ordering::Relaxed) {
                return;
            }
            let result = watched(connection, seen, work);
            drop(reply.send(result.map_err(|fault| Unavailable::new(format!("list: {fault}")))));
        });
        self.queue.push(job).map_err(|refused| match refused {
            Refused::Full => Unavailable::new("too many lists are waiting"),
            Refused::Closed(reason) => Unavailable::new(reason),
        })?;
        let answered = tokio::time::timeout(DEADLINE, answer).await;
        drop(gone);
        answered
            .map_err(|_| Unavailable::new("the list took longer than two seconds"))?
            .map_err(|_| Unavailable::new("the list was not answered"))?
    }

    pub(super) async fn close(&self) {
        self.queue.close("the store is closed");
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().map(JoinHandle::join).for_each(drop));
        drop(joined.await);
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        self.queue.close("the store is closed");
        self.threads.get_mut().drain(..).map(JoinHandle::join).for_each(drop);
    }
}

/// Runs `work`, and stops it between two steps once its caller has gone.
fn watched<T>(
    connection: &mut Connection,
    gone: Arc<AtomicBool>,
    work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.raw_mut().progress_handler(LOOK, Some(move || gone.load(Ordering::Relaxed)))?;
    let result = work(connection);
    connection.raw_mut().progress_handler(0, None::<fn() -> bool>)?;
    result
}
