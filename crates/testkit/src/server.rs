//! A whole server in the process of the test.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::num::NonZero;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger::config::{self, Flag, Settings};
use claviger::{Ambient, Server, Services};
use claviger_authenticators::password::{HashParameters, HashSettings};
use claviger_http::base::{Route, Shutdown, serve};
use claviger_kernel::{ManualClock, SeededEntropy, SystemReason, Timestamp};
use claviger_notify::Inbox;
use claviger_storage::Store;
use claviger_storage::scratch::{self, Engine, Link, Scratch, ScratchRedis};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::keys::PooledKeys;
use crate::{Browser, Client, Raw, Wire};

/// The public address of a test server, unless a test names another.
pub const PUBLIC_URL: &str = "https://id.test";

/// How a test server differs from an ordinary one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: Vec<(&'static str, String)>,
    slow_hashes: bool,
    by_link: bool,
    redis_within: Option<Duration>,
}

impl Options {
    /// Sets a setting by its key, as in the configuration file.
    #[must_use]
    pub fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.push((key, value.to_owned()));
        self
    }

    /// Hashes passwords as hard as a real server does, one at a time, with two in line.
    #[must_use]
    pub const fn slow_hashes(mut self) -> Self {
        self.slow_hashes = true;
        self
    }

    /// Reaches its database by a way that the test can cut: [`TestServer::link`]. For PostgreSQL alone.
    #[must_use]
    pub const fn by_link(mut self) -> Self {
        self.by_link = true;
        self
    }

    /// Waits no longer than `span` for an answer of Redis: for one that will not give any. Otherwise the server waits for
    /// as long as a busy machine may take.
    #[must_use]
    pub const fn redis_within(mut self, span: Duration) -> Self {
        self.redis_within = Some(span);
        self
    }

    fn hashing(&self) -> HashSettings {
        if !self.slow_hashes {
            return HashSettings { parameters: HashParameters::insecure_for_tests(), ..HashSettings::default() };
        }
        let one = NonZero::<usize>::MIN;
        HashSettings { workers: one, queue: one.saturating_add(1), ..HashSettings::default() }
    }

    fn settings(self, data: &std::path::Path) -> Settings {
        let data = ("data", data.display().to_string());
        let given = [("public_url", PUBLIC_URL.to_owned()), data].into_iter().chain(self.settings);
        let flags = given.map(|(key, value)| Flag { name: key, key, value });
        config::load(None, [], flags).expect("the settings of the test")
    }
}

/// A server of one test: its own store, its own data folder, a clock that stands still.
pub struct TestServer {
    server: Arc<Server>,
    scratch: Scratch,
    link: Option<Link>,
    inbox: Inbox,
    address: SocketAddr,
    shutdown: Shutdown,
    listening: JoinHandle<()>,
    _data: tempfile::TempDir,
}

/// A store of the server's own, on the database of `scratch` and by a way that can be cut.
async fn linked(scratch: &Scratch) -> (Store, Link) {
    let options = scratch.database().expect("a link leads to PostgreSQL").options();
    let link = Link::to(&options).await;
    (scratch.by_way_of(link.through(&options)).await, link)
}

mod sql {
    claviger_storage::statements! {
        /// Counts what lasts. Short-lived state (the flow of a visitor, say) does not.
        pub(super) DURABLE: shared("a test looks at everything") "select (select count(*) from audit_events) \
            + (select count(*) from change_log) + (select count(*) from jobs) + (select count(*) from users) \
            + (select count(*) from attempts) + (select count(*) from sessions) + (select count(*) from grants) \
            + (select count(*) from authorization_codes) + (select count(*) from outbox)";
    }
}

static SEED: AtomicU64 = AtomicU64::new(1);

impl TestServer {
    /// Starts a server on a fresh store of `engine`.
    ///
    /// # Panics
    /// If it does not start; the text says why.
    pub async fn start(engine: Engine, options: Options) -> Self {
        let scratch = scratch::store(engine).await;
        let data = tempfile::tempdir().expect("a data folder");
        let hashing = options.hashing();
        let redis_patience = ScratchRedis::patience(options.redis_within.unwrap_or(scratch::LONG));
        let (store, link) = if options.by_link {
            let (store, link) = linked(&scratch).await;
            (store, Some(link))
        } else {
            (scratch.store.clone(), None)
        };
        let settings = options.settings(data.path());
        let public_url = settings.public_url.as_deref().expect("a public address").parse().expect("a public address");
        let inbox = Inbox::new();
        let ambient = Ambient {
            clock: scratch.clock(),
            entropy: Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed))),
            key_source: Arc::new(PooledKeys::default()),
            hashing,
            redis_patience,
            transport: Arc::new(inbox.clone()),
        };
        let assembled = Server::assemble(&settings, public_url, store, ambient).await;
        let server = Arc::new(assembled.unwrap_or_else(|error| panic!("the server does not start: {error:#}")));
        let main = server.services.tenancy.main().expect("the realm main");
        let keys = server.services.system(main.id, SystemReason::KEY_ROTATION);
        server.services.keys.tick(&keys).await.expect("the keys that are made after the start");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shutdown = Shutdown::new();
        let listening = tokio::spawn(serve(vec![listener.into()], Arc::clone(&server.public), shutdown.clone()));
        Self { server, scratch, link, inbox, address, shutdown, listening, _data: data }
    }

    /// Every message that was delivered. Nothing is delivered before [`TestServer::deliver`].
    pub const fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Delivers what waits in the outbox of the realm called `realm`.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn deliver(&self, realm: &str) {
        let services = self.services();
        let realm = services.tenancy.by_name(realm).expect("a realm of this name");
        let cx = services.system(realm.id, SystemReason::DELIVERY);
        services.notifier.deliver(&cx).await.expect("messages are delivered");
    }

    /// Does what a node does every few seconds: looks at the change log, and tells that it lives.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn beat(&self) {
        let Services { store, nodes, .. } = self.services();
        store.catch_up().await.expect("the change log is read");
        nodes.beat(Timestamp::default()).await.expect("the node tells that it lives");
    }

    /// Sets the clock to the database's time.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn set_clock_right(&self) {
        self.beat().await;
        let seen = claviger_storage::nodes::live(&self.services().store).await.expect("the nodes are listed");
        self.clock().set(seen[0].seen_at);
        self.beat().await;
    }

    /// The clock, moved by hand.
    pub const fn clock(&self) -> &ManualClock {
        &self.scratch.clock
    }

    /// What the server's use cases stand on.
    pub fn services(&self) -> &Services {
        &self.server.services
    }

    /// The server as assembled.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The store and what a test may do behind the server's back.
    pub const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The way to the database, of a server started with [`Options::by_link`].
    ///
    /// # Panics
    /// For any other server.
    pub const fn link(&self) -> &Link {
        self.link.as_ref().expect("the server was started with by_link")
    }

    /// Every public route, as declared.
    pub fn routes(&self) -> &[Route] {
        &self.server.routes
    }

    /// Where the public listener is bound.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client over the listener.
    pub fn client(&self) -> Client {
        Client::new(Wire::Socket(self.address), self.public_url())
    }

    /// A client that seems to come from `peer`.
    pub fn client_at(&self, peer: IpAddr) -> Client {
        let wire = Wire::Direct(Arc::clone(&self.server.public), SocketAddr::new(peer, 40_000));
        Client::new(wire, self.public_url())
    }

    /// A client of the internal routes.
    pub fn internal(&self) -> Client {
        let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);
        Client::new(Wire::Direct(Arc::clone(&self.server.internal), peer), self.public_url())
    }

    /// A client of the operator's socket: its caller holds every permission.
    pub fn operator(&self) -> Client {
        let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Client::new(Wire::Direct(Arc::clone(&self.server.operator), peer), "http://localhost".to_owned())
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(self.client(), self.clock().clone())
    }

    /// A browser that seems to sit at `peer`.
    pub fn browser_at(&self, peer: IpAddr) -> Browser {
        Browser::new(self.client_at(peer), self.clock().clone())
    }

    /// A connection of which the test writes every byte.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// How many rows there are that last. A request that leaves the number as it was has made nothing.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn durable_rows(&self) -> i64 {
        let Some(database) = self.scratch.database() else {
            let read = |row: &claviger_storage::Row<'_>| row.get::<i64>(0);
            let counted = self.scratch.store.get(&sql::DURABLE, Vec::new(), read).await;
            return counted.expect("the store answers").expect("a count");
        };
        // The server's own roles may not look at everything.
        let owner = database.owner().await.expect("the owner connects");
        owner.query_one(sql::DURABLE.text, &[]).await.expect("the database answers").get(0)
    }

    /// Everything that the store keeps, as whoever steals it would get it: the bytes of the files, or every row as text.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn stolen(&self) -> Vec<u8> {
        if let Some(file) = self.scratch.file() {
            let beside = ["", "-wal"].map(|suffix| format!("{}{suffix}", file.display()));
            return beside.into_iter().flat_map(|path| std::fs::read(path).unwrap_or_default()).collect();
        }
        let database = self.scratch.database().expect("a store is a file or a database");
        let owner = database.owner().await.expect("the owner connects");
        let tables = "select quote_ident(tablename) from pg_tables where schemaname = 'public'";
        let mut all = String::new();
        for table in owner.query(tables, &[]).await.expect("the database answers") {
            let rows = format!("select coalesce(string_agg(t::text, ' '), '') from {} t", table.get::<_, String>(0));
            let row = owner.query_one(&rows, &[]).await.expect("the database answers");
            all.push_str(&row.get::<_, String>(0));
        }
        all.into_bytes()
    }

    /// Tells the listener to drain, and completes when it has.
    ///
    /// # Panics
    /// If the listener has panicked.
    pub async fn stop(self) {
        self.server.drain();
        self.shutdown.begin();
        self.listening.await.expect("the listener ends in order");
    }

    fn public_url(&self) -> String {
        self.server.services.tenancy.public_url().to_string()
    }
}
