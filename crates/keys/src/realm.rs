//! Realms are made together with their keys, in one unit: a realm without keys, or keys without a realm, never stand.

use std::sync::Arc;

use claviger_audit::Cx;
use claviger_crypto::jose::Algorithm;
use claviger_kernel::RealmId;
use claviger_storage::CommitError;
use claviger_tenancy::{Draft, NewRealm, Realm, RealmName, RealmSettings, TenancyError};

use crate::rotate::in_realm;
use crate::{KeyRing, KeyState, KeysError, Purpose, events};

impl KeyRing {
    /// Makes a realm with its keys, and returns when it can sign whatever it has to.
    ///
    /// The RSA key, slow to make, has a unit of its own; should that fail, the next tick makes it.
    ///
    /// # Errors
    /// [`KeysError::Tenancy`] for a name or settings that are no good.
    pub async fn create_realm(&self, cx: &Cx, new: NewRealm) -> Result<Arc<Realm>, KeysError> {
        let realm = self.found(cx, cx.id(), new).await?;
        self.advance(&in_realm(cx, realm.id), &realm, None).await?;
        Ok(realm)
    }

    /// The realm `main`; makes it, under the id of the caller's realm, if this is the first start.
    ///
    /// Returns before the RSA key is made, so that a first start is quick: run [`KeyRing::tick`] next.
    ///
    /// # Errors
    /// [`KeysError::Unavailable`] if the store cannot answer.
    pub async fn ensure_main(&self, cx: &Cx) -> Result<Arc<Realm>, KeysError> {
        if let Some(main) = self.tenancy.main() {
            return Ok(main);
        }
        let (name, display_name) = (RealmName::MAIN.to_owned(), "Claviger".to_owned());
        match self.found(cx, cx.realm(), NewRealm { name, display_name, settings: RealmSettings::default() }).await {
            // Another node started over the same empty store.
            Err(KeysError::Tenancy(TenancyError::Taken(name))) => {
                let main = self.tenancy.main().ok_or(KeysError::Tenancy(TenancyError::Taken(name)))?;
                self.reload(main.id).await?;
                Ok(main)
            }
            other => other,
        }
    }

    async fn found(&self, cx: &Cx, id: RealmId, new: NewRealm) -> Result<Arc<Realm>, KeysError> {
        let Draft { cx, mut unit, realm } = self.tenancy.draft(cx, id, new)?;
        for purpose in Purpose::ALL {
            if purpose != Purpose::Sign(Algorithm::Rs256) {
                let new = self.make(&cx, purpose, 1, KeyState::Active).await?;
                unit.record(events::key_created(&new.key));
                self.insert(&cx, &mut unit, &new);
            }
        }
        let committed = cx.commit(unit).await;
        self.tenancy.reload().await?;
        match committed {
            Ok(_) => {}
            Err(CommitError::Conflict("master")) => return Err(KeysError::Changed),
            Err(error) => return Err(TenancyError::committing(error, realm.name.as_str()).into()),
        }
        self.reload(id).await?;
        self.tenancy.get(id).ok_or(KeysError::NoRealm)
    }
}
