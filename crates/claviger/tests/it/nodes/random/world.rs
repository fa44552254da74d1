//! The nodes as clients see them: who does not get an answer asks the next, with the same request, until there is one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claviger_crypto::base64url;
use claviger_storage::scratch::{Link, ScratchRedis, Way};
use parking_lot::Mutex;
use tokio::sync::{Notify, RwLock};
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, Config};

use super::cluster::{Cluster, connected};
use super::database::asked;
use crate::it::nodes::cluster::Nodes;
use crate::it::nodes::wire::Answer;

pub(super) const NODES: usize = 3;
/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it goes on asking: less than the window in which a refresh may be repeated (60 s).
pub(super) const PERSISTENCE: Duration = Duration::from_secs(45);
/// The pause of a client that no node could serve.
const BREATH: Duration = Duration::from_millis(50);
/// From here on every node refuses what has been revoked.
pub(super) const EVERYWHERE: Duration = Duration::from_secs(1);
/// How much of what happened last a failure tells.
const TOLD: usize = 60;

/// The nodes, and what is wrong with them.
pub(super) struct World {
    pub(super) nodes: Nodes,
    pub(super) redis: ScratchRedis,
    /// The way of all nodes to it.
    pub(super) to_redis: Link,
    /// From when on each node must know what was revoked a second before; nothing while it is cut off.
    well: Mutex<[Option<Instant>; NODES]>,
    /// Since when a node has been cut off.
    parted: Mutex<[Option<Instant>; NODES]>,
    /// A foreign transaction.
    pub(super) held: Mutex<Option<Client>>,
    /// The database's name, in each cluster.
    pub(super) database: String,
    /// Where it is; nothing as long as that is the cluster of all tests.
    pub(super) home: Mutex<Option<Cluster>>,
    /// Held exclusively while the database moves elsewhere.
    pub(super) moving: RwLock<()>,
    journal: Mutex<VecDeque<String>>,
    sent: AtomicUsize,
    progress: Notify,
}

/// An answer, and how it came.
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// Who gave it.
    pub(super) node: usize,
    /// Whether the request was sent once only: then this answer tells of its effect.
    pub(super) first: bool,
}

impl World {
    pub(super) async fn new(nodes: Nodes, redis: ScratchRedis, to_redis: Link) -> Self {
        let owner = nodes.scratch().database().expect("PostgreSQL").owner().await.expect("the cluster answers");
        let database = asked(&owner, "select current_database()").await.remove(0);
        Self {
            database,
            home: Mutex::default(),
            nodes,
            redis,
            to_redis,
            well: Mutex::new([Some(Instant::now()); NODES]),
            parted: Mutex::default(),
            held: Mutex::default(),
            moving: RwLock::default(),
            journal: Mutex::default(),
            sent: AtomicUsize::new(0),
            progress: Notify::new(),
        }
    }

    /// Sends a request to node after node until one of them answers with something else than 503.
    pub(super) async fn insist(
        &self,
        first: usize,
        what: &str,
        mut send: impl AsyncFnMut(usize) -> Option<Answer>,
    ) -> Reply {
        let start = Instant::now();
        for attempt in 0.. {
            let node = (first + attempt) % NODES;
            if let Some(answer) = self.once(send(node)).await {
                assert!(answer.status < 500 || answer.is_busy(), "{what}: node {node} answers {answer:?}");
                if answer.status < 500 {
                    self.note(format!("{what}: node {node} answers {} {:?}", answer.status, answer.code()));
                    return Reply { answer, node, first: attempt == 0 };
                }
            }
            assert!(start.elapsed() < PERSISTENCE, "{what}: nobody answers");
            if attempt % NODES == NODES - 1 {
                breathe().await;
            }
        }
        unreachable!("attempts have no end")
    }

    /// One request; nothing if there is no answer in time.
    pub(super) async fn once<T>(&self, request: impl Future<Output = Option<T>>) -> Option<T> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.progress.notify_waiters();
        timeout(PATIENCE, request).await.ok().flatten()
    }

    /// Waits until so many more requests have been sent.
    pub(super) async fn after_requests(&self, count: usize) {
        let until = self.sent.load(Ordering::Relaxed) + count;
        loop {
            let next = self.progress.notified();
            if self.sent.load(Ordering::Relaxed) >= until {
                return;
            }
            next.await;
        }
    }

    /// Takes note of what has happened, should the run fail.
    pub(super) fn note(&self, what: String) {
        let mut journal = self.journal.lock();
        if journal.len() == TOLD {
            journal.pop_front();
        }
        journal.push_back(what);
    }

    /// What has happened last.
    pub(super) fn journal(&self) -> String {
        self.journal.lock().iter().fold(String::new(), |text, line| text + "  " + line + "\n")
    }

    /// Since when a node owes knowledge of everything; nothing while it is cut off.
    pub(super) fn well(&self, node: usize) -> Option<Instant> {
        self.well.lock()[node]
    }

    /// Makes a node's way to the database a bad one.
    pub(super) fn part(&self, node: usize, way: Way) {
        self.well.lock()[node] = None;
        self.parted.lock()[node] = Some(Instant::now());
        self.nodes.link(node).set(way);
    }

    /// Opens it again, and waits until the node has found it (after a while it tries every few seconds) and has followed
    /// the log: only then does it call a token bad whose key it does not know.
    pub(super) async fn heal(&self, node: usize) {
        self.nodes.link(node).set(Way::Open);
        let strange = format!("{}.e30.AAAA", base64url(br#"{"alg":"ES256","typ":"at+jwt","kid":"nobody's"}"#));
        let start = Instant::now();
        while self.once(self.nodes.userinfo(node, &strange)).await.is_none_or(|answer| answer.status != 401) {
            assert!(start.elapsed() < PERSISTENCE, "node {node} does not find the database");
            breathe().await;
        }
        self.note(format!("node {node} has its way to the database again"));
        self.parted.lock()[node] = None;
        self.well.lock()[node] = Some(Instant::now());
    }

    /// For how long a node has had no way to the database.
    pub(super) fn cut_off_for(&self, node: usize) -> Option<Duration> {
        self.parted.lock()[node].map(|since| since.elapsed())
    }

    /// Where the database is.
    pub(super) fn home(&self) -> Config {
        self.home.lock().as_ref().map_or_else(Cluster::shared, |cluster| cluster.config().clone())
    }

    /// Ends the cluster, if it is a restored one.
    pub(super) async fn end(&self) {
        let cluster = self.home.lock().take();
        if let Some(cluster) = cluster {
            cluster.end().await;
        }
    }

    /// A connection as the superuser of the cluster.
    pub(super) async fn owner(&self) -> Client {
        connected(&self.home(), &self.database).await
    }
}

/// What a client does that nobody could serve, and a transaction that takes its time.
pub(super) async fn breathe() {
    pass(BREATH).await;
}

/// Lets time pass.
#[allow(
    clippy::disallowed_methods,
    reason = "who is told to come back later does so; nothing is expected to have happened"
)]
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
