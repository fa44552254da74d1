//! Rows that a node keeps in memory: clients that have proved themselves here, and APIs. The change log drops what changes,
//! and only while the log is followed is anything kept believed; nobody is remembered for being unknown.

use std::hash::Hash;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_kernel::{RealmId, Timestamp, Unavailable};
use claviger_storage::{Change, Follower};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::Client;
use crate::resource_servers::ResourceServer;

/// How many rows of each kind a node keeps; some 1 kB each.
const MOST: usize = 10_000;

/// Rows of one kind.
pub(crate) struct Kept<K, V> {
    rows: Cache<K, Arc<V>>,
    /// How often something was dropped. Held while a row is put in or taken out: a row whose reading began before a drop is
    /// as old as what was dropped, and is not kept.
    drops: Mutex<u64>,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn new() -> Self {
        Self { rows: Cache::new(MOST), drops: Mutex::new(0) }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<V>> {
        self.rows.get(key)
    }

    /// Taken before a row is read, and given to [`Kept::keep`] with it.
    pub(crate) fn begin(&self) -> u64 {
        *self.drops.lock()
    }

    pub(crate) fn keep(&self, begun: u64, key: K, row: Arc<V>) {
        let drops = self.drops.lock();
        if *drops == begun {
            self.rows.insert(key, row);
        }
    }

    fn forget(&self, gone: impl Fn(&K, &V) -> bool) {
        let mut drops = self.drops.lock();
        *drops += 1;
        if !self.rows.is_empty() {
            self.rows.retain(|key, row| !gone(key, row));
        }
    }
}

/// A client as it proved itself: realm, name, and the keyed hash of its secret (zeros for a public one).
pub(crate) type ProofKey = (RealmId, String, [u8; 32]);

/// A client beside the end of the secret by which it proved itself.
pub(crate) struct Proved {
    pub(crate) client: Arc<Client>,
    pub(crate) until: Option<Timestamp>,
}

/// What this node keeps. One for the process, shared by reference.
pub(crate) struct Known {
    pub(crate) clients: Kept<ProofKey, Proved>,
    pub(crate) resource_servers: Kept<(RealmId, String), ResourceServer>,
}

impl Default for Known {
    fn default() -> Self {
        Self { clients: Kept::new(), resource_servers: Kept::new() }
    }
}

#[async_trait]
impl Follower for Known {
    fn name(&self) -> &'static str {
        "clients and APIs"
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable> {
        let of = |kind: &str| {
            let named = changes.iter().filter(|change| change.kind == kind);
            named.map(|change| (change.realm, change.subject.as_slice())).collect::<Vec<_>>()
        };
        let clients = of("client");
        if !clients.is_empty() {
            self.clients.forget(|key, row| clients.contains(&(key.0, row.client.id.as_bytes().as_slice())));
        }
        let servers = of("resource_server");
        if !servers.is_empty() {
            self.resource_servers.forget(|key, row| servers.contains(&(key.0, row.id.as_bytes().as_slice())));
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        self.clients.forget(|_, _| true);
        self.resource_servers.forget(|_, _| true);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_whose_reading_began_before_a_drop_is_not_kept() {
        let kept: Kept<u8, &str> = Kept::new();
        let begun = kept.begin();
        kept.forget(|_, _| false);
        kept.keep(begun, 1, Arc::new("as it was"));
        assert!(kept.get(&1).is_none());
        kept.keep(kept.begin(), 1, Arc::new("as it is"));
        assert_eq!(kept.get(&1).as_deref(), Some(&"as it is"));
        kept.forget(|key, _| *key == 1);
        assert!(kept.get(&1).is_none());
    }

    #[test]
    fn no_more_is_kept_than_a_node_has_room_for() {
        let kept: Kept<usize, ()> = Kept::new();
        for number in 0..3 * MOST {
            kept.keep(kept.begin(), number, Arc::new(()));
        }
        assert!(kept.rows.len() <= MOST);
    }
}
