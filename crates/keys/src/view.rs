//! The keys of one realm in memory: unwrapped, parsed and rendered once, replaced as a whole.

use core::any::Any;
use std::sync::{Arc, OnceLock};

use claviger_crypto::jose::{Algorithm, JwkSet, SigningKey, VerifyingKey};
use claviger_crypto::opaque::OpaqueKeys;
use claviger_crypto::{AeadKey, MacKey, base64url, sha256};
use claviger_kernel::{KeyId, RealmId, Secret};
use claviger_tenancy::Realm;

use crate::master::{Masters, Place};
use crate::sql::KeyRow;
use crate::{Key, KeyFault, KeyState, Purpose};

/// The key set of a realm as it goes over the wire (RFC 7517 §5): public members alone (A072).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jwks {
    /// The JSON document.
    pub body: String,
    /// The strong entity tag, with its quotes: changes exactly when the body does.
    pub etag: String,
}

/// The keys of one realm.
pub(crate) struct RealmKeys {
    /// The later a load began, the higher its ticket; an earlier one never replaces a later one.
    pub(crate) ticket: u64,
    /// Every key, removed ones included, by purpose and number.
    pub(crate) keys: Vec<Key>,
    /// Keys whose rows do not unwrap, or not to the key they name (F18).
    pub(crate) damaged: Vec<KeyId>,
    pub(crate) signers: Vec<Arc<SigningKey>>,
    pub(crate) verifying: Vec<VerifyingKey>,
    pub(crate) jwks: Arc<Jwks>,
    pub(crate) opaque: Option<Arc<OpaqueKeys>>,
    pub(crate) macs: Vec<(u32, MacKey)>,
    pub(crate) seals: Seals,
    pub(crate) key_set: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// The sealing keys: the active one seals, every one opens.
#[derive(Default)]
pub(crate) struct Seals {
    active: Option<u32>,
    keys: Vec<(u32, AeadKey)>,
}

impl Seals {
    pub(crate) fn active(&self) -> Option<(u32, &AeadKey)> {
        let number = self.active?;
        Some((number, self.get(number)?))
    }

    pub(crate) fn get(&self, number: u32) -> Option<&AeadKey> {
        self.keys.iter().find(|(known, _)| *known == number).map(|(_, key)| key)
    }
}

/// An unwrapped key.
enum Material {
    Sign(Box<SigningKey>),
    Mac(Box<MacKey>),
    Seal(AeadKey),
}

impl RealmKeys {
    /// Unwraps every key of `realm`. A damaged row is left out, named in the log, and never replaced by a new key.
    pub(crate) fn load(ticket: u64, realm: RealmId, mut rows: Vec<KeyRow>, masters: &Masters) -> Self {
        rows.sort_by_key(|row| (row.key.purpose.as_str(), row.key.number));
        let mut loaded = Self::empty(ticket);
        let (mut opaque, mut signing) = (Vec::new(), Vec::new());
        for row in rows {
            let key = row.key.clone();
            if key.state != KeyState::Removed {
                match unwrap(realm, &row, masters) {
                    Ok(Material::Sign(made)) => signing.push((key.state, made)),
                    Ok(Material::Mac(made)) if key.purpose == Purpose::Opaque => {
                        opaque.push((key.state, key.number, *made));
                    }
                    Ok(Material::Mac(made)) => loaded.macs.push((key.number, *made)),
                    Ok(Material::Seal(made)) => {
                        loaded.seals.keys.push((key.number, made));
                        loaded.seals.active =
                            loaded.seals.active.or((key.state == KeyState::Active).then_some(key.number));
                    }
                    Err(problem) => {
                        tracing::error!(realm = %realm, key = %key.id, purpose = key.purpose.as_str(), problem, "damaged key refused");
                        loaded.damaged.push(key.id);
                    }
                }
            }
            loaded.keys.push(key);
        }
        loaded.opaque = ring_of(opaque).map(Arc::new);
        loaded.publish(signing);
        loaded
    }

    fn empty(ticket: u64) -> Self {
        Self {
            ticket,
            keys: Vec::new(),
            damaged: Vec::new(),
            signers: Vec::new(),
            verifying: Vec::new(),
            jwks: Arc::new(render(&JwkSet { keys: Vec::new() })),
            opaque: None,
            macs: Vec::new(),
            seals: Seals::default(),
            key_set: OnceLock::new(),
        }
    }

    /// Pending, active and retiring keys are published and verify; active ones sign.
    fn publish(&mut self, signing: Vec<(KeyState, Box<SigningKey>)>) {
        let keys = signing.iter().map(|(_, key)| key.public().clone()).collect();
        self.jwks = Arc::new(render(&JwkSet { keys }));
        for (state, key) in signing {
            self.verifying.push(key.verifying_key().clone());
            if state == KeyState::Active {
                self.signers.push(Arc::from(key));
            }
        }
    }

    pub(crate) fn faults(&self, realm: RealmId) -> Vec<KeyFault> {
        let active =
            |purpose: &Purpose| self.keys.iter().any(|key| key.purpose == *purpose && key.state == KeyState::Active);
        let missing = Purpose::ALL.into_iter().filter(|purpose| !active(purpose));
        let missing = missing.map(|purpose| KeyFault::Missing { realm, purpose });
        self.damaged.iter().map(|key| KeyFault::Damaged { realm, key: *key }).chain(missing).collect()
    }

    pub(crate) fn signer(&self, algorithm: Algorithm) -> Option<&Arc<SigningKey>> {
        self.signers.iter().find(|key| key.algorithm() == algorithm)
    }

    /// The consumer's own form of the verification keys, made once for as long as these keys stand.
    pub(crate) fn key_set<T: Any + Send + Sync>(
        &self,
        realm: &Realm,
        make: fn(&str, Vec<VerifyingKey>) -> T,
    ) -> Arc<T> {
        let fresh = || -> Arc<dyn Any + Send + Sync> { Arc::new(make(&realm.issuer, self.verifying.clone())) };
        let kept = Arc::clone(self.key_set.get_or_init(fresh));
        kept.downcast().unwrap_or_else(|_| Arc::new(make(&realm.issuer, self.verifying.clone())))
    }
}

/// The active key makes values; pending ones check too, for another node may be ahead.
fn ring_of(keys: Vec<(KeyState, u32, MacKey)>) -> Option<OpaqueKeys> {
    let (_, number, current) = keys.iter().find(|(state, ..)| *state == KeyState::Active)?.clone();
    Some(keys.into_iter().fold(OpaqueKeys::new(number, current), |ring, (_, number, key)| ring.with_older(number, key)))
}

fn render(set: &JwkSet) -> Jwks {
    let body = serde_json::to_string(set).expect("a key set is plain text");
    let etag = format!("\"{}\"", base64url(&sha256(body.as_bytes())[..18]));
    Jwks { body, etag }
}

fn unwrap(realm: RealmId, row: &KeyRow, masters: &Masters) -> Result<Material, &'static str> {
    let Key { id, purpose, number, .. } = row.key;
    let master = masters.get(row.master).ok_or("it is wrapped under a master key that is not at hand")?;
    let opened = master.unwrap(&Place { realm, id, purpose, number }, &row.wrapped);
    let secret = opened.map_err(|_| "it does not unwrap: its row was changed, or moved from elsewhere")?;
    let Purpose::Sign(algorithm) = purpose else {
        let bytes = secret.expose().as_slice().try_into().map_err(|_| "it is not 32 bytes long")?;
        let secret = Secret::new(bytes);
        return Ok(match purpose {
            Purpose::Seal => Material::Seal(AeadKey::new(&secret)),
            _ => Material::Mac(Box::new(MacKey::new(&secret))),
        });
    };
    let key = SigningKey::from_pkcs8(algorithm, &secret).map_err(|_| "it is not a key of its algorithm")?;
    if row.key.kid.as_deref() == Some(key.kid()) {
        Ok(Material::Sign(Box::new(key)))
    } else {
        Err("its kid is another's")
    }
}
