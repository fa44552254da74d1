//! Keyed reads: many at a time over a few shared connections, none of which belongs to anybody.
//!
//! Each place has a task that keeps a connection in it: it connects, drives the socket, and connects again when the
//! connection is lost. A reader takes the next live one; while a lost one is being replaced the others serve, and when
//! the last attempts of all of them have failed a read is refused at once instead of waiting.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_kernel::Unavailable;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::address::Address;
use super::connection::{Answer, Connection, Driver, Form};
use super::fault::Fault;
use super::lane::Lane;
use super::{AGAIN, pause, spread};
use crate::{Sql, Value};

/// How long a keyed read may take, another try included.
const DEADLINE: Duration = Duration::from_secs(2);

/// The shared connections.
pub(super) struct Readers {
    lane: Lane,
    slack: u32,
    places: Vec<Arc<Place>>,
    next: AtomicUsize,
    turn: watch::Receiver<u64>,
    tasks: Vec<JoinHandle<()>>,
}

struct Place {
    state: RwLock<State>,
    turned: watch::Sender<u64>,
}

#[derive(Clone)]
enum State {
    Connecting,
    Live(Arc<Connection>),
    Down(String),
}

impl Readers {
    /// Keeps `size` connections to `address`, of which `first` is there already.
    pub(super) fn new(lane: Lane, address: &Address, size: usize, first: (Connection, Driver)) -> Self {
        let (turned, turn) = watch::channel(0);
        let mut first = Some(first);
        let (mut places, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..size.max(1) {
            let place = Arc::new(Place { state: RwLock::new(State::Connecting), turned: turned.clone() });
            let given = first.take().map(|(connection, driver)| {
                let connection = Arc::new(connection);
                place.set(State::Live(Arc::clone(&connection)));
                (connection, driver)
            });
            places.push(Arc::clone(&place));
            tasks.push(tokio::spawn(keep(place, address.clone(), given)));
        }
        Self { lane, slack: address.slack(), places, next: AtomicUsize::new(0), turn, tasks }
    }

    /// Runs a statement that reads, once more where the connection was lost meanwhile.
    pub(super) async fn run(&self, sql: &'static Sql, args: &[Value]) -> Result<Answer, Unavailable> {
        let mut pass = self.lane.enter()?;
        let mut suspect = None;
        let attempts = async {
            let mut lost = None;
            loop {
                let (place, connection) = match lost {
                    None => self.pick().await?,
                    Some(place) => self.replaced(place).await?,
                };
                suspect = Some((place, Arc::clone(&connection), connection.answered()));
                let fault = match connection.run(sql, Form::Plain, args, true).await {
                    Ok(answer) => {
                        pass.answered();
                        return Ok(answer);
                    }
                    Err(error) => Fault::of(&error),
                };
                pass.learned(&fault);
                if let Fault::Connection(_) = fault {
                    place.lose(&connection);
                    if lost.is_none() && self.lane.may_retry() {
                        lost = Some(place);
                        pause(spread(AGAIN)).await;
                        continue;
                    }
                }
                return Err(fault.unavailable(sql.name));
            }
        };
        let done = timeout(DEADLINE * self.slack, attempts).await;
        done.unwrap_or_else(|_| {
            pass.unanswered();
            if let Some((place, connection, answered)) = suspect
                && connection.answered() == answered
            {
                place.lose(&connection);
            }
            Err(Unavailable::new(format!("{}: no answer within two seconds", sql.name)))
        })
    }

    /// The connection that replaces one lost in `place`, or another where none can be made: all may have been lost in the
    /// same moment, and a new one was not.
    async fn replaced<'a>(&'a self, place: &'a Place) -> Result<(&'a Place, Arc<Connection>), Unavailable> {
        let mut turn = self.turn.clone();
        loop {
            turn.mark_unchanged();
            match &*place.state.read() {
                State::Live(connection) if !connection.is_closed() => return Ok((place, Arc::clone(connection))),
                State::Live(_) | State::Connecting => {}
                State::Down(_) => break,
            }
            if turn.changed().await.is_err() {
                return Err(Unavailable::new("the store is closed"));
            }
        }
        self.pick().await
    }

    /// The next live connection in turn. Waits only while a first attempt to replace lost ones is under way.
    async fn pick(&self) -> Result<(&Place, Arc<Connection>), Unavailable> {
        let mut turn = self.turn.clone();
        loop {
            turn.mark_unchanged();
            let start = self.next.fetch_add(1, Ordering::Relaxed);
            let mut down = None;
            let mut connecting = false;
            for step in 0..self.places.len() {
                let place = &self.places[(start + step) % self.places.len()];
                match &*place.state.read() {
                    State::Live(connection) if !connection.is_closed() => {
                        return Ok((place, Arc::clone(connection)));
                    }
                    State::Live(_) | State::Connecting => connecting = true,
                    State::Down(why) => down = Some(why.clone()),
                }
            }
            if let (false, Some(why)) = (connecting, down) {
                return Err(Unavailable::new(why));
            }
            if turn.changed().await.is_err() {
                return Err(Unavailable::new("the store is closed"));
            }
        }
    }

    /// Closes the connections; reads under way are answered [`Unavailable`].
    pub(super) fn close(&self) {
        for (task, place) in self.tasks.iter().zip(&self.places) {
            task.abort();
            place.set(State::Down("the store is closed".into()));
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Place {
    fn set(&self, state: State) {
        *self.state.write() = state;
        self.turned.send_modify(|turn| *turn = turn.wrapping_add(1));
    }

    /// Takes `connection` out of service, if it still is in service.
    fn lose(&self, connection: &Arc<Connection>) {
        connection.abandon();
        let mut state = self.state.write();
        if matches!(&*state, State::Live(current) if Arc::ptr_eq(current, connection)) {
            *state = State::Connecting;
        }
    }
}

/// Keeps a connection in `place` for as long as it is let.
async fn keep(place: Arc<Place>, address: Address, mut given: Option<(Arc<Connection>, Driver)>) {
    let mut failures = 0_u32;
    loop {
        if let Some((connection, driver)) = given.take() {
            tokio::select! {
                ended = driver => if let Err(error) = ended {
                    tracing::warn!(%error, "a database connection for reads was lost");
                },
                () = connection.abandoned() => tracing::warn!("a database connection for reads answered nobody"),
            }
            place.lose(&connection);
        }
        let why = match timeout(address.patience(), Connection::open(&address)).await {
            Ok(Ok((connection, driver))) => {
                if failures > 0 {
                    tracing::info!(failures, "a database connection for reads is there again");
                }
                failures = 0;
                let connection = Arc::new(connection);
                place.set(State::Live(Arc::clone(&connection)));
                given = Some((connection, driver));
                continue;
            }
            Ok(Err(error)) => Fault::of(&error).unavailable("connecting to the database for reads"),
            Err(_) => Unavailable::new("connecting to the database for reads: no answer in time"),
        };
        failures += 1;
        // Of an outage of hours some lines are enough.
        if failures == 1 || (failures >= 16 && failures.is_power_of_two()) {
            tracing::warn!(reason = why.reason(), failures, "no database connection for reads; trying again");
        }
        place.set(State::Down(why.reason().to_owned()));
        let most = Duration::from_millis(50 << failures.min(4));
        pause(most / 2 + spread(most / 2)).await;
    }
}
