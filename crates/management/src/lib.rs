//! The management surface, `/api/v1`: what an administrator's script, the command line and the console stand on.
//!
//! Translation only. Every route declares the permission that it needs, and gets its context from one function, which
//! asks `authorization` for it; a handler without that permission has nothing to work with.

mod clients;
mod door;
mod grants;
mod keys;
mod realms;
mod resource_servers;
mod sessions;
mod set_up;
mod users;
mod wire;

use std::sync::Arc;

use claviger_accounts::Accounts;
use claviger_http::base::Routes;
use claviger_kernel::{Clock, Entropy};
use claviger_keys::KeyRing;
use claviger_oauth::OAuth;
use claviger_storage::{Ephemeral, Store};
use claviger_tenancy::Tenancy;

pub use door::Door;

/// What the handlers stand on.
pub struct Management {
    /// How callers prove themselves.
    pub door: Door,
    /// Rows.
    pub store: Store,
    /// Short-lived state.
    pub ephemeral: Ephemeral,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Realms.
    pub tenancy: Arc<Tenancy>,
    /// Keys.
    pub keys: Arc<KeyRing>,
    /// Accounts.
    pub accounts: Accounts,
    /// Clients and APIs.
    pub oauth: OAuth,
}

/// Every route of the surface.
pub fn routes(management: &Arc<Management>) -> Routes {
    realms::routes(management)
        .merge(clients::routes(management))
        .merge(resource_servers::routes(management))
        .merge(keys::routes(management))
        .merge(users::routes(management))
        .merge(sessions::routes(management))
        .merge(grants::routes(management))
        .merge(set_up::routes(management))
}
