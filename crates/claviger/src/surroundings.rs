//! What a real server takes from its surroundings.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use claviger_authenticators::password::{HashEngine, HashParameters, HashSettings};
use claviger_crypto::SystemEntropy;
use claviger_keys::FreshKeys;
use claviger_notify::{Mail, Transport, TransportError};
use claviger_storage::RedisPatience;

use crate::config::{HashImplementation, Settings};
use crate::{Ambient, SystemClock};

/// Where messages wait while no mail server is configured: they stay queued until they are of no use any more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held;

#[async_trait]
impl Transport for Held {
    async fn send(&self, _mail: Mail) -> Result<(), TransportError> {
        Err(TransportError::Later("no mail server is configured".to_owned()))
    }
}

/// The machine's clock and randomness, fresh keys, and password hashing as the settings say.
pub(crate) fn ambient(settings: &Settings, transport: Arc<dyn Transport>) -> anyhow::Result<Ambient> {
    let password = &settings.password;
    let parameters = HashParameters::new(password.memory_kib, password.iterations, 1).context("password")?;
    let engine = match password.implementation {
        HashImplementation::Fast => HashEngine::Fast,
        HashImplementation::Reference => HashEngine::Reference,
    };
    Ok(Ambient {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        key_source: Arc::new(FreshKeys),
        hashing: HashSettings { parameters, engine, ..HashSettings::default() },
        redis_patience: RedisPatience::ORDINARY,
        transport,
    })
}
