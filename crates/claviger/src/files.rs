//! Open files: every connection is one, so how many there may be bounds how many connections there may be (F11).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept free for the store, the internal listener and what a request opens itself.
const RESERVE: u64 = 128;

/// Raises the soft limit of open files to the hard one, and returns how many of them connections may be.
pub(crate) fn for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(current.saturating_sub(RESERVE)).unwrap_or(usize::MAX).max(16)
}
