//! Short-lived state behind one seam: sign-in flows, challenges, replay ids, rate counters.

use std::sync::Arc;

use claviger_kernel::{Clock, Entropy, RealmId, Timestamp, Unavailable};

use crate::Store;

pub(crate) mod sql {
    crate::statements! {}
}

/// Short-lived values by realm, kind and key; each has an expiry, after which it does not exist.
///
/// Today they stand in the database. Lock-outs and TOTP steps are rows of their own and never come here.
#[derive(Clone)]
pub struct Ephemeral {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Ephemeral {
    /// Short-lived state in `store`.
    pub const fn in_database(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Stores `value` until `expires`, in place of what stood there.
    pub async fn put(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        value: Vec<u8>,
        expires: Timestamp,
    ) -> Result<(), Unavailable> {
        let _ = (&self.store, &self.clock, &self.entropy, realm, kind, key, value, expires);
        Err(Unavailable::new("not built"))
    }

    /// The value, left where it is.
    pub async fn get(&self, realm: RealmId, kind: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let _ = (realm, kind, key);
        Err(Unavailable::new("not built"))
    }

    /// The value, which is gone afterwards: of any number of callers exactly one gets it.
    pub async fn take(&self, realm: RealmId, kind: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let _ = (realm, kind, key);
        Err(Unavailable::new("not built"))
    }

    /// Counts one up from zero and returns the count; the first sets the expiry, later ones keep it.
    pub async fn increment(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        expires: Timestamp,
    ) -> Result<u64, Unavailable> {
        let _ = (realm, kind, key, expires);
        Err(Unavailable::new("not built"))
    }
}
