//! The ring follows the change log: what another node has changed stands in this node's view a moment later.
//!
//! Nothing in an entry is trusted but its name. What is named is loaded again from the store, and of two loads the one
//! that began later wins, so that entries may come twice, late and in any order (F44).

use std::collections::BTreeSet;

use async_trait::async_trait;
use claviger_kernel::Unavailable;
use claviger_storage::{Change, Follower};

use crate::KeyRing;

#[async_trait]
impl Follower for KeyRing {
    fn name(&self) -> &'static str {
        "keys"
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable> {
        if changes.iter().any(|change| change.kind == "master_key") {
            self.look_at_masters().await?;
            return self.load().await;
        }
        let realms: BTreeSet<_> =
            changes.iter().filter(|change| change.kind == "keys").map(|change| change.realm).collect();
        for realm in realms {
            self.reload(realm).await?;
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        // The realms are loaded before: they follow the log too, and stand first.
        self.look_at_masters().await?;
        self.load().await
    }
}

impl KeyRing {
    /// Makes sure that the view holds whatever was committed before the call, so that a key which it does not know is
    /// one that does not exist.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot tell: then nobody may be told that a token is bad because its key is unknown.
    pub async fn caught_up(&self) -> Result<(), Unavailable> {
        // On SQLite every change is this process's own, and shown before its commit is answered.
        if self.db.engine() == "sqlite" { Ok(()) } else { self.db.catch_up().await }
    }
}
