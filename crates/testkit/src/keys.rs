//! Signing keys for tests: an RSA key takes long to make, so each process makes a few and hands them out in turn.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_crypto::jose::{Algorithm, KeyError, SigningKey};
use claviger_kernel::Secret;
use claviger_keys::{FreshKeys, KeySource};

static POOL: [OnceLock<Secret<Vec<u8>>>; 3] = [const { OnceLock::new() }; 3];

/// A source of which each instance gives every key once: two realms of one server never share a key.
#[derive(Debug, Default)]
pub(crate) struct PooledKeys(AtomicUsize);

impl KeySource for PooledKeys {
    fn make(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        if algorithm != Algorithm::Rs256 {
            return FreshKeys.make(algorithm);
        }
        let Some(place) = POOL.get(self.0.fetch_add(1, Ordering::Relaxed)) else { return FreshKeys.make(algorithm) };
        let pkcs8 = place.get_or_init(|| {
            let key = FreshKeys.make(algorithm).expect("a key is made");
            key.to_pkcs8().expect("a key that was made here can be kept")
        });
        SigningKey::from_pkcs8(algorithm, pkcs8)
    }
}
