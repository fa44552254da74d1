//! A throw-away PostgreSQL cluster on loopback.
//!
//! Its data lie on a memory file system where there is one and it syncs nothing, so it is fit for tests only. PostgreSQL
//! refuses to run as root; started by root, it runs as `nobody`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::debian;
use crate::command;

const OLDEST: u32 = 14;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = '128MB'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
jit = off
timezone = 'GMT'
log_timezone = 'GMT'
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
    user: Option<User>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    /// Makes a new, empty cluster. Nothing runs yet.
    pub(super) fn prepare(tools: &Path, unpack: bool) -> Result<Self> {
        let (programs, libraries) = programs(tools, unpack)?;
        let user = ordinary_user()?;
        let home = home()?;
        let mut server = Self { programs, libraries, home, port: free_port()?, password: password()?, user };
        server.take_within_reach()?;
        server.initialise().inspect_err(|_| drop(fs::remove_dir_all(&server.home)))?;
        Ok(server)
    }

    fn initialise(&self) -> Result<()> {
        let secret = self.home.join("password");
        write_private(&secret, self.password.as_bytes()).context("the cluster's password cannot be written")?;
        if let Some(user) = self.user {
            for path in [&self.home, &secret] {
                std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).context("the cluster's folder")?;
            }
        }
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(self.cluster()).arg("--pwfile").arg(&secret);
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command::output(&mut initdb)?;
        let settings = format!("{SETTINGS}port = {}\n", self.port);
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
        match fs::remove_dir_all(&self.home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.home.display()))
            }
            _ => Ok(()),
        }
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
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
                command.arg("--clear-groups").arg(path);
                command
            }
            None => Command::new(path),
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "GMT")
            .env("LC_ALL", "C");
        if !self.libraries.is_empty() {
            let folders: Vec<OsString> = self.libraries.iter().map(|folder| folder.clone().into_os_string()).collect();
            command.env("LD_LIBRARY_PATH", folders.join(&OsString::from(":")));
        }
        command.current_dir("/");
        command
    }

    /// A work tree that only root may enter hides unpacked programs from the ordinary user; they are copied then.
    fn take_within_reach(&mut self) -> Result<()> {
        if self.user.is_none() || command::succeeds(self.program("postgres").arg("--version")) {
            return Ok(());
        }
        let unpacked =
            self.programs.ancestors().nth(5).context("PostgreSQL lies in usr/lib/postgresql/N/bin")?.to_owned();
        ensure!(
            self.libraries.iter().all(|folder| folder.starts_with(&unpacked)) && !self.libraries.is_empty(),
            "the ordinary user cannot run {}",
            self.programs.display()
        );
        let copy = self.home.join("programs");
        command::run(Command::new("cp").args(["-r", "--no-preserve=ownership"]).arg(&unpacked).arg(&copy))?;
        fs::set_permissions(&self.home, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        for folder in self.libraries.iter_mut().chain(std::iter::once(&mut self.programs)) {
            *folder = copy.join(folder.strip_prefix(&unpacked).context("libraries lie beside the programs")?);
        }
        Ok(())
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

/// `nobody`, when this is run by root.
fn ordinary_user() -> Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").context("/etc/passwd cannot be read")?;
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let nobody =
        fields.into_iter().find(|fields| fields.first() == Some(&"nobody")).context("there is no user nobody")?;
    let number = |at: usize| nobody.get(at).and_then(|field| field.parse().ok()).context("/etc/passwd is damaged");
    Ok(Some(User { uid: number(2)?, gid: number(3)? }))
}

/// A new folder of our own, on a memory file system where there is a roomy one.
fn home() -> Result<PathBuf> {
    let memory = Path::new("/dev/shm");
    let parent = if is_roomy(memory) { memory.to_owned() } else { std::env::temp_dir() };
    let home = parent.join(format!("claviger-postgres-{}", &password()?[..12]));
    fs::DirBuilder::new().mode(0o700).create(&home).with_context(|| format!("{} cannot be made", home.display()))?;
    Ok(home)
}

/// Containers often have a memory file system that is too small for a cluster.
fn is_roomy(folder: &Path) -> bool {
    const ROOM: u64 = 2 << 30;
    rustix::fs::statvfs(folder).is_ok_and(|size| size.f_bavail.saturating_mul(size.f_frsize) >= ROOM)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

fn password() -> Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom cannot be read")?;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

/// Writes a new file that only its owner may read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
