//! Keys go: when nothing needs them, by force when they have leaked, and all at once when everybody shall sign in anew.

use claviger_audit::{Cx, Unit, unit};
use claviger_crypto::jose::Algorithm;
use claviger_kernel::{KeyId, RealmId};

use crate::rotate::{TRIES, activate, in_realm, remove};
use crate::rules::{self, Schedule};
use crate::{Key, KeyRing, KeyState, KeysError, Purpose, events};

/// What tokens are signed with, and cookies, codes and refresh tokens are made with.
const ISSUING: [Purpose; 3] = [Purpose::Sign(Algorithm::Es256), Purpose::Sign(Algorithm::Rs256), Purpose::Opaque];

impl KeyRing {
    /// Removes a key. Without `force` only one whose last token has expired, or that has never signed.
    ///
    /// By force is for a key that has leaked: whatever was made with it is refused from now on, and if it was in use the
    /// pending key, or a new one, takes over in the same unit without having been published ahead (F48, F50). Verifiers
    /// that cache the key set accept the old key until they fetch it again.
    ///
    /// # Errors
    /// [`KeysError::InUse`], [`KeysError::LiveTokens`] for a key that is still needed; [`KeysError::StillRead`] and
    /// [`KeysError::Permanent`] for keys that no force removes.
    pub async fn remove(&self, cx: &Cx, realm: RealmId, id: KeyId, force: bool) -> Result<(), KeysError> {
        let row = self.tenancy.get(realm).ok_or(KeysError::NoRealm)?;
        let cx = in_realm(cx, realm);
        self.reload(realm).await?;
        let keys = self.keys(realm)?;
        let key = keys.iter().find(|key| key.id == id).ok_or(KeysError::NoKey)?;
        let damaged = self.realm(realm)?.damaged.contains(&id);
        rules::may_remove(key, damaged, &Schedule::of(&row), cx.now(), force)?;
        let mut unit = unit(&cx, events::key_removed(key, force));
        remove(&mut unit, key);
        if key.state == KeyState::Active {
            self.replace(&cx, &mut unit, key.purpose, &keys).await?;
        }
        self.commit(&cx, unit).await
    }

    /// Puts the pending key of `purpose`, or a new one, in the place of one that the unit removes.
    async fn replace(&self, cx: &Cx, unit: &mut Unit, purpose: Purpose, keys: &[Key]) -> Result<(), KeysError> {
        if let Some(next) = keys.iter().find(|key| key.purpose == purpose && key.state == KeyState::Pending) {
            unit.record(events::key_activated(next));
            activate(unit, next.id);
        } else {
            let new = self.make(cx, purpose, rules::next_number(purpose, keys), KeyState::Active).await?;
            unit.record(events::key_created(&new.key));
            self.insert(cx, unit, &new);
        }
        Ok(())
    }

    /// Voids everything that was issued in `realm` so far (A066): in one unit new keys take the place of all with which
    /// tokens, cookies, codes and links are made, the pending ones included. Everybody signs in anew.
    ///
    /// Each node refuses the old keys as soon as it has followed the change log; verifiers elsewhere once they fetch the
    /// key set again. What is sealed, and the hashes by which rows are found, stay readable.
    ///
    /// # Errors
    /// [`KeysError::Changed`] if the keys are changed all the time by somebody else; [`KeysError`] otherwise.
    pub async fn replace_all(&self, cx: &Cx, realm: RealmId) -> Result<(), KeysError> {
        self.tenancy.get(realm).ok_or(KeysError::NoRealm)?;
        let cx = in_realm(cx, realm);
        for _ in 0..TRIES {
            self.reload(realm).await?;
            let keys = self.keys(realm)?;
            let mut unit = unit(&cx, events::keys_replaced(realm));
            for purpose in ISSUING {
                let made = |key: &&Key| key.purpose == purpose && key.state != KeyState::Removed;
                for key in keys.iter().filter(made) {
                    unit.record(events::key_removed(key, true));
                    remove(&mut unit, key);
                }
                let new = self.make(&cx, purpose, rules::next_number(purpose, &keys), KeyState::Active).await?;
                unit.record(events::key_created(&new.key));
                self.insert(&cx, &mut unit, &new);
            }
            match self.commit(&cx, unit).await {
                Err(KeysError::Changed) => {}
                other => return other,
            }
        }
        Err(KeysError::Changed)
    }
}
