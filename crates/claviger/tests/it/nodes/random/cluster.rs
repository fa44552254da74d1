//! A cluster of PostgreSQL beside the one that the tests share, into which a database is restored from a dump.
//!
//! The shared server runs what is needed (`COPY … TO PROGRAM`): its own programs, as its own user, so this works wherever
//! the tests work and the server is on this machine. A cluster goes with its handle's `end`, or else with this process.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio_postgres::{Client, Config, NoTls};

use super::database::{asked, run};

/// The variable that holds the address of the shared server, as its superuser.
const VARIABLE: &str = "CLAVIGER_TEST_POSTGRES";
/// What is enough for tests: nothing outlives them.
const SETTINGS: &str = "unix_socket_directories = ''\nmax_connections = 100\nwal_level = minimal\nmax_wal_senders = 0\n\
    shared_buffers = '64MB'\njit = off\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n";

/// A cluster that runs.
pub(super) struct Cluster {
    /// The superuser's way in, to the database `postgres`.
    config: Config,
    folder: String,
    /// Those of the shared server.
    programs: String,
}

impl Cluster {
    /// The one that the tests share.
    pub(super) fn shared() -> Config {
        let url = std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} is not set"));
        url.parse().unwrap_or_else(|error| panic!("{VARIABLE}: {error}"))
    }

    /// Makes an empty cluster and starts it; its first transactions have the numbers that those of every cluster have.
    pub(super) async fn start() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(20_000);
        let shared = connected(&Self::shared(), "postgres").await;
        let programs = asked(&shared, "select setting from pg_config where name = 'BINDIR'").await.remove(0);
        let data = asked(&shared, "select current_setting('data_directory')").await.remove(0);
        // No outgoing connection takes a port of such a host.
        let (process, port) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let [.., high, low] = process.to_be_bytes();
        let host = Ipv4Addr::new(127, 78, high, low).to_string();
        let folder = format!("{data}-restored-{process}-{port}");
        let mut config = Self::shared();
        let (user, password) = (config.get_user().expect("a user").to_owned(), password(&config));
        config = Config::new();
        config.host(&host).port(port).user(&user).password(&password);
        let cluster = Self { config, folder, programs };
        let Self { folder, programs, .. } = &cluster;
        let initdb = format!(
            "mkdir -m 700 {folder} && exec {programs}/initdb --pgdata={folder}/cluster --username={user} \
             --pwfile=/dev/stdin --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync"
        );
        program_with(&shared, &password, &initdb).await;
        let settings = format!("listen_addresses = '{host}'\nport = {port}\n{SETTINGS}");
        for line in settings.lines() {
            program_with(&shared, line, &format!("cat >> {folder}/cluster/postgresql.conf")).await;
        }
        program_with(&shared, &format!("*:*:*:{user}:{password}"), &format!("umask 077; cat > {folder}/pass")).await;
        program(&shared, &format!("exec {programs}/pg_ctl start --wait --timeout=300 {}", cluster.named())).await;
        // A test that is killed leaves nothing running.
        let guard = format!(
            "setsid sh -c \"while [ -d /proc/{process} ] && [ -d {folder} ]; do sleep 1; done; {}\" \
             < /dev/null > /dev/null 2>&1 &",
            cluster.stop()
        );
        program(&shared, &guard).await;
        cluster
    }

    /// Copies the cluster's files; it stands still meanwhile.
    pub(super) async fn copy(&self) {
        let Self { folder, programs, .. } = self;
        let named = self.named();
        let script = format!(
            "{programs}/pg_ctl stop --wait --mode=fast {named} && cp -a {folder}/cluster {folder}/copy && \
             exec {programs}/pg_ctl start --wait --timeout=300 {named}"
        );
        program(&connected(&Self::shared(), "postgres").await, &script).await;
    }

    /// Has the copy take the cluster's place.
    pub(super) async fn put_back(&self) {
        let Self { folder, programs, .. } = self;
        let named = self.named();
        let script = format!(
            "{programs}/pg_ctl stop --wait --mode=immediate {named} && rm -rf {folder}/cluster && \
             mv {folder}/copy {folder}/cluster && exec {programs}/pg_ctl start --wait --timeout=300 {named}"
        );
        program(&connected(&Self::shared(), "postgres").await, &script).await;
    }

    fn named(&self) -> String {
        format!("--pgdata={}/cluster --log={}/log", self.folder, self.folder)
    }

    fn stop(&self) -> String {
        format!("{}/pg_ctl stop --mode=immediate {}; rm -rf {}", self.programs, self.named(), self.folder)
    }

    /// Dumps a database of the cluster at `from`, with all roles of that cluster, and restores it here.
    pub(super) async fn restore(&self, from: &Config, database: &str) {
        let Self { folder, programs, config } = self;
        let (old, new) = (options(from), options(config));
        let script = format!(
            "exec > {folder}/restored 2>&1; export PGPASSFILE={folder}/pass; \
             {programs}/pg_dumpall {old} --roles-only | {programs}/psql {new} --no-psqlrc --quiet --dbname=postgres; \
             {programs}/pg_dump {old} --format=custom --create --file={folder}/dump {database} && \
             exec {programs}/pg_restore {new} --create --exit-on-error --dbname=postgres {folder}/dump"
        );
        program(&connected(&Self::shared(), "postgres").await, &script).await;
    }

    /// How to reach it.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Stops it and removes it.
    pub(super) async fn end(self) {
        program(&connected(&Self::shared(), "postgres").await, &self.stop()).await;
    }
}

/// Host and port.
pub(super) fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.as_str(),
        _ => panic!("{VARIABLE}: not an address of TCP"),
    };
    format!("{host}:{}", config.get_ports().first().copied().unwrap_or(5432))
}

/// The same for PostgreSQL's programs, with the user.
fn options(config: &Config) -> String {
    let place = place(config);
    let (host, port) = place.rsplit_once(':').expect("a port");
    format!("--host={host} --port={port} --username={}", config.get_user().expect("a user"))
}

fn password(config: &Config) -> String {
    String::from_utf8(config.get_password().unwrap_or_default().to_vec()).expect("text")
}

/// A connection to a database as the superuser.
pub(super) async fn connected(config: &Config, database: &str) -> Client {
    let mut config = config.clone();
    config.dbname(database);
    let (client, driver) =
        config.connect(NoTls).await.unwrap_or_else(|error| panic!("{database} at {}: {error}", place(&config)));
    tokio::spawn(driver);
    client
}

/// Has the server run a program that reads nothing; its own log tells why one fails.
async fn program(server: &Client, script: &str) {
    // The server writes a line all the same, and takes it ill if nobody reads it.
    program_with(server, "", &format!("cat > /dev/null; {script}")).await;
}

/// The same with a line to read.
async fn program_with(server: &Client, line: &str, script: &str) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    run(server, &format!("copy (select {}) to program {}", quoted(line), quoted(script))).await;
}
