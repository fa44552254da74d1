//! Where new signing keys come from.

use claviger_crypto::jose::{Algorithm, KeyError, SigningKey};

/// Makes signing keys. The server has [`FreshKeys`] and no setting chooses another; a test harness may hand in keys made
/// beforehand, for an RSA key takes a second.
pub trait KeySource: Send + Sync + 'static {
    /// A new key for `algorithm`. May block for seconds; it is called where that harms nobody.
    ///
    /// # Errors
    /// [`KeyError`] if the generator fails.
    fn make(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError>;
}

/// Every key is made when it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct FreshKeys;

impl KeySource for FreshKeys {
    fn make(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        SigningKey::generate(algorithm)
    }
}
