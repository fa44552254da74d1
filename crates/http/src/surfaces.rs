//! What the surfaces stand on, and the routes that the binary asks for.

use std::sync::Arc;

use claviger_accounts::Accounts;
use claviger_audit::Cx;
use claviger_kernel::{Clock, Entropy};
use claviger_keys::KeyRing;
use claviger_oauth::OAuth;
use claviger_storage::{Ephemeral, Store};

use crate::base::{Request, Routes};
use crate::{account, api, oidc, pages};

/// The services behind pages and protocol endpoints. Built once by the binary.
pub struct Surfaces {
    /// Rows.
    pub store: Store,
    /// Short-lived state.
    pub ephemeral: Ephemeral,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Keys.
    pub keys: Arc<KeyRing>,
    /// The sign-in engine.
    pub accounts: Accounts,
    /// The provider.
    pub oauth: OAuth,
}

impl Surfaces {
    /// The context of a request: whose data, who asks, nobody known yet.
    pub(crate) fn cx(&self, request: &Request) -> Cx {
        Cx {
            db: self.store.clone(),
            ephemeral: self.ephemeral.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            caller: request.caller(),
        }
    }
}

/// Every route of the hosted pages, the account and the provider.
pub fn routes(surfaces: &Arc<Surfaces>) -> Routes {
    pages::routes(surfaces).merge(account::routes(surfaces)).merge(api::routes(surfaces)).merge(oidc::routes(surfaces))
}
