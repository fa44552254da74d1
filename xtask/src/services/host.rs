//! What a throw-away server needs of the machine: a folder, a port, a password, an ordinary user to run as.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::command;

/// The ordinary user that servers run as when this is run by root.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

/// `nobody`, when this is run by root.
pub(super) fn ordinary_user() -> Result<Option<User>> {
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

/// A program as that user, with an environment of its own and these folders of libraries.
pub(super) fn program(path: &Path, libraries: &[PathBuf], user: Option<User>) -> Command {
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups").arg(path);
            command
        }
        None => Command::new(path),
    };
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "GMT").env("LC_ALL", "C");
    if !libraries.is_empty() {
        let folders: Vec<OsString> = libraries.iter().map(|folder| folder.clone().into_os_string()).collect();
        command.env("LD_LIBRARY_PATH", folders.join(&OsString::from(":")));
    }
    command.current_dir("/");
    command
}

/// Makes these files that user's own.
pub(super) fn hand_over(paths: &[&Path], user: Option<User>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    for path in paths {
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
            .with_context(|| format!("{} cannot be handed over", path.display()))?;
    }
    Ok(())
}

/// A work tree that only root may enter hides unpacked programs from the ordinary user: copies what lies in `unpacked`
/// to the server's `home`, and points `folders` there.
pub(super) fn copy_within_reach<'a>(
    unpacked: &Path,
    home: &Path,
    folders: impl Iterator<Item = &'a mut PathBuf>,
) -> Result<()> {
    let copy = home.join("programs");
    command::run(Command::new("cp").args(["-r", "--no-preserve=ownership"]).arg(unpacked).arg(&copy))?;
    fs::set_permissions(home, fs::Permissions::from_mode(0o755))?;
    for folder in folders {
        let rest = folder.strip_prefix(unpacked);
        ensure!(rest.is_ok(), "the ordinary user cannot run {}", folder.display());
        *folder = copy.join(rest?);
    }
    Ok(())
}

/// A new folder for the server called `name`, on a memory file system where there is one with `room` bytes free:
/// containers often have one that is too small.
pub(super) fn home(name: &str, room: u64) -> Result<PathBuf> {
    let memory = Path::new("/dev/shm");
    let is_roomy = |size: rustix::fs::StatVfs| size.f_bavail.saturating_mul(size.f_frsize) >= room;
    let roomy = rustix::fs::statvfs(memory).is_ok_and(is_roomy);
    home_in(&if roomy { memory.to_owned() } else { std::env::temp_dir() }, name)
}

/// A new folder for the server called `name` on a disk.
pub(super) fn home_on_disk(name: &str) -> Result<PathBuf> {
    let disk = Path::new("/var/tmp");
    home_in(&if disk.is_dir() { disk.to_owned() } else { std::env::temp_dir() }, name)
}

fn home_in(parent: &Path, name: &str) -> Result<PathBuf> {
    let home = parent.join(format!("claviger-{name}-{}", &password()?[..12]));
    fs::DirBuilder::new().mode(0o700).create(&home).with_context(|| format!("{} cannot be made", home.display()))?;
    Ok(home)
}

/// Removes a server's folder; one that is gone already is fine.
pub(super) fn remove(home: &Path) -> Result<()> {
    match fs::remove_dir_all(home) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", home.display()))
        }
        _ => Ok(()),
    }
}

/// A port on loopback that nothing listens on. It lies below those that the system gives to outgoing connections: none of
/// them can take it before the server does.
pub(super) fn free_port() -> Result<u16> {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static LAST: AtomicU16 = AtomicU16::new(0);
    let start = u16::from_be_bytes(chance()?);
    let port = (0..COUNT)
        .map(|step| FIRST + start.wrapping_add(step) % COUNT)
        .find(|port| *port != LAST.load(Ordering::Relaxed) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("there is no free port on loopback")?;
    LAST.store(port, Ordering::Relaxed);
    Ok(port)
}

pub(super) fn password() -> Result<String> {
    let mut text = String::new();
    for byte in chance::<16>()? {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

fn chance<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom cannot be read")?;
    Ok(bytes)
}

/// Writes a new file that only its owner may read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
