//! The operator's socket: the same frame over a Unix socket that only its owner can open. Whoever connects is asked for
//! the uid by the kernel, so that a wrong mode on a folder opens nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use tokio::net::UnixListener;

use super::{Frame, Listener, Shutdown, serve};

/// Opens the socket at `path` with mode 0600. A socket that a dead process left behind is replaced; the caller holds the
/// lock of the data folder, so no living process owns it.
///
/// # Errors
/// If the folder cannot be written.
pub fn listen_local(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves `frame` to peers of this process's own uid, or of root, until `shutdown` begins.
pub async fn serve_local(listener: UnixListener, frame: Arc<Frame>, shutdown: Shutdown) {
    let owner = rustix::process::geteuid().as_raw();
    serve(vec![Listener::Unix { listener, owner }], frame, shutdown).await;
}
