//! A proxy between the store and PostgreSQL that knows where COMMIT is and cuts there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claviger_kernel::Secret;
use claviger_storage::PostgresOptions;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// What happens at a COMMIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// Nowhere: it passes.
    None,
    /// Both sides are cut before the server has seen it.
    Before,
    /// The server does it; its answer and the connection are lost.
    After,
    /// The server does it; its answer is lost and the connection stands, silent.
    Silent,
    /// The client is cut; the server sees it only when the test says so, or the connection closed.
    Held,
}

/// How a held COMMIT goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Release {
    Wait,
    Forward,
    Drop,
}

/// How the way is, COMMIT or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// As fast as it goes.
    Fast,
    /// Each answer comes five seconds later.
    Slow,
    /// What is sent arrives nowhere.
    Lost,
}

/// How long an answer is held back at [`Pace::Slow`].
const SLOW: Duration = Duration::from_secs(5);

/// The proxy; it ends with the runtime.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Inside>);

/// Whether the client still hears what the server says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ears {
    Open,
    Deaf,
    Gone,
}

struct Inside {
    port: u16,
    server: String,
    cuts: Mutex<Vec<Cut>>,
    commits: AtomicUsize,
    statements: AtomicUsize,
    pace: watch::Sender<Pace>,
    severed: watch::Sender<()>,
    release: watch::Sender<Release>,
    down: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy before the server of `options`.
    pub(crate) async fn before(options: &PostgresOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self(Arc::new(Inside {
            port: listener.local_addr().unwrap().port(),
            server: place(options.url.expose()).to_owned(),
            cuts: Mutex::default(),
            commits: AtomicUsize::new(0),
            statements: AtomicUsize::new(0),
            pace: watch::channel(Pace::Fast).0,
            severed: watch::channel(()).0,
            release: watch::channel(Release::Wait).0,
            down: watch::channel(false).0,
        }));
        let inside = Arc::clone(&proxy.0);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if !*inside.down.borrow() {
                    tokio::spawn(Arc::clone(&inside).carry(client));
                }
            }
        });
        proxy
    }

    /// `options` by way of the proxy.
    pub(crate) fn options(&self, options: &PostgresOptions) -> PostgresOptions {
        let through = |url: &Secret<String>| {
            Secret::new(url.expose().replacen(place(url.expose()), &format!("127.0.0.1:{}", self.0.port), 1))
        };
        PostgresOptions {
            url: through(&options.url),
            read_url: options.read_url.as_ref().map(through),
            ..options.clone()
        }
    }

    /// The next COMMITs go as `cuts` says, the first one last.
    pub(crate) fn cut(&self, cuts: impl IntoIterator<Item = Cut>) {
        *self.0.cuts.lock() = cuts.into_iter().collect();
    }

    /// How many COMMITs have been seen.
    pub(crate) fn commits(&self) -> usize {
        self.0.commits.load(Ordering::SeqCst)
    }

    /// How many statements have been sent that bear values; those of the transaction itself are among them, COMMIT is not.
    pub(crate) fn statements(&self) -> usize {
        self.0.statements.load(Ordering::SeqCst)
    }

    /// Makes the way as it is from now on.
    pub(crate) fn pace(&self, pace: Pace) {
        self.0.pace.send_replace(pace);
    }

    /// Cuts every connection; new ones are accepted.
    pub(crate) fn sever(&self) {
        self.0.severed.send_replace(());
    }

    /// Says how a held COMMIT goes on.
    pub(crate) fn release(&self, how: Release) {
        self.0.release.send_replace(how);
    }

    /// Cuts every connection and accepts none, or accepts again.
    pub(crate) fn down(&self, down: bool) {
        self.0.down.send_replace(down);
    }
}

/// Host and port of an address.
fn place(url: &str) -> &str {
    let place = url.split_once('@').unwrap().1;
    place.split_once('/').unwrap().0
}

impl Inside {
    async fn carry(self: Arc<Self>, client: TcpStream) {
        let mut severed = self.severed.subscribe();
        let Ok(server) = TcpStream::connect(&self.server).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let (part, mut parted) = watch::channel(Ears::Open);
        let (heard, mut answered) = watch::channel(false);
        let mut pace = self.pace.subscribe();
        let back = async move {
            let mut bytes = [0; 16 * 1024];
            loop {
                let count = tokio::select! {
                    read = from_server.read(&mut bytes) => read.unwrap_or(0),
                    // Dropping its half closes the stream towards the client.
                    _ = parted.wait_for(|ears| *ears == Ears::Gone) => break,
                };
                if count == 0 {
                    return;
                }
                if *pace.borrow() == Pace::Slow {
                    let _ = timeout(SLOW, pace.wait_for(|pace| *pace != Pace::Slow)).await;
                }
                if *parted.borrow() == Ears::Deaf {
                    heard.send_replace(true);
                } else if to_client.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
            drop(to_client);
            while let Ok(1..) = from_server.read(&mut bytes).await {
                heard.send_replace(true);
            }
        };
        let there = async {
            let mut started = false;
            while let Some(message) = message(&mut from_client, started).await {
                started = true;
                self.statements.fetch_add(usize::from(message[0] == b'E'), Ordering::SeqCst);
                if *self.pace.borrow() == Pace::Lost {
                    continue;
                }
                if message == *b"Q\0\0\0\x0bcommit\0" {
                    self.commits.fetch_add(1, Ordering::SeqCst);
                    let cut = self.cuts.lock().pop();
                    match cut {
                        None | Some(Cut::None) => {}
                        Some(Cut::Before) => return,
                        Some(cut @ (Cut::After | Cut::Silent)) => {
                            part.send_replace(Ears::Deaf);
                            to_server.write_all(&message).await.unwrap();
                            answered.wait_for(|answered| *answered).await.unwrap();
                            match cut {
                                Cut::Silent => std::future::pending().await,
                                _ => return,
                            }
                        }
                        Some(Cut::Held) => {
                            part.send_replace(Ears::Gone);
                            let mut release = self.release.subscribe();
                            let how = *release.wait_for(|how| *how != Release::Wait).await.unwrap();
                            if how == Release::Forward {
                                to_server.write_all(&message).await.unwrap();
                                answered.wait_for(|answered| *answered).await.unwrap();
                            }
                            return;
                        }
                    }
                }
                if to_server.write_all(&message).await.is_err() {
                    return;
                }
            }
        };
        let mut down = self.down.subscribe();
        tokio::select! {
            _ = severed.changed() => {}
            () = back => {}
            () = there => {}
            _ = down.wait_for(|down| *down) => {}
        }
    }
}

/// The client's next message; the first one bears no letter.
async fn message(from: &mut (impl tokio::io::AsyncRead + Unpin), started: bool) -> Option<Vec<u8>> {
    let mut head = vec![0; if started { 5 } else { 4 }];
    from.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes(*head.last_chunk()?) as usize;
    let start = head.len();
    head.resize(start + length - 4, 0);
    from.read_exact(&mut head[start..]).await.ok()?;
    Some(head)
}
