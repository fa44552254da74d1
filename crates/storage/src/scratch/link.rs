//! The way between a store and PostgreSQL or Redis, which a test cuts, hangs or slows.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use claviger_kernel::Secret;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::PostgresOptions;

/// How the way is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Everything passes.
    Open,
    /// Every connection is closed, and a new one is closed as soon as it is made.
    Cut,
    /// Connections stand and carry nothing; they go on where they were once the way is open.
    Silent,
    /// Each answer of the server comes this much later.
    Slow(Duration),
}

/// A proxy on the loopback. It ends with the runtime that it was made on.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    server: Arc<Mutex<String>>,
    way: watch::Sender<Way>,
}

impl Link {
    /// An open way to the server of `options`.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to(options: &PostgresOptions) -> Self {
        Self::to_url(options.url.expose()).await
    }

    /// An open way to the server of an address such as `redis://…`.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to_url(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Arc::new(Mutex::new(place(url).to_owned()));
        let way = watch::channel(Way::Open).0;
        let (ways, servers) = (way.clone(), Arc::clone(&server));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, Arc::clone(&servers), ways.subscribe()));
            }
        });
        Self { address, server, way }
    }

    /// `options` by this way.
    #[must_use]
    pub fn through(&self, options: &PostgresOptions) -> PostgresOptions {
        let through = |url: &Secret<String>| Secret::new(self.url(url.expose()));
        PostgresOptions {
            url: through(&options.url),
            read_url: options.read_url.as_ref().map(through),
            ..options.clone()
        }
    }

    /// An address by this way.
    pub fn url(&self, url: &str) -> String {
        url.replacen(place(url), &self.address.to_string(), 1)
    }

    /// Leads to the server at this host and port from now on, with every connection that is made.
    pub fn lead_to(&self, server: String) {
        *self.server.lock() = server;
    }

    /// Makes the way as it is from now on.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Host and port of an address.
fn place(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let after_user = after_scheme.split_once('@').map_or(after_scheme, |(_, rest)| rest);
    after_user.split_once('/').map_or(after_user, |(place, _)| place)
}

async fn carry(client: TcpStream, server: Arc<Mutex<String>>, mut ways: watch::Receiver<Way>) {
    // Before the database hears of it: a connection that carries nothing must not take one of its places.
    passable(&mut ways).await;
    if *ways.borrow() == Way::Cut {
        return;
    }
    let server = server.lock().clone();
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (there, back) = (ways.clone(), ways.clone());
    tokio::select! {
        () = pass(from_client, to_server, there, false) => {}
        () = pass(from_server, to_client, back, true) => {}
        _ = ways.wait_for(|way| *way == Way::Cut) => {}
    }
}

async fn passable(ways: &mut watch::Receiver<Way>) {
    let _ = ways.wait_for(|way| *way != Way::Silent).await;
}

/// Moves bytes until either side ends; `answers` are what [`Way::Slow`] holds back.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut ways: watch::Receiver<Way>, answers: bool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        passable(&mut ways).await;
        let way = *ways.borrow();
        if let (Way::Slow(delay), true) = (way, answers) {
            late(delay).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a slow network is what the test is about")]
async fn late(delay: Duration) {
    tokio::time::sleep(delay).await;
}
