//! A frame with the routes of a test and nothing behind it: no store, no realm.

use core::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use claviger_http::base::{Frame, FrameOptions, Limits, Routes, Shutdown, TrustedProxies, serve};
use claviger_kernel::{ManualClock, SeededEntropy, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{Browser, Client, PUBLIC_URL, Raw, Wire};

/// A listening frame. Its routes are server-wide.
pub struct BareServer {
    frame: Arc<Frame>,
    address: SocketAddr,
    shutdown: Shutdown,
    listening: JoinHandle<()>,
}

impl BareServer {
    /// Listens on a free port of the loopback.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start(limits: Limits, routes: Routes) -> Self {
        Self::trusting(TrustedProxies::default(), limits, routes).await
    }

    /// The same behind proxies.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn trusting(proxies: TrustedProxies, limits: Limits, routes: Routes) -> Self {
        let frame = Arc::new(Frame::new(FrameOptions {
            public_url: PUBLIC_URL.parse().expect("a public address"),
            any_host: false,
            proxies,
            limits,
            clock: Arc::new(clock()),
            entropy: Arc::new(SeededEntropy::new(1)),
            realms: None,
            routes,
        }));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shutdown = Shutdown::new();
        let listening = tokio::spawn(serve(vec![listener.into()], Arc::clone(&frame), shutdown.clone()));
        Self { frame, address, shutdown, listening }
    }

    /// A client over the listener.
    pub fn client(&self) -> Client {
        Client::new(Wire::Socket(self.address), PUBLIC_URL.to_owned())
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(self.client(), clock())
    }

    /// A connection of which the test writes every byte.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The frame.
    pub const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Tells the listener to drain.
    pub fn begin_to_stop(&self) {
        self.shutdown.begin();
    }

    /// Completes when the listener has ended.
    ///
    /// # Panics
    /// If it has panicked.
    pub async fn stopped(self) {
        self.shutdown.begin();
        self.listening.await.expect("the listener ends in order");
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_seconds(1_795_219_200))
}
