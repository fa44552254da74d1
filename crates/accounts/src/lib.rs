//! Use cases that touch more than one domain, each committed as one unit.
//!
//! The sign-in engine ([`Accounts::step`]) is the only way in: pages, JSON and commands render its [`State`]s and hand it
//! [`Input`]s. It collects proofs and cannot mint them; a session comes out only when they are complete.

mod administration;
mod beside;
mod changes;
mod devices;
mod engine;
mod flow;
mod limits;
mod set_up;

pub use administration::{AdministrationError, NewAccount};
pub use beside::{Added, Beside, Opening};
pub use changes::ChangeError;
pub use devices::EndError;
pub use engine::{Browser, Input, SignedIn, Step, StepError};
pub use flow::{Flow, FlowGone, NewFlow, Pending, State};
pub use set_up::SetUpError;

use std::sync::Arc;

use claviger_audit::Cx;
use claviger_crypto::MacKey;
use claviger_crypto::opaque::OpaqueKeys;
use claviger_identity::passwords::Passwords;
use claviger_kernel::Unavailable;
use claviger_keys::KeyRing;
use claviger_notify::Notifier;
use claviger_session::sessions::{Lifetimes, SessionCache};
use claviger_tenancy::{Realm, Tenancy};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[set_up::sql::ALL];

/// The service behind every surface on which people sign in. Built once by the binary; clones share everything.
#[derive(Clone)]
pub struct Accounts {
    passwords: Passwords,
    ring: Arc<KeyRing>,
    tenancy: Arc<Tenancy>,
    notifier: Notifier,
    sessions: Arc<SessionCache>,
}

impl Accounts {
    /// The service over these parts.
    pub const fn new(
        passwords: Passwords,
        ring: Arc<KeyRing>,
        tenancy: Arc<Tenancy>,
        notifier: Notifier,
        sessions: Arc<SessionCache>,
    ) -> Self {
        Self { passwords, ring, tenancy, notifier, sessions }
    }

    pub(crate) fn realm(&self, cx: &Cx) -> Result<Arc<Realm>, Unavailable> {
        self.tenancy.by_id(cx.realm()).ok_or_else(|| Unavailable::new("the realm is not in the view"))
    }

    pub(crate) fn guard(&self, cx: &Cx) -> Result<MacKey, Unavailable> {
        self.ring.mac(cx.realm(), "guessing")
    }

    pub(crate) fn opaque(&self, cx: &Cx) -> Result<Arc<OpaqueKeys>, Unavailable> {
        self.ring.opaque(cx.realm())
    }

    /// The keys with which this cookie or link is to be read.
    pub(crate) async fn opaque_for(&self, cx: &Cx, text: &str) -> Result<Arc<OpaqueKeys>, Unavailable> {
        self.ring.opaque_for(cx.realm(), text).await
    }
}

/// How long sessions of a realm live.
pub fn lifetimes(realm: &Realm) -> Lifetimes {
    let settings = &realm.settings.sessions;
    Lifetimes { idle: settings.idle, absolute: settings.absolute, per_user: settings.limit }
}
