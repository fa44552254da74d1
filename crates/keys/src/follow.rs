//! The ring follows the change log: what another node has changed stands in this node's view a moment later.
//!
//! Nothing in an entry is trusted but its name. What is named is loaded again from the store, and of two loads the one
//! that began later wins, so that entries may come twice, late and in any order (F44).

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_crypto::opaque::{self, OpaqueKeys};
use claviger_kernel::{RealmId, Unavailable};
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
    /// one that does not exist. However many ask, the log is looked at every 50 ms at most.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot tell, or if it may be one of those of `realm` that are damaged: then nobody may
    /// be told that a token is bad because its key is unknown.
    pub async fn caught_up(&self, realm: RealmId) -> Result<(), Unavailable> {
        // On SQLite every change is this process's own, and shown before its commit is answered.
        if self.db.engine() != "sqlite" {
            self.looks.share(self.db.catch_up()).await?;
        }
        if self.realm(realm)?.damaged.is_empty() {
            return Ok(());
        }
        Err(Unavailable::new(format!("keys of realm {realm} are damaged, and an unknown key may be one of them")))
    }

    /// The MAC keys with which the opaque value `text` of `realm` is to be read. Where it names a key that the view does
    /// not hold, only once the view has [caught up](Self::caught_up): another node may have made it a moment ago.
    ///
    /// # Errors
    /// [`Unavailable`] if it cannot be known whether there is such a key.
    pub async fn opaque_for(&self, realm: RealmId, text: &str) -> Result<Arc<OpaqueKeys>, Unavailable> {
        match opaque::key_id(text) {
            Some(id) => self.opaque_with(realm, id).await,
            None => self.opaque(realm),
        }
    }

    /// The MAC keys of `realm`, for whoever needs the one of this id: a repeated refresh gives what was made with the key of
    /// its first use, which may be newer than this node's view. Without it only if the store has none (any more).
    ///
    /// # Errors
    /// [`Unavailable`] if it cannot be known whether there is such a key.
    pub async fn opaque_with(&self, realm: RealmId, id: u32) -> Result<Arc<OpaqueKeys>, Unavailable> {
        let keys = self.opaque(realm)?;
        if keys.get(id).is_some() {
            return Ok(keys);
        }
        self.caught_up(realm).await?;
        self.opaque(realm)
    }
}
