//! What every crate of Claviger speaks in: ids, time, randomness, the caller and the tenant, secrets, error classes.
//!
//! No I/O, no runtime, no domain. A change here rebuilds everything, so this crate stays tiny and dull.

mod caller;
mod entropy;
mod error;
mod id;
mod secret;
mod time;

pub use caller::{Actor, Caller, SYSTEM_REASONS, Source, SystemReason};
pub use entropy::{Entropy, SeededEntropy};
pub use error::{ErrorClass, Unavailable};
pub use id::{
    ApiKeyId, ClientId, CodeId, CredentialId, EmailId, EventId, FamilyId, FlowId, GrantId, Id, IdError, IdKind, JobId,
    KeyId, MessageId, OrganizationId, RealmId, RequestId, ResourceServerId, RoleId, SecretId, ServiceAccountId,
    SessionId, Shard, UnitId, UserId, kind,
};
pub use secret::{Reveal, Secret, constant_time_eq};
pub use time::{Clock, ManualClock, Timestamp, Wake};
