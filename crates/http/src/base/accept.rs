//! The accept loop: bounded connections, a pause instead of a spin when the system runs short, an orderly end.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::{Frame, connection};

/// How far a listener has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Serving.
    Running,
    /// No new connection, no new request; what runs may finish.
    Draining,
    /// Whatever is left is dropped.
    Over,
}

/// Tells listeners to stop. Clones tell the same listeners.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Shutdown {
    /// Nobody has been told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every listener to drain and stop.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Completes once somebody has called [`Shutdown::begin`].
    pub async fn begun(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// How long to wait for a freed descriptor, or to ask again for a free place.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves `frame` on every one of `listeners` until `shutdown` begins, then lets running requests finish within the
/// drain time-out and drops the rest.
pub async fn serve(listeners: Vec<TcpListener>, frame: Arc<Frame>, shutdown: Shutdown) {
    let limits = frame.limits();
    let drain = limits.drain_timeout;
    let places = u32::try_from(limits.connections).unwrap_or(u32::MAX).max(1);
    let door = Arc::new(Door {
        protocol: connection::protocol(limits),
        places: Arc::new(Semaphore::new(places as usize)),
        crowded: Arc::new(Notify::new()),
        freed: Arc::new(Notify::new()),
        stage: watch::Sender::new(Stage::Running),
        frame,
    });
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(Arc::clone(&door).accept(listener));
    }
    shutdown.begun().await;
    loops.shutdown().await;
    door.stage.send_replace(Stage::Draining);
    if tokio::time::timeout(drain, door.places.acquire_many(places)).await.is_err() {
        tracing::warn!("requests were still running when the drain time ended; they were dropped");
        door.stage.send_replace(Stage::Over);
        let _ = door.places.acquire_many(places).await;
    }
}

struct Door {
    frame: Arc<Frame>,
    protocol: hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>,
    places: Arc<Semaphore>,
    crowded: Arc<Notify>,
    freed: Arc<Notify>,
    stage: watch::Sender<Stage>,
}

impl Door {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let place = self.place().await;
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer, place),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: asking again at once would only burn the processor (F11).
                    tracing::error!(%error, "cannot accept connections; waiting");
                    self.crowded.notify_waiters();
                    let _ = tokio::time::timeout(PAUSE, self.freed.notified()).await;
                }
            }
        }
    }

    /// A place for one more connection. While there is none, idle connections are asked to end.
    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return place;
            }
            self.crowded.notify_waiters();
            if let Ok(Ok(place)) = tokio::time::timeout(PAUSE, Arc::clone(&self.places).acquire_owned()).await {
                return place;
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let (stage, crowded, freed) = (self.stage.subscribe(), Arc::clone(&self.crowded), Arc::clone(&self.freed));
        let (frame, protocol) = (Arc::clone(&self.frame), self.protocol.clone());
        tokio::spawn(async move {
            connection::run(stream, peer, frame, protocol, stage, crowded).await;
            drop(place);
            freed.notify_waiters();
        });
    }
}

/// Errors of one incoming connection, which say nothing about the next.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
