//! Leases: one runner at a time, with a fence.
pub(crate) mod sql {
    crate::statements! {}
}
/// A lease.
pub struct Lease;
/// The leases.
pub struct Leases;
