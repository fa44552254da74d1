//! The accept loop: bounded connections, a pause instead of a spin when the system runs short, an orderly end.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::Crowd;
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

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// The network.
    Tcp(TcpListener),
    /// A socket of this machine, for processes of one user and of root alone.
    Unix {
        /// The socket.
        listener: UnixListener,
        /// The user's id.
        owner: u32,
    },
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Stream::Tcp(stream, peer)),
            Self::Unix { listener, owner } => {
                let (stream, _) = listener.accept().await?;
                let peer = stream.peer_cred()?.uid();
                if peer != *owner && peer != 0 {
                    tracing::warn!(target: "claviger::security", event = "operator_socket_refused", peer, "another user connected");
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                Ok(Stream::Unix(stream))
            }
        }
    }
}

/// What a peer on this machine counts as.
const HERE: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How long to wait for a freed descriptor, or to ask again for a free place.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves `frame` on every one of `listeners` until `shutdown` begins, then lets running requests finish within the
/// drain time-out and drops the rest.
pub async fn serve(listeners: Vec<Listener>, frame: Arc<Frame>, shutdown: Shutdown) {
    let limits = frame.limits();
    let drain = limits.drain_timeout;
    let places = u32::try_from(limits.connections).unwrap_or(u32::MAX).max(1);
    let door = Arc::new(Door {
        protocol: connection::protocol(limits),
        places: Arc::new(Semaphore::new(places as usize)),
        crowd: Arc::new(Crowd::default()),
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
    crowd: Arc<Crowd>,
    freed: Arc<Notify>,
    stage: watch::Sender<Stage>,
}

impl Door {
    async fn accept(self: Arc<Self>, listener: Listener) {
        loop {
            let place = self.place().await;
            match listener.accept().await {
                Ok(Stream::Tcp(stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    self.admit(stream, peer, place);
                }
                Ok(Stream::Unix(stream)) => self.admit(stream, HERE, place),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: asking again at once would only burn the processor (F11).
                    tracing::error!(%error, "cannot accept connections; waiting");
                    self.crowd.wants_places();
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
            self.crowd.wants_places();
            if let Ok(Ok(place)) = tokio::time::timeout(PAUSE, Arc::clone(&self.places).acquire_owned()).await {
                return place;
            }
        }
    }

    fn admit<S>(&self, stream: S, peer: SocketAddr, place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stage, crowd, freed) = (self.stage.subscribe(), Arc::clone(&self.crowd), Arc::clone(&self.freed));
        let (frame, protocol) = (Arc::clone(&self.frame), self.protocol.clone());
        tokio::spawn(async move {
            connection::run(stream, peer, frame, protocol, stage, crowd).await;
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
