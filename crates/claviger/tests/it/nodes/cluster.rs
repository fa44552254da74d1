//! Several processes of the binary on one PostgreSQL database, each by a way to the database of its own.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use claviger_storage::scratch::{self, Engine, Link, Scratch};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::wire::{Answer, Ask, HOST};
use crate::it::process::{claviger, free_address};

/// How long a node may take to say that it is ready, on a machine that has much else to do.
const START: Duration = Duration::from_mins(1);
/// 32 bytes of zero.
const MASTER_KEY: &str = "cvmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Nodes that share a database, a master key and a public address, and nothing else.
pub(crate) struct Nodes {
    all: Vec<Node>,
    settings: Vec<(String, String)>,
    scratch: Scratch,
}

struct Node {
    folder: TempDir,
    address: SocketAddr,
    link: Link,
    own: Vec<(&'static str, &'static str)>,
    process: Mutex<Option<Process>>,
}

struct Process {
    child: Child,
    internal: SocketAddr,
}

impl Nodes {
    /// Starts `count` nodes at once on an empty database.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, &[]).await
    }

    /// The same with environment variables beside the usual ones.
    pub(crate) async fn start_with(count: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_each(settings, &vec![[]; count]).await
    }

    /// The same with variables that one node alone has: one entry of `own` for each node.
    pub(crate) async fn start_each<O>(settings: &[(&str, &str)], own: &[O]) -> Self
    where
        O: AsRef<[(&'static str, &'static str)]>,
    {
        let scratch = scratch::store(Engine::Postgres).await;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut nodes = Self { all: Vec::new(), settings, scratch };
        for own in own {
            let node = nodes.add().await;
            nodes.all[node].own = own.as_ref().to_vec();
        }
        join_all((0..own.len()).map(|node| nodes.restart(node))).await;
        nodes
    }

    /// Makes room for a further node, and gives its number; [`Nodes::restart`] starts it.
    pub(crate) async fn add(&mut self) -> usize {
        let options = self.scratch.database().expect("a database").options();
        self.all.push(Node {
            folder: tempfile::tempdir().expect("a data folder"),
            address: free_address(),
            link: Link::to(&options).await,
            own: Vec::new(),
            process: Mutex::new(None),
        });
        self.all.len() - 1
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The way between a node and the database.
    pub(crate) fn link(&self, node: usize) -> &Link {
        &self.all[node].link
    }

    /// The database, for what a test does or counts behind the nodes' backs.
    pub(crate) const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Starts a node that does not run, and waits until it says that it is ready.
    pub(crate) async fn restart(&self, node: usize) {
        let mut starts = 1;
        let process = loop {
            if let Some(process) = self.begin(node).ready().await {
                break process;
            }
            // On a machine that has much else to do the database may answer too late for a start, which then is tried again.
            let log = self.log(node);
            let late = log.lines().next_back().is_some_and(|line| line.starts_with("claviger: unavailable: "));
            assert!(late && starts < 10, "node {node}, start {starts}: {log}");
            starts += 1;
        };
        *self.all[node].process.lock() = Some(process);
    }

    fn begin(&self, node: usize) -> Starting {
        let Node { folder, address, link, own, .. } = &self.all[node];
        let options = link.through(&self.scratch.database().expect("a database").options());
        let read_url = options.read_url.as_ref().expect("the reader's address");
        let log = OpenOptions::new().create(true).append(true).open(folder.path().join("log")).expect("a log");
        let mut command = claviger(folder.path());
        command
            .args(["serve", "--data", "data", "--json", "--listen", &address.to_string()])
            .env("CLAVIGER_PUBLIC_URL", format!("https://{HOST}"))
            .env("CLAVIGER_DATABASE__URL", options.url.expose())
            .env("CLAVIGER_DATABASE__READ_URL", read_url.expose())
            .env("CLAVIGER_DATABASE__READERS", "2")
            .env("CLAVIGER_KEYS__MASTER_KEY", MASTER_KEY)
            .env("CLAVIGER_PROXIES__TRUSTED", "127.0.0.0/8")
            .env("CLAVIGER_LOG__LEVEL", "warn")
            .envs(self.settings.iter().cloned())
            .envs(own.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log);
        Starting(Command::from(command).kill_on_drop(true).spawn().expect("the binary runs"))
    }

    /// Ends a node at once (`SIGKILL`), and waits until it has ended.
    pub(crate) async fn kill(&self, node: usize) {
        let process = self.all[node].process.lock().take();
        process.expect("the node runs").child.kill().await.expect("the process lives");
    }

    /// Ends every node at once and starts all of them anew.
    pub(crate) async fn restart_all(&self) {
        join_all((0..self.count()).map(|node| self.kill(node))).await;
        join_all((0..self.count()).map(|node| self.restart(node))).await;
    }

    /// What a node has written to its log.
    pub(crate) fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.all[node].folder.path().join("log")).unwrap_or_default()
    }

    /// Sends a request to a node; nothing if it does not answer.
    pub(crate) async fn ask(&self, node: usize, ask: Ask) -> Option<Answer> {
        ask.of(self.all[node].address).await
    }

    /// GET.
    pub(crate) async fn get(&self, node: usize, path: &str) -> Option<Answer> {
        self.ask(node, Ask::get(path)).await
    }

    /// Whether a node wants requests: 200 or 503 of `/readyz`, on the internal listener.
    pub(crate) async fn readiness(&self, node: usize) -> Option<Answer> {
        let internal = self.all[node].process.lock().as_ref()?.internal;
        Ask::get("/readyz").of(internal).await
    }

    /// Asks a node over its operator's socket; nothing if it does not answer.
    pub(crate) async fn operator(&self, node: usize, ask: Ask) -> Option<Answer> {
        ask.of_socket(&self.socket(node)).await
    }

    /// The same where the answer is a success with a JSON body or none.
    pub(crate) async fn command(&self, node: usize, ask: Ask) -> Value {
        let answer = self.operator(node, ask).await.expect("the node answers its operator");
        assert!((200..300).contains(&answer.status), "{answer:?}");
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    fn socket(&self, node: usize) -> PathBuf {
        self.all[node].folder.path().join("data/operator.sock")
    }
}

impl Drop for Nodes {
    #[allow(clippy::print_stdout, reason = "a test that failed shows what the nodes have logged")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in 0..self.count() {
                println!("node {node}: {}", self.log(node));
            }
        }
    }
}

/// A process that has not yet said that it is ready.
struct Starting(Child);

impl Starting {
    /// Waits for the ready line; nothing if the process ends instead, or takes too long.
    async fn ready(mut self) -> Option<Process> {
        let mut line = String::new();
        let mut output = BufReader::new(self.0.stdout.as_mut().expect("piped"));
        timeout(START, output.read_line(&mut line)).await.ok()?.ok()?;
        let line: Value = serde_json::from_str(&line).ok()?;
        let internal = line["internal_url"].as_str()?.strip_prefix("http://")?.parse().ok()?;
        Some(Process { child: self.0, internal })
    }
}

/// Asks again and again until `fact` holds, and gives how long that took.
pub(crate) async fn until(within: Duration, what: &str, mut fact: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !fact().await {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        tokio::task::yield_now().await;
    }
    start.elapsed()
}
