//! The key ring: the complete view of every realm's keys, and what the rest of the house asks of it.

use core::any::Any;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use claviger_audit::Cx;
use claviger_crypto::jose::{Algorithm, SigningKey, VerifyingKey};
use claviger_crypto::opaque::OpaqueKeys;
use claviger_crypto::{Context, MacKey};
use claviger_kernel::{Clock, KeyId, RealmId, Secret, Unavailable};
use claviger_storage::nodes::Mark;
use claviger_storage::{Store, args};
use claviger_tenancy::{Realm, Tenancy};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::look::Looks;
use crate::master::Masters;
use crate::sql::{self, KeyRow};
use crate::view::{Jwks, RealmKeys};
use crate::{Key, KeySource, KeyState, MasterError, MasterOrigin, Purpose};

/// How long a request waits for a key that is being made.
const FIRST_KEY: Duration = Duration::from_secs(10);

/// Every key of every realm, unwrapped in memory. One for the process, shared by reference.
///
/// What asks the ring for a key of a realm that it does not hold, or whose row is damaged, is told [`Unavailable`]: the
/// request is in order, the server is not.
pub struct KeyRing {
    pub(crate) db: Store,
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) source: Arc<dyn KeySource>,
    pub(crate) origin: MasterOrigin,
    pub(crate) masters: ArcSwap<Masters>,
    view: ArcSwap<HashMap<RealmId, Arc<RealmKeys>>>,
    tickets: AtomicU64,
    pub(crate) looks: Looks,
    pub(crate) moved: Notify,
    /// Since when, by the database's time, a pending key has been in the store.
    pub(crate) marks: Mutex<HashMap<KeyId, Mark>>,
    /// Before when nothing is due, in microseconds.
    pub(crate) not_before: AtomicI64,
}

/// What was sealed does not open.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// It was changed, moved from elsewhere, or sealed by another realm; or its key is gone.
    #[error("the sealed value does not open here")]
    Refused,
    /// The ring does not hold the realm's keys.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<SealError> for Unavailable {
    /// For callers to whom a damaged row and a store that does not answer are the same: nothing can be done now.
    fn from(error: SealError) -> Self {
        match error {
            SealError::Refused => Self::new(error.to_string()),
            SealError::Unavailable(fault) => fault,
        }
    }
}

impl KeyRing {
    /// Reads the master key, checks that it is the store's, and loads every key.
    ///
    /// Over an empty store the first start makes the master key (its file, not a value) and records it. Over any other a
    /// missing or wrong master key is refused: nothing is ever made anew over existing data (F19).
    ///
    /// # Errors
    /// [`MasterError`] names the file or setting and what to do.
    pub async fn unlock(
        cx: &Cx,
        tenancy: Arc<Tenancy>,
        origin: MasterOrigin,
        source: Arc<dyn KeySource>,
    ) -> Result<Self, MasterError> {
        let masters = crate::change::recognise(cx, &tenancy, &origin).await?;
        let ring = Self {
            db: cx.db.clone(),
            tenancy,
            source,
            origin,
            masters: ArcSwap::from_pointee(masters),
            view: ArcSwap::default(),
            tickets: AtomicU64::new(0),
            looks: Looks::new(),
            moved: Notify::new(),
            marks: Mutex::default(),
            not_before: AtomicI64::new(i64::MIN),
        };
        ring.load().await?;
        Ok(ring)
    }

    /// Loads the keys of every realm again.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer; realms that were loaded stay loaded.
    pub async fn load(&self) -> Result<(), Unavailable> {
        for realm in self.tenancy.all() {
            self.reload(realm.id).await?;
        }
        Ok(())
    }

    /// Loads the keys of `realm` again; afterwards the view shows whatever was committed before the call.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer; the view then stays as it is.
    pub async fn reload(&self, realm: RealmId) -> Result<(), Unavailable> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed) + 1;
        let mut rows = self.rows(realm).await?;
        let living = |row: &&KeyRow| row.key.state != KeyState::Removed;
        if rows.iter().filter(living).any(|row| self.masters.load().get(row.master).is_none()) {
            // Wrapped anew between the two looks, or by another node that has changed the master key; what is still under
            // an unknown one now is damaged.
            self.look_at_masters().await?;
            rows = self.rows(realm).await?;
        }
        let loaded = Arc::new(RealmKeys::load(ticket, realm, rows, &self.masters.load()));
        self.note_pending(&loaded).await?;
        self.view.rcu(|view| match view.get(&realm) {
            Some(known) if known.ticket > ticket => Arc::clone(view),
            _ => {
                let mut next = HashMap::clone(view);
                next.insert(realm, Arc::clone(&loaded));
                Arc::new(next)
            }
        });
        self.moved.notify_waiters();
        Ok(())
    }

    async fn rows(&self, realm: RealmId) -> Result<Vec<KeyRow>, Unavailable> {
        let mut rows: Vec<KeyRow> = Vec::new();
        let mut after = KeyId::from_bytes([0; 16]);
        loop {
            let page = self.db.list(realm, &sql::KEYS, args![realm, after], KeyRow::read).await?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = last.key.id;
            rows.extend(page);
        }
    }

    /// The realms that exist.
    pub const fn tenancy(&self) -> &Arc<Tenancy> {
        &self.tenancy
    }

    pub(crate) fn realm(&self, realm: RealmId) -> Result<Arc<RealmKeys>, Unavailable> {
        let keys = self.view.load().get(&realm).cloned();
        keys.ok_or_else(|| Unavailable::new(format!("the keys of realm {realm} are not loaded")))
    }

    pub(crate) fn row_of(&self, realm: RealmId) -> Result<Arc<Realm>, Unavailable> {
        self.tenancy.get(realm).ok_or_else(|| Unavailable::new(format!("realm {realm} is not in the view")))
    }

    /// The key that signs `algorithm` in `realm` now. Ask for each token: the next minute it may be another.
    ///
    /// # Errors
    /// [`Unavailable`] while the first RSA key of a new realm is being made, or if the key's row is damaged.
    pub fn signer(&self, realm: RealmId, algorithm: Algorithm) -> Result<Arc<SigningKey>, Unavailable> {
        let missing = || Unavailable::new(format!("realm {realm} has no usable {} key (yet)", algorithm.as_str()));
        self.realm(realm)?.signer(algorithm).cloned().ok_or_else(missing)
    }

    /// The same, but waits for the first RSA key of a new realm, which is being made in the background: the first people
    /// to sign in wait a moment instead of being sent away.
    ///
    /// # Errors
    /// As [`KeyRing::signer`]; also if the key is not there in ten seconds.
    pub async fn signer_once_made(
        &self,
        clock: &dyn Clock,
        realm: RealmId,
        algorithm: Algorithm,
    ) -> Result<Arc<SigningKey>, Unavailable> {
        let begun = |keys: &RealmKeys| keys.keys.iter().any(|key| key.purpose == Purpose::Sign(algorithm));
        let mut over = None;
        loop {
            let moved = self.moved.notified();
            if begun(&*self.realm(realm)?) {
                return self.signer(realm, algorithm);
            }
            let over = over.get_or_insert_with(|| clock.wake_at(clock.now().plus(FIRST_KEY)));
            tokio::select! {
                () = moved => {}
                () = over => return self.signer(realm, algorithm),
            }
        }
    }

    /// The keys with which tokens of `realm` are verified: pending, active and retiring ones.
    pub fn verifying(&self, realm: RealmId) -> Result<Vec<VerifyingKey>, Unavailable> {
        Ok(self.realm(realm)?.verifying.clone())
    }

    /// The verification keys of `realm` in the form that `make` gives them (issuer, keys), made once and kept until the
    /// keys change. One form for the whole process: `tokens::KeySet`.
    pub fn key_set<T: Any + Send + Sync>(
        &self,
        realm: RealmId,
        make: fn(&str, Vec<VerifyingKey>) -> T,
    ) -> Result<Arc<T>, Unavailable> {
        Ok(self.realm(realm)?.key_set(&*self.row_of(realm)?, make))
    }

    /// The key set of `realm` to be published, rendered. Its `max-age` is `settings.keys.jwks_max_age`.
    pub fn jwks(&self, realm: RealmId) -> Result<Arc<Jwks>, Unavailable> {
        Ok(Arc::clone(&self.realm(realm)?.jwks))
    }

    /// The MAC keys of opaque values of `realm`.
    pub fn opaque(&self, realm: RealmId) -> Result<Arc<OpaqueKeys>, Unavailable> {
        let missing = || Unavailable::new(format!("realm {realm} has no usable key for opaque values"));
        self.realm(realm)?.opaque.clone().ok_or_else(missing)
    }

    /// The key for keyed hashes of `purpose` in `realm`, such as `"client secret/1"`. It never changes; no two purposes
    /// and no two realms share one.
    pub fn mac(&self, realm: RealmId, purpose: &'static str) -> Result<MacKey, Unavailable> {
        let keys = self.realm(realm)?;
        let missing = || Unavailable::new(format!("realm {realm} has no usable key for keyed hashes"));
        let (_, root) = keys.macs.first().ok_or_else(missing)?;
        Ok(MacKey::new(&root.derive("mac of purpose/1", &[purpose.as_bytes()])))
    }

    /// Seals `plaintext` for `context` in the caller's realm; `context` names table, column and row.
    pub fn seal(&self, cx: &Cx, context: &Context, plaintext: &[u8]) -> Result<Vec<u8>, Unavailable> {
        let missing = || Unavailable::new(format!("realm {} has no usable sealing key", cx.realm()));
        let keys = self.realm(cx.realm())?;
        let (number, key) = keys.seals.active().ok_or_else(missing)?;
        let mut sealed = number.to_be_bytes().to_vec();
        sealed.extend(key.seal(&*cx.entropy, context, plaintext));
        Ok(sealed)
    }

    /// Opens what [`KeyRing::seal`] made in the same realm and context, also under an older key.
    pub fn open(&self, realm: RealmId, context: &Context, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        let keys = self.realm(realm)?;
        let (number, body) = sealed.split_first_chunk().ok_or(SealError::Refused)?;
        let number = u32::from_be_bytes(*number);
        let key = keys.seals.get(number).ok_or(SealError::Refused)?;
        key.open(context, body).map_err(|_| SealError::Refused)
    }

    /// Every key of `realm` by purpose and number, removed ones included, for administration.
    pub fn keys(&self, realm: RealmId) -> Result<Vec<Key>, Unavailable> {
        Ok(self.realm(realm)?.keys.clone())
    }

    /// What the realms lack: named in the log when it was found, reported by health, used by nothing (F18).
    ///
    /// Empty once a first start is complete: a new realm lacks its RSA key until that has been made.
    pub fn faults(&self) -> Vec<KeyFault> {
        let faults = |realm: Arc<Realm>| match self.realm(realm.id) {
            Ok(keys) => keys.faults(realm.id),
            Err(_) => Purpose::ALL.map(|purpose| KeyFault::Missing { realm: realm.id, purpose }).to_vec(),
        };
        self.tenancy.all().into_iter().flat_map(faults).collect()
    }
}

/// Something that the keys of a realm lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFault {
    /// The key's row was changed, moved from elsewhere, or wrapped under a master key that is not at hand.
    Damaged {
        /// Whose.
        realm: RealmId,
        /// Which.
        key: KeyId,
    },
    /// The realm has no active key for this purpose.
    Missing {
        /// Which realm.
        realm: RealmId,
        /// For what.
        purpose: Purpose,
    },
}
