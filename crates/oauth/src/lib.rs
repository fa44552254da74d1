//! The OAuth 2.0 and OpenID Connect provider: clients and APIs, the authorization endpoint, the token endpoint, userinfo,
//! logout, metadata.
//!
//! Typed requests in, typed answers out; no HTTP. An endpoint is a visible list of small checks, and the first refusal
//! wins. Where a person is needed the answer says so ([`authorize::Outcome`]), and the surface lets `accounts` meet it.

pub mod authenticate;
pub mod authorize;
pub mod clients;
pub mod codes;
pub mod error;
pub mod first_party;
pub mod grants;
pub mod introspect;
pub mod logout;
pub mod metadata;
pub mod redirect;
pub mod resource_servers;
pub mod revoke;
pub mod scope;
pub mod token;
pub mod userinfo;

mod issue;
mod kept;
mod machines;
mod pkce;

#[doc(hidden)]
pub mod fuzz;

pub use authenticate::{AuthenticatedClient, PresentedClient};
pub use clients::Client;
pub use error::TokenError;

use std::sync::Arc;

use claviger_audit::Cx;
use claviger_crypto::MacKey;
use claviger_crypto::opaque::OpaqueKeys;
use claviger_kernel::Unavailable;
use claviger_keys::KeyRing;
use claviger_notify::Notifier;
use claviger_session::Revocations;
use claviger_storage::Follower;
use claviger_tenancy::{Realm, Tenancy};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] =
    &[clients::sql::ALL, codes::sql::ALL, grants::sql::ALL, resource_servers::sql::ALL];

/// The service behind the protocol's endpoints. Built once by the binary; clones share everything.
#[derive(Clone)]
pub struct OAuth {
    ring: Arc<KeyRing>,
    tenancy: Arc<Tenancy>,
    revocations: Arc<Revocations>,
    notifier: Notifier,
    machines: Arc<machines::IssueCounts>,
    known: Arc<kept::Known>,
}

impl OAuth {
    /// The service over these parts.
    pub fn new(ring: Arc<KeyRing>, tenancy: Arc<Tenancy>, revocations: Arc<Revocations>, notifier: Notifier) -> Self {
        Self { ring, tenancy, revocations, notifier, machines: Arc::default(), known: Arc::default() }
    }

    /// What the service keeps in memory, to be dropped as the change log tells. Without it nothing would ever be dropped:
    /// whoever builds the service has it follow the store.
    pub fn follower(&self) -> Arc<dyn Follower> {
        Arc::clone(&self.known) as Arc<dyn Follower>
    }

    /// The realm of the caller.
    pub fn realm(&self, cx: &Cx) -> Result<Arc<Realm>, Unavailable> {
        self.tenancy.by_id(cx.realm()).ok_or_else(|| Unavailable::new("the realm is not in the view"))
    }

    pub(crate) fn opaque(&self, cx: &Cx) -> Result<Arc<OpaqueKeys>, Unavailable> {
        self.ring.opaque(cx.realm())
    }

    /// The keys with which this refresh token or code is to be read.
    pub(crate) async fn opaque_for(&self, cx: &Cx, text: &str) -> Result<Arc<OpaqueKeys>, Unavailable> {
        self.ring.opaque_for(cx.realm(), text).await
    }

    pub(crate) fn secret_key(&self, cx: &Cx) -> Result<MacKey, Unavailable> {
        self.ring.mac(cx.realm(), "client secrets")
    }
}
