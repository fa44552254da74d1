//! A throw-away PostgreSQL cluster on loopback.
//!
//! Its data lie on a memory file system where there is one and it syncs nothing, so it is fit for tests only. PostgreSQL
//! refuses to run as root; started by root, it runs as `nobody`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{debian, host};
use crate::command;

const OLDEST: u32 = 14;
/// What a cluster with the databases of a whole run may take.
const ROOM: u64 = 2 << 30;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
wal_level = minimal
max_wal_senders = 0
jit = off
timezone = 'GMT'
log_timezone = 'GMT'
";
/// What tests need: nothing outlives them.
const FAST: &str = "
shared_buffers = '128MB'
fsync = off
synchronous_commit = off
full_page_writes = off
";
/// What a measurement needs: every commit is on the disk.
const DURABLE: &str = "
shared_buffers = '1GB'
max_wal_size = '4GB'
";

/// A cluster, running or not. Everything that is needed to reach and to stop it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Server {
    /// The folder with `initdb`, `pg_ctl` and `postgres`.
    pub(super) programs: PathBuf,
    /// Folders with unpacked libraries; empty when the machine's own PostgreSQL is used.
    libraries: Vec<PathBuf>,
    /// The folder that holds the cluster and nothing else.
    home: PathBuf,
    pub(super) port: u16,
    password: String,
    /// The ordinary user to run as, when this is run by root.
    user: Option<host::User>,
}

impl Server {
    /// Makes a new, empty cluster. Nothing runs yet.
    pub(super) fn prepare(tools: &Path, unpack: bool) -> Result<Self> {
        Self::make(tools, unpack, host::home("postgres", ROOM)?, FAST)
    }

    /// The same on a disk, syncing every commit: for measurements.
    pub(super) fn prepare_durable(tools: &Path, unpack: bool) -> Result<Self> {
        Self::make(tools, unpack, host::home_on_disk("postgres")?, DURABLE)
    }

    fn make(tools: &Path, unpack: bool, home: PathBuf, settings: &str) -> Result<Self> {
        let (programs, libraries) = programs(tools, unpack)?;
        let user = host::ordinary_user()?;
        let (port, password) = (host::free_port()?, host::password()?);
        let mut server = Self { programs, libraries, home, port, password, user };
        server.take_within_reach()?;
        server.initialise(settings).inspect_err(|_| drop(fs::remove_dir_all(&server.home)))?;
        Ok(server)
    }

    fn initialise(&self, settings: &str) -> Result<()> {
        let secret = self.home.join("password");
        host::write_private(&secret, self.password.as_bytes()).context("the cluster's password cannot be written")?;
        host::hand_over(&[&self.home, &secret], self.user)?;
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(self.cluster()).arg("--pwfile").arg(&secret);
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command::output(&mut initdb)?;
        let settings = format!("{SETTINGS}{settings}port = {}\n", self.port);
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.cluster().join("postgresql.conf"))
            .context("the cluster's settings cannot be opened")?;
        file.write_all(settings.as_bytes()).context("the cluster's settings cannot be written")
    }

    /// Starts the server and waits until it answers.
    pub(super) fn start(&self) -> Result<()> {
        let mut start = self.control("start");
        start.arg("--log").arg(self.log()).args(["--timeout=60"]);
        command::output(&mut start).with_context(|| {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            format!("PostgreSQL did not start; its log says:\n{}", log.trim_end())
        })?;
        Ok(())
    }

    /// Stops the server, waits until it is gone, and removes the cluster.
    pub(super) fn stop(&self) -> Result<()> {
        if self.cluster().join("postmaster.pid").exists() && !command::succeeds(&mut self.control("stop")) {
            ensure!(!self.is_up(), "PostgreSQL on port {} does not stop", self.port);
        }
        host::remove(&self.home)
    }

    pub(super) fn is_up(&self) -> bool {
        command::succeeds(&mut self.control("status"))
    }

    /// The superuser's address.
    pub(super) fn url(&self) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    fn cluster(&self) -> PathBuf {
        self.home.join("cluster")
    }

    fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    fn control(&self, action: &str) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg(action).arg("--pgdata").arg(self.cluster());
        if action != "status" {
            control.arg("--wait");
        }
        if action == "stop" {
            control.args(["--mode=immediate"]);
        }
        control
    }

    /// One of PostgreSQL's programs, as the ordinary user, with an environment of its own.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        host::program(&path, &self.libraries, self.user)
    }

    /// A work tree that only root may enter hides unpacked programs from the ordinary user; they are copied then.
    fn take_within_reach(&mut self) -> Result<()> {
        if self.user.is_none() || command::succeeds(self.program("postgres").arg("--version")) {
            return Ok(());
        }
        let unpacked =
            self.programs.ancestors().nth(5).context("PostgreSQL lies in usr/lib/postgresql/N/bin")?.to_owned();
        let folders = self.libraries.iter_mut().chain(std::iter::once(&mut self.programs));
        host::copy_within_reach(&unpacked, &self.home, folders)
    }
}

/// The newest PostgreSQL of the machine that is new enough, or else the unpacked one.
fn programs(tools: &Path, unpack: bool) -> Result<(PathBuf, Vec<PathBuf>)> {
    if !unpack && let Some(found) = newest(Path::new("/usr/lib/postgresql")).or_else(programs_on_path) {
        return Ok((found, Vec::new()));
    }
    let root = debian::unpacked(tools, "postgresql", &["postgresql-15"], unpack)?;
    let found = newest(&root.join("usr/lib/postgresql")).context("the packages hold no PostgreSQL")?;
    Ok((found, debian::libraries(&root)?))
}

fn newest(versions: &Path) -> Option<PathBuf> {
    let numbers = fs::read_dir(versions).ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut numbers: Vec<u32> = numbers.filter(|number| *number >= OLDEST).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut folders = numbers.into_iter().map(|number| versions.join(number.to_string()).join("bin"));
    folders.find(|folder| is_complete(folder))
}

fn programs_on_path() -> Option<PathBuf> {
    let folder = command::on_path("initdb")?.canonicalize().ok()?.parent()?.to_owned();
    is_complete(&folder).then_some(folder)
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}
