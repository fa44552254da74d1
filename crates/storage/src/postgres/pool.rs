//! Connections that are used by one transaction at a time, handed out with a bounded wait.

use core::time::Duration;
use std::sync::Arc;

use claviger_kernel::Unavailable;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::connection::Connection;
use super::fault::Fault;
use super::lane::{Lane, Pass};

/// How long a caller waits for a connection to come free.
pub(super) const WAIT: Duration = Duration::from_secs(1);
/// After a failed attempt to connect, how long everybody is told so at once instead of trying too.
const REST: Duration = Duration::from_millis(300);

/// A bounded number of connections to one address.
pub(super) struct Pool {
    lane: Lane,
    address: Address,
    size: u32,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    refused: Mutex<Option<(Instant, Unavailable)>>,
}

/// A connection in somebody's hands. Dropped, it is closed; [`Lent::give_back`] keeps it for the next.
pub(super) struct Lent {
    connection: Connection,
    place: Place,
}

/// The right to one connection of the pool, with or without the connection.
pub(super) struct Place {
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool whose first connection may be there already.
    pub(super) fn new(lane: Lane, address: Address, size: usize, first: Option<Connection>) -> Self {
        let size = u32::try_from(size.max(1)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(size as usize));
        Self {
            lane,
            address,
            size,
            permits,
            idle: Arc::new(Mutex::new(first.into_iter().collect())),
            refused: Mutex::new(None),
        }
    }

    /// The way to the database that its connections are for.
    pub(super) const fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Takes a connection, or makes one if there is room.
    pub(super) async fn take(&self, pass: &mut Pass<'_>) -> Result<Lent, Unavailable> {
        let place = self.place().await?;
        while let Some(connection) = { self.idle.lock().pop() } {
            if !connection.is_closed() {
                return Ok(Lent { connection, place });
            }
        }
        self.connect(place, pass).await.map_err(|(why, _)| why)
    }

    /// Makes a new connection in `place`, whatever stands idle.
    pub(super) async fn connect(&self, place: Place, pass: &mut Pass<'_>) -> Result<Lent, (Unavailable, Place)> {
        let refused = self.refused.lock().clone();
        if let Some((at, why)) = refused
            && at.elapsed() < REST
        {
            return Err((why, place));
        }
        let made = timeout(self.address.patience(), Connection::spawned(&self.address)).await;
        let why = match made {
            Ok(Ok(connection)) => {
                *self.refused.lock() = None;
                return Ok(Lent { connection, place });
            }
            Ok(Err(error)) => Fault::of(&error).unavailable("connecting to the database"),
            Err(_) => Unavailable::new("connecting to the database: no answer in time"),
        };
        pass.unanswered();
        *self.refused.lock() = Some((Instant::now(), why.clone()));
        Err((why, place))
    }

    /// How many times as long as usual everything may take.
    pub(super) const fn slack(&self) -> u32 {
        self.address.slack()
    }

    async fn place(&self) -> Result<Place, Unavailable> {
        match timeout(WAIT * self.slack(), Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { idle: Arc::clone(&self.idle), _permit: permit }),
            Ok(Err(_)) => Err(Unavailable::new("the store is closed")),
            Err(_) => Err(Unavailable::new("every database connection has been busy for a second")),
        }
    }

    /// Waits until every connection has come back, then closes them; nobody gets one afterwards.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(self.size).await {
            self.permits.close();
            all.forget();
        }
        self.idle.lock().clear();
    }
}

impl Lent {
    /// The connection.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Gives back a connection on which no transaction stands.
    pub(super) fn give_back(self) {
        self.place.idle.lock().push(self.connection);
    }

    /// Closes the connection and keeps its place.
    pub(super) fn discard(self) -> Place {
        self.place
    }
}
