//! Short-lived values on Redis (or Valkey): one shared connection, a time limit on each operation, and one loop that
//! connects again.
//!
//! Nobody waits for a Redis that does not answer: the first operation without an answer within 50 ms takes the connection
//! out of service, and from then on operations are refused at once until the loop has a new one. No type of the client
//! library leaves this folder.

mod endpoint;
mod record;

use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue};
use claviger_kernel::{Entropy, Secret, Timestamp, Unavailable};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::endpoint::Endpoint;
use self::record::Record;
use super::Slot;
use super::database::Database;
use super::turn::Turns;
use crate::OpenError;

/// What an operation has beyond its time: on a busy machine it may be we who were away, and what has arrived meanwhile
/// counts.
const GRACE: Duration = Duration::from_millis(10);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// For how long Redis is waited for. Tests of what it holds wait for longer than a server may.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// An operation, before a grace of 10 ms.
    pub operation: Duration,
    /// How long requests wait for the first attempt to replace a lost connection.
    pub replace: Duration,
    /// How long any further attempt to connect may take; nobody waits for it.
    pub connect: Duration,
}

impl Patience {
    /// A server's: 50 ms with the grace (F40).
    pub const ORDINARY: Self = Self {
        operation: Duration::from_millis(40),
        replace: Duration::from_millis(50),
        connect: Duration::from_secs(1),
    };
}

/// Why Redis did not do it.
#[derive(Debug)]
pub(super) enum RedisFault {
    /// It is known to be out of reach; it was not asked.
    Down,
    /// It holds nothing of what was agreed upon; it has not counted.
    Emptied,
    /// It was asked and gave no answer that counts: it may have done it.
    Unknown(Unavailable),
}

/// The connection to Redis, kept for as long as this value lives.
pub(super) struct Redis {
    place: Arc<Place>,
    database: Database,
    patience: Patience,
    task: JoinHandle<()>,
}

struct Place {
    state: watch::Sender<State>,
}

#[derive(Clone)]
enum State {
    /// A connection was lost just now; the first attempt to replace it is under way.
    Connecting,
    Live(Live),
    Down(String),
}

/// A connection in service.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// What Redis was filled with when every node agreed upon it.
    filling: Arc<str>,
    state: Arc<LiveState>,
}

#[derive(Default)]
struct LiveState {
    answers: AtomicU64,
    abandoned: Notify,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Redis {
    /// Reads the address and makes one attempt to connect; the loop goes on from there.
    pub(super) async fn open(url: &Secret<String>, turns: Arc<Turns>, patience: Patience) -> Result<Self, OpenError> {
        let endpoint = Endpoint::parse(url)?;
        let database = turns.database.clone();
        let place = Arc::new(Place { state: watch::channel(State::Connecting).0 });
        let first = endpoint.connect_within(patience.connect, &turns).await;
        if let Ok((live, _)) = &first {
            place.set(State::Live(live.clone()));
        }
        let task = tokio::spawn(keep(Arc::clone(&place), endpoint, turns, patience, first));
        Ok(Self { place, database, patience, task })
    }

    pub(super) fn answers(&self) -> Result<(), Unavailable> {
        match &*self.place.state.borrow() {
            State::Live(_) => Ok(()),
            State::Connecting => Err(Unavailable::new("the connection to Redis was lost")),
            State::Down(why) => Err(Unavailable::new(why.clone())),
        }
    }

    pub(super) async fn put(&self, slot: Slot<'_>, value: &[u8], expires: Timestamp) -> Result<(), RedisFault> {
        let record = Record::of(value, expires);
        self.run(|_| record::put(slot, &record, self.database.now())).await
    }

    pub(super) async fn get(&self, slot: Slot<'_>) -> Result<Option<Vec<u8>>, RedisFault> {
        self.living(self.run(|_| record::get(slot)).await?)
    }

    pub(super) async fn take(&self, slot: Slot<'_>) -> Result<Option<Vec<u8>>, RedisFault> {
        self.living(self.run(|_| record::take(slot)).await?)
    }

    pub(super) async fn replace(
        &self,
        slot: Slot<'_>,
        old: &[u8],
        new: &[u8],
        expires: Timestamp,
    ) -> Result<bool, RedisFault> {
        let new = Record::of(new, expires);
        self.run(|_| record::replace(slot, old, &new, self.database.now())).await
    }

    /// Counts, unless what Redis holds is not what was agreed upon: then it has been emptied, and nothing is counted
    /// there before the nodes have agreed anew, as they do on the next connection.
    pub(super) async fn increment(&self, slot: Slot<'_>, expires: Timestamp) -> Result<u64, RedisFault> {
        let counted = self.count(slot, expires).await;
        if matches!(counted, Err(RedisFault::Emptied)) { self.count(slot, expires).await } else { counted }
    }

    async fn count(&self, slot: Slot<'_>, expires: Timestamp) -> Result<u64, RedisFault> {
        let live = self.place.pick().await?;
        let command = record::increment(slot, &live.filling, expires, self.database.now());
        let count: i64 = self.run_on(&live, command).await?;
        u64::try_from(count).map_err(|_| {
            self.place.lose(&live, "it has been emptied");
            RedisFault::Emptied
        })
    }

    async fn run<T: FromRedisValue>(&self, command: impl FnOnce(&Live) -> Cmd) -> Result<T, RedisFault> {
        let live = self.place.pick().await?;
        self.run_on(&live, command(&live)).await
    }

    async fn run_on<T: FromRedisValue>(&self, live: &Live, command: Cmd) -> Result<T, RedisFault> {
        let mut connection = live.connection.clone();
        let before = live.state.answers.load(Ordering::Relaxed);
        let mut asked = pin!(command.query_async(&mut connection));
        let mut answer = timeout(self.patience.operation, asked.as_mut()).await;
        if answer.is_err() {
            answer = timeout(GRACE, asked).await;
        }
        let late = || format!("no answer within {} ms", (self.patience.operation + GRACE).as_millis());
        match answer {
            Ok(Ok(answer)) => {
                live.state.answers.fetch_add(1, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.lost(live, &error.to_string())),
            // Others have been answered meanwhile: it is not Redis that hangs.
            Err(_) if live.state.answers.load(Ordering::Relaxed) != before => {
                Err(RedisFault::Unknown(Unavailable::new(format!("Redis: {}", late()))))
            }
            Err(_) => Err(self.lost(live, &late())),
        }
    }

    fn lost(&self, live: &Live, why: &str) -> RedisFault {
        self.place.lose(live, why);
        RedisFault::Unknown(Unavailable::new(format!("Redis: {why}")))
    }

    fn living(&self, found: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, RedisFault> {
        let Some(bytes) = found else { return Ok(None) };
        let strange = || RedisFault::Unknown(Unavailable::new("Redis: a value that is not ours stands under our name"));
        let record = Record::parse(&bytes).ok_or_else(strange)?;
        Ok((record.expires > self.database.now()).then_some(record.value))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Place {
    fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The connection in service. Waits only while the first attempt to replace a lost one is under way.
    async fn pick(&self) -> Result<Live, RedisFault> {
        let mut states = self.state.subscribe();
        let state = states.wait_for(|state| !matches!(state, State::Connecting)).await;
        match state.as_deref() {
            Ok(State::Live(live)) => Ok(live.clone()),
            Ok(State::Connecting | State::Down(_)) | Err(_) => Err(RedisFault::Down),
        }
    }

    /// Takes `live` out of service, if it still is in service.
    fn lose(&self, live: &Live, why: &str) {
        let lost = self.state.send_if_modified(|state| match state {
            State::Live(current) if Arc::ptr_eq(&current.state, &live.state) => {
                *state = State::Connecting;
                true
            }
            _ => false,
        });
        if lost {
            tracing::warn!(why, "the connection to Redis is out of service; the database stands in");
            live.state.abandoned.notify_one();
        }
    }
}

/// Keeps a connection in `place` for as long as it is let.
async fn keep(
    place: Arc<Place>,
    endpoint: Endpoint,
    turns: Arc<Turns>,
    patience: Patience,
    mut attempt: Result<(Live, Driver), String>,
) {
    let mut failures: u32 = 0;
    loop {
        let why = match attempt {
            Ok((live, driver)) => {
                place.set(State::Live(live.clone()));
                tracing::info!("connected to Redis");
                tokio::select! {
                    () = driver => place.lose(&live, "it was closed"),
                    () = live.state.abandoned.notified() => {}
                }
                // A connection that served nobody proves nothing: one that is lost at once must not be asked for at once.
                if live.state.answers.load(Ordering::Relaxed) > 0 {
                    failures = 0;
                    attempt = endpoint.connect_within(patience.replace, &turns).await;
                    continue;
                }
                "connections are lost as soon as they are made".to_owned()
            }
            Err(why) => why,
        };
        failures += 1;
        if failures == 1 {
            tracing::warn!(why, "Redis cannot be used; the database stands in until it can");
        }
        place.set(State::Down(format!("Redis: {why}")));
        if let Err(fault) = turns.stand_in().await {
            tracing::debug!(reason = fault.reason(), "the database cannot stand in for Redis either");
        }
        crate::postgres::pause(jittered(failures, &*turns.database.entropy)).await;
        attempt = endpoint.connect_within(patience.connect, &turns).await;
    }
}

/// Grows from 50 ms to [`LONGEST_PAUSE`]; the nodes of a cluster do not come back all in the same moment.
fn jittered(failures: u32, entropy: &dyn Entropy) -> Duration {
    let full = (Duration::from_millis(25) * (1 << failures.min(8))).min(LONGEST_PAUSE);
    let mut byte = [0; 1];
    entropy.fill(&mut byte);
    full / 2 + full / 2 * u32::from(byte[0]) / 256
}

#[cfg(test)]
mod tests {
    use claviger_kernel::SeededEntropy;

    use super::*;

    #[test]
    fn f40_a_server_passes_redis_by_after_50_ms() {
        let most = Duration::from_millis(50);
        assert_eq!((Patience::ORDINARY.operation + GRACE, Patience::ORDINARY.replace), (most, most));
    }

    #[test]
    fn pauses_grow_and_stay_below_five_seconds() {
        let entropy = SeededEntropy::new(1);
        let pauses: Vec<Duration> = [1, 4, 30].map(|failures| jittered(failures, &entropy)).into();
        assert!(
            pauses.is_sorted() && pauses[0] >= Duration::from_millis(25) && pauses[2] <= LONGEST_PAUSE,
            "{pauses:?}"
        );
    }
}
