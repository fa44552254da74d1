//! Servers and tools that tests need: PostgreSQL, Redis, Chromium, Node and Python.
//!
//! What the machine has is used; what it lacks is unpacked into cargo's target folder from packages, without root.
//! Servers run as an ordinary user on loopback, on a free port. A run's servers end with the run, however it ends: a
//! guard process waits for that (see [`guard`]).

mod chromium;
mod debian;
pub(crate) mod guard;
mod host;
mod postgres;
mod redis;
pub(crate) mod runtimes;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use self::guard::Guard;
use self::runtimes::{Node, Python};
use crate::workspace::Workspace;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Start the servers, prepare the tools, and leave both for `services down`
    Up,
    /// Stop the servers that `services up` started
    Down,
    /// Print the environment of the running servers, for `eval`
    Env,
}

pub(crate) fn run(workspace: &Workspace, action: &Action, unpack: bool) -> Result<()> {
    let kept = kept_record(workspace);
    match action {
        Action::Up => {
            sweep(workspace)?;
            if Record::read(&kept)?.is_none_or(|record| !record.servers.are_up()) {
                Record::start(&kept, None, &workspace.tools(), unpack)?;
            }
            let tools = Tools::find(workspace, unpack)?;
            println!("# Chromium: {}", tools.chromium.display());
            println!("# Node: {}", tools.node.program.display());
            println!("# Python: {}", tools.python.program.display());
            print_environment(&kept)
        }
        Action::Down => stop_kept(&kept),
        Action::Env => print_environment(&kept),
    }
}

fn stop_kept(kept: &Path) -> Result<()> {
    let Some(record) = Record::read(kept)? else {
        println!("No servers are kept.");
        return Ok(());
    };
    record.servers.stop()?;
    std::fs::remove_file(kept).context("the record of the running servers cannot be removed")
}

fn print_environment(kept: &Path) -> Result<()> {
    match Record::read(kept)? {
        Some(record) if record.servers.are_up() => {
            for (name, value) in record.servers.environment() {
                println!("export {name}={value}");
            }
            Ok(())
        }
        _ => bail!("no servers are running; start them with `cargo xtask services up`"),
    }
}

/// The servers of one run. Dropping it stops those that the run itself started.
pub(crate) struct Services {
    servers: Servers,
    guard: Option<Guard>,
}

impl Services {
    /// Starts the servers, or uses those that `services up` has left running.
    pub(crate) fn start(workspace: &Workspace, unpack: bool) -> Result<Self> {
        sweep(workspace)?;
        let own = records(workspace).join(format!("run-{}.json", std::process::id()));
        let guard = Guard::spawn(&own)?;
        if let Some(record) = Record::read(&kept_record(workspace))?
            && record.servers.are_up()
        {
            let Servers { postgres, redis } = &record.servers;
            println!("PostgreSQL and Redis of `services up` on the ports {} and {}", postgres.port, redis.port);
            return Ok(Self { servers: record.servers, guard: Some(guard) });
        }
        let servers = Record::start(&own, Some(std::process::id()), &workspace.tools(), unpack)?;
        println!("PostgreSQL on port {}, from {}", servers.postgres.port, servers.postgres.programs.display());
        println!("Redis on port {}, from {}", servers.redis.port, servers.redis.program.display());
        Ok(Self { servers, guard: Some(guard) })
    }

    /// Starts servers of this run alone, PostgreSQL on a disk and syncing every commit: for measurements.
    pub(crate) fn start_durable(workspace: &Workspace, unpack: bool) -> Result<Self> {
        sweep(workspace)?;
        let own = records(workspace).join(format!("run-{}.json", std::process::id()));
        let guard = Guard::spawn(&own)?;
        let postgres = postgres::Server::prepare_durable(&workspace.tools(), unpack)?;
        let servers = Record::start_with(&own, Some(std::process::id()), postgres, &workspace.tools(), unpack)?;
        Ok(Self { servers, guard: Some(guard) })
    }

    /// The superuser's address of the test cluster.
    pub(crate) fn postgres_url(&self) -> String {
        self.servers.postgres.url()
    }

    /// Where tests find the servers.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        self.servers.environment()
    }

    /// Has a process group ended with this run, should the run be killed before it ends the group itself.
    pub(crate) fn watch(&mut self, group: u32) -> Result<()> {
        self.guard.as_mut().map_or(Ok(()), |guard| guard.watch(group))
    }

    /// Stops the servers that this run started and waits until they are gone.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.guard.take().map_or(Ok(()), Guard::finish)
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.guard.take().map(Guard::finish) {
            eprintln!("warning: {error:#}");
        }
    }
}

/// What end-to-end cases run on.
pub(crate) struct Tools {
    pub(crate) chromium: PathBuf,
    pub(crate) node: Node,
    pub(crate) python: Python,
}

impl Tools {
    pub(crate) fn find(workspace: &Workspace, unpack: bool) -> Result<Self> {
        let tools = workspace.tools();
        let python = Python::find(&tools, unpack)?;
        Ok(Self { chromium: chromium::find(&tools, unpack)?, node: Node::find(workspace, &python, unpack)?, python })
    }
}

/// What must be stopped, written down so that another process can do it.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The run that the servers belong to; none for those of `services up`.
    owner: Option<u32>,
    #[serde(flatten)]
    servers: Servers,
}

#[derive(Clone, Serialize, Deserialize)]
struct Servers {
    postgres: postgres::Server,
    redis: redis::Server,
}

impl Servers {
    fn are_up(&self) -> bool {
        self.postgres.is_up() && self.redis.is_up()
    }

    fn stop(&self) -> Result<()> {
        self.redis.stop()?;
        self.postgres.stop()
    }

    fn environment(&self) -> [(&'static str, String); 2] {
        [("CLAVIGER_TEST_POSTGRES", self.postgres.url()), ("CLAVIGER_TEST_REDIS", self.redis.url())]
    }
}

impl Record {
    /// Starts new servers, which the record at `path` names before they run.
    fn start(path: &Path, owner: Option<u32>, tools: &Path, unpack: bool) -> Result<Servers> {
        Self::start_with(path, owner, postgres::Server::prepare(tools, unpack)?, tools, unpack)
    }

    fn start_with(
        path: &Path,
        owner: Option<u32>,
        postgres: postgres::Server,
        tools: &Path,
        unpack: bool,
    ) -> Result<Servers> {
        let servers = Servers { postgres, redis: redis::Server::prepare(tools, unpack)? };
        Self { owner, servers: servers.clone() }.write(path)?;
        servers.postgres.start()?;
        servers.redis.start()?;
        Ok(servers)
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_slice(&text).map(Some).with_context(|| format!("{} is damaged; remove it", path.display()))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().context("a record lies in a folder")?;
        std::fs::create_dir_all(folder)
            .and_then(|()| host::write_private(path, &serde_json::to_vec_pretty(self)?))
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

fn records(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("running")
}

fn kept_record(workspace: &Workspace) -> PathBuf {
    records(workspace).join("kept.json")
}

/// Stops what runs have left behind that were killed together with their guard.
fn sweep(workspace: &Workspace) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(records(workspace)) else { return Ok(()) };
    for entry in entries {
        let path = entry.context("the folder of running servers cannot be read")?.path();
        let Some(record) = Record::read(&path)? else { continue };
        if record.owner.is_some_and(|owner| !is_xtask(owner)) {
            println!("stopping what run {} left behind", record.owner.unwrap_or_default());
            record.servers.stop()?;
            std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
    }
    Ok(())
}

/// Whether that process lives and is one of ours: process numbers are used again.
fn is_xtask(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim_end() == "xtask")
}
