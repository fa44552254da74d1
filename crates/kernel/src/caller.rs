//! Who asks: the realm, the organization, the actor, the time and the request. Nothing is written without one.

use core::fmt;
use core::net::IpAddr;

use crate::{ClientId, OrganizationId, RealmId, RequestId, ServiceAccountId, Timestamp, UserId};

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Nobody is known yet: a visitor of the sign-in page.
    Anonymous,
    /// A signed-in user.
    User(UserId),
    /// A client that has proved itself.
    Client(ClientId),
    /// A machine identity.
    ServiceAccount(ServiceAccountId),
    /// The person at the machine, proven by the socket's peer uid or by holding the store's lock.
    Operator,
    /// Claviger itself, for one of the reasons in [`SYSTEM_REASONS`].
    System(SystemReason),
}

impl fmt::Display for Actor {
    /// The form in which audit rows keep an actor: `user:usr_…`, `operator`, `system:key rotation`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::ServiceAccount(id) => write!(f, "service_account:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System(reason) => write!(f, "system:{}", reason.0),
        }
    }
}

/// Why Claviger acts without anybody asking; only the constants below exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemReason(&'static str);

impl SystemReason {
    /// First start on an empty store: the realm `main`, its keys, the set-up link.
    pub const BOOTSTRAP: Self = Self("bootstrap");
    /// Keys are made, published, switched and removed by schedule.
    pub const KEY_ROTATION: Self = Self("key rotation");
    /// Expired rows are dropped.
    pub const EXPIRY: Self = Self("expiry");
    /// Queued messages are delivered.
    pub const DELIVERY: Self = Self("delivery");
    /// Audit rows are chained and signed.
    pub const SEALING: Self = Self("sealing");
    /// Queued jobs are run.
    pub const JOBS: Self = Self("jobs");
    /// The demonstration data of `claviger dev`.
    pub const DEVELOPMENT: Self = Self("development");
    /// A node tells that it lives and what it has loaded.
    pub const HEARTBEAT: Self = Self("heartbeat");
    /// Issues to machines are counted, minute by minute.
    pub const ISSUE_COUNT: Self = Self("issue count");

    /// The reason in words.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Every reason for which Claviger acts by itself: the reviewed list.
pub const SYSTEM_REASONS: &[SystemReason] = &[
    SystemReason::BOOTSTRAP,
    SystemReason::KEY_ROTATION,
    SystemReason::EXPIRY,
    SystemReason::DELIVERY,
    SystemReason::SEALING,
    SystemReason::JOBS,
    SystemReason::DEVELOPMENT,
    SystemReason::HEARTBEAT,
    SystemReason::ISSUE_COUNT,
];

/// From where a request came: one bucket per IPv4 address or IPv6 /64 (A104), whatever its spelling.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source(IpAddr);

impl Source {
    /// The bucket of `address`; an IPv4 address mapped into IPv6 counts as itself.
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => Self(IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into())),
        }
    }

    /// The address that stands for the whole bucket.
    pub const fn bucket(self) -> IpAddr {
        self.0
    }
}

/// The context of a read or a write: whose data, who asks, when, in which request.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Whose data.
    pub realm: RealmId,
    /// The organization, where the request speaks of one.
    pub organization: Option<OrganizationId>,
    /// Who acts.
    pub actor: Actor,
    /// When the request arrived.
    pub at: Timestamp,
    /// The request's id, as shown on error pages and kept in audit rows.
    pub request: RequestId,
    /// From where the request came, if over a network.
    pub source: Option<Source>,
}

impl Caller {
    /// Claviger itself, for `reason`.
    pub const fn system(realm: RealmId, at: Timestamp, request: RequestId, reason: SystemReason) -> Self {
        Self { realm, organization: None, actor: Actor::System(reason), at, request, source: None }
    }

    /// The same request, now that `actor` is known.
    #[must_use]
    pub const fn acting(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a104_addresses_of_one_network_share_a_bucket_in_every_spelling() {
        let source = |text: &str| Source::new(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:0db8:0001:0002:ffff:ffff:ffff:ffff"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.7"), source("192.0.2.7"));
        assert_ne!(source("192.0.2.7"), source("192.0.2.8"));
    }

    #[test]
    fn reasons_are_distinct() {
        for (place, reason) in SYSTEM_REASONS.iter().enumerate() {
            assert!(!SYSTEM_REASONS[..place].contains(reason), "{reason:?} stands twice");
        }
    }
}
