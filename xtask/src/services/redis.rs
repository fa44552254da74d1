//! A throw-away Redis on loopback.
//!
//! It keeps nothing on disk. It has many databases, of which each test takes one of its own. Started by root, it runs as
//! `nobody`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{debian, host};
use crate::command;

/// What its log may take.
const ROOM: u64 = 64 << 20;
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A server, running or not. Everything that is needed to reach and to stop it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) program: PathBuf,
    /// Folders with unpacked libraries; empty when the machine's own Redis is used.
    libraries: Vec<PathBuf>,
    home: PathBuf,
    pub(super) port: u16,
    password: String,
    user: Option<host::User>,
}

impl Server {
    /// Makes the folder of a new server. Nothing runs yet.
    pub(super) fn prepare(tools: &Path, unpack: bool) -> Result<Self> {
        let (program, libraries) = program(tools, unpack)?;
        let user = host::ordinary_user()?;
        let home = host::home("redis", ROOM)?;
        let (port, password) = (host::free_port()?, host::password()?);
        let mut server = Self { program, libraries, home, port, password, user };
        server.initialise().inspect_err(|_| drop(fs::remove_dir_all(&server.home)))?;
        Ok(server)
    }

    fn initialise(&mut self) -> Result<()> {
        let settings = format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\ndir {home}\nlogfile {home}/log\npidfile {home}/pid\ndaemonize yes\n\
             databases 16384\nsave \"\"\nappendonly no\n",
            self.port,
            self.password,
            home = self.home.display()
        );
        host::write_private(&self.settings(), settings.as_bytes())
            .context("the settings of Redis cannot be written")?;
        host::hand_over(&[&self.home, &self.settings()], self.user)?;
        let mut version = host::program(&self.program, &self.libraries, self.user);
        if self.user.is_none() || command::succeeds(version.arg("--version")) {
            return Ok(());
        }
        let unpacked = self.program.ancestors().nth(3).context("Redis lies in usr/bin")?.to_owned();
        let folders = self.libraries.iter_mut().chain(std::iter::once(&mut self.program));
        host::copy_within_reach(&unpacked, &self.home, folders)
    }

    /// Starts the server and waits until it answers.
    pub(super) fn start(&self) -> Result<()> {
        command::output(host::program(&self.program, &self.libraries, self.user).arg(self.settings()))?;
        let said = || fs::read_to_string(self.home.join("log")).unwrap_or_default();
        ensure!(until(|| self.is_up()), "Redis did not start; its log says:\n{}", said().trim_end());
        Ok(())
    }

    /// Stops the server, waits until it is gone, and removes its folder.
    pub(super) fn stop(&self) -> Result<()> {
        // It answers nothing when it goes.
        let _ = self.ask("SHUTDOWN NOSAVE");
        ensure!(until(|| !self.is_up()), "Redis on port {} does not stop", self.port);
        host::remove(&self.home)
    }

    pub(super) fn is_up(&self) -> bool {
        self.ask("PING").is_ok_and(|answer| answer.ends_with("+PONG\r\n"))
    }

    pub(super) fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
    }

    fn settings(&self) -> PathBuf {
        self.home.join("redis.conf")
    }

    fn ask(&self, question: &str) -> std::io::Result<String> {
        let place = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect_timeout(&place, ANSWERS_WITHIN)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.write_all(format!("AUTH {}\r\n{question}\r\nQUIT\r\n", self.password).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.trim_end_matches("+OK\r\n").to_owned())
    }
}

/// The machine's Redis, or else the unpacked one.
fn program(tools: &Path, unpack: bool) -> Result<(PathBuf, Vec<PathBuf>)> {
    if !unpack && let Some(found) = command::on_path("redis-server") {
        return Ok((found, Vec::new()));
    }
    let root = debian::unpacked(tools, "redis", &["redis-server"], unpack)?;
    // Not the link of that name: `cp -r` follows none.
    let found = root.join("usr/bin/redis-server");
    ensure!(found.is_file(), "the packages hold no redis-server");
    Ok((found, debian::libraries(&root)?))
}

/// Whether `fact` comes true within a while.
#[allow(clippy::disallowed_methods, reason = "a process that starts or ends on its own tells nobody when")]
fn until(fact: impl Fn() -> bool) -> bool {
    for _ in 0..500 {
        if fact() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
