//! The public keys of one issuer: an immutable snapshot, replaced as a whole when keys rotate.

use std::collections::HashMap;

use claviger_crypto::jose::VerifyingKey;

/// The verification keys of one issuer, by id. A key of one realm never verifies a token of another (A062).
#[derive(Clone, Debug)]
pub struct KeySet {
    issuer: String,
    keys: HashMap<String, VerifyingKey>,
}

impl KeySet {
    /// The `keys` with which `issuer` signs, signed until lately, or is about to sign.
    pub fn new(issuer: impl Into<String>, keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        let keys = keys.into_iter().map(|key| (key.kid().to_owned(), key)).collect();
        Self { issuer: issuer.into(), keys }
    }

    /// The issuer whose keys these are; `iss` must equal it byte for byte.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key of this id. One look-up, whatever the id holds (A056).
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }
}
