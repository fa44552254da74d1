//! Connections for keyed reads, used by the thread that asks: a hop to another thread costs more than the read.

use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_kernel::Unavailable;
use parking_lot::Mutex;

use super::connection::Connection;
use super::fault::Fault;

pub(super) struct Readers(Vec<Mutex<Option<Connection>>>);

thread_local! {
    /// Where this thread looks first, so that threads keep to connections of their own.
    static HOME: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self(connections.into_iter().map(|connection| Mutex::new(Some(connection))).collect())
    }

    /// Runs `work` on a free connection; where none is free, on the thread's own as soon as it is.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Fault>) -> Result<T, Unavailable> {
        let home = HOME.with(|home| home % self.0.len());
        let (before, after) = self.0.split_at(home);
        let free = after.iter().chain(before).find_map(Mutex::try_lock);
        let mut slot = free.unwrap_or_else(|| self.0[home].lock());
        let connection = slot.as_mut().ok_or_else(|| Unavailable::new("the store is closed"))?;
        work(connection).map_err(|fault| Unavailable::new(format!("read: {fault}")))
    }

    pub(super) fn close(&self) {
        for slot in &self.0 {
            slot.lock().take();
        }
    }
}
