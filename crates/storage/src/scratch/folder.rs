//! Folders for scratch SQLite files, on tmpfs where there is one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;

use crate::{OpenError, SqliteOptions, Store};

const PREFIX: &str = "claviger-scratch-";

/// A folder that goes with this value.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: PathBuf,
    database: PathBuf,
}

impl Folder {
    fn new() -> std::io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = root().join(format!("{PREFIX}{}-{count}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(Self { database: folder.join("claviger.db"), folder })
    }

    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::small(&self.database)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn root() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

/// A folder with a database that is migrated already.
pub(crate) async fn migrated() -> Result<Folder, OpenError> {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let fault = |error: std::io::Error| OpenError::Engine(format!("a scratch folder: {error}"));
    let template = TEMPLATE.get_or_try_init(|| async {
        forget_the_dead();
        let folder = Folder::new().map_err(fault)?;
        Store::open_sqlite(folder.options()).await?.close().await;
        std::fs::read(folder.database()).map_err(fault)
    });
    let template = template.await?;
    let folder = Folder::new().map_err(fault)?;
    std::fs::write(folder.database(), template).map_err(fault)?;
    Ok(folder)
}

/// Removes what processes that were killed have left behind, also one that had this one's number.
fn forget_the_dead() {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir(root()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('-'));
        if owner.is_some_and(|(pid, _)| pid == own || !Path::new("/proc").join(pid).exists()) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
