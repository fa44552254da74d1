//! The one context that a use case gets.

use std::sync::Arc;

use claviger_kernel::{Caller, Clock, Entropy, Id, RealmId, Shard, Timestamp};
use claviger_storage::{CommitError, Committed, Ephemeral, Store};

use crate::Unit;

/// What every use case is given: the store, short-lived state, time, randomness, and who asks.
#[derive(Clone)]
pub struct Cx {
    /// Rows.
    pub db: Store,
    /// Short-lived state.
    pub ephemeral: Ephemeral,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who asks, and whose data.
    pub caller: Caller,
}

impl Cx {
    /// Whose data.
    pub const fn realm(&self) -> RealmId {
        self.caller.realm
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id of a row that belongs to no user.
    pub fn id<K>(&self) -> Id<K> {
        Id::new(self.now(), &*self.entropy)
    }

    /// A new id of a row that belongs to the user of `shard`.
    pub fn id_of<K>(&self, shard: Shard) -> Id<K> {
        Id::owned(self.now(), &*self.entropy, shard)
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// The same context for another caller.
    #[must_use]
    pub fn with(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Commits `unit`: its statements and its events, all or nothing.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] names the step that found the world changed; [`CommitError::Unavailable`] otherwise.
    pub async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        self.db.commit(unit.into()).await
    }
}
