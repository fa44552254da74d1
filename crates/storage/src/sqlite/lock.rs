//! The data folder's lock: one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::OpenError;

/// Held as long as it lives; the kernel lets go of it when the process dies, however it dies.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Makes the folder (0700) and the database file (0600) if they are absent, and takes the folder's lock.
pub(super) fn hold(database: &Path) -> Result<Lock, OpenError> {
    let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let fault =
        |what: &Path, error: std::io::Error| OpenError::Engine(format!("cannot open {}: {error}", what.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| fault(&folder, error))?;
    let path = folder.join("claviger.lock");
    let file = open(&path).map_err(|error| fault(&path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::Locked(folder.display().to_string())),
        Err(error) => return Err(fault(&path, error.into())),
    }
    if !database.exists() {
        open(database).map_err(|error| fault(database, error))?;
        // The file's name must survive a power loss as surely as what is written into it.
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(|error| fault(&folder, error))?;
    }
    Ok(Lock(file))
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
