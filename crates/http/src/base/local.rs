//! The operator's socket: the same frame over a Unix socket that only its owner can open. Whoever connects is asked for
//! the uid by the kernel, so that a wrong mode on a folder opens nothing.

use core::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};

use super::accept::Stage;
use super::{Frame, Shutdown, connection};

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
    let places = Arc::new(Semaphore::new(frame.limits().connections.max(1)));
    let protocol = connection::protocol(frame.limits());
    let stage = watch::Sender::new(Stage::Running);
    let crowded = Arc::new(Notify::new());
    let own = rustix::process::geteuid().as_raw();
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) if is_operator(&stream, own) => {
                    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                    let (frame, protocol) = (Arc::clone(&frame), protocol.clone());
                    let (stage, crowded) = (stage.subscribe(), Arc::clone(&crowded));
                    tokio::spawn(async move {
                        connection::run(stream, peer, frame, protocol, stage, crowded).await;
                        drop(place);
                    });
                }
                Ok(_) => tracing::warn!(target: "claviger::security", event = "operator_socket_refused", "another user connected"),
                Err(error) => {
                    tracing::error!(%error, "the operator's socket does not accept");
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown.begun() => {}
    }
    stage.send_replace(Stage::Draining);
}

fn is_operator(stream: &UnixStream, own: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
