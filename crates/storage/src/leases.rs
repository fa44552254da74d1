//! Leases: one runner at a time for a background task, with a fence that its units assert again.
//!
//! The age of a lease is judged by the database's time, which every node shares; a node with a wrong clock can neither
//! steal a lease nor keep one. A runner that was only slow finds its fence gone and commits nothing.

use std::sync::Arc;
use std::time::Duration;

use claviger_kernel::{Clock, Entropy, Id, Unavailable};

use crate::{Expect, Store, Unit, args, own};

pub(crate) mod sql {
    crate::statements! {
        /// Takes a lease that is free or has run out ($3 is the database's time).
        pub(crate) ACQUIRE: shared("a lease belongs to the server, not to a realm") "insert into leases \
            (name, holder, fence, expires_at) values ($1, $2, 1, $4) on conflict (name) do update \
            set holder = excluded.holder, fence = leases.fence + 1, expires_at = excluded.expires_at \
            where leases.expires_at <= $3 returning fence";
        /// Keeps a lease that nobody else has taken since.
        pub(crate) RENEW: shared("a lease belongs to the server, not to a realm") "update leases \
            set expires_at = $4 where name = $1 and holder = $2 and fence = $3";
        /// Lets go of a lease; the fence stays, so that it never goes back.
        pub(crate) RELEASE: shared("a lease belongs to the server, not to a realm") "update leases \
            set expires_at = 0 where name = $1 and holder = $2 and fence = $3";
        /// Still the holder: nobody has taken the lease since.
        pub(crate) HELD: shared("a lease belongs to the server, not to a realm") "select fence from leases \
            where name = $1 and holder = $2 and fence = $3";
    }
}

/// One node's hand on the leases.
#[derive(Clone)]
pub struct Leases {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// The right to run one task, until it runs out or somebody takes it over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    name: &'static str,
    holder: [u8; 16],
    fence: i64,
}

impl Lease {
    /// The task.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Grows with every holder.
    pub const fn fence(&self) -> i64 {
        self.fence
    }

    /// Makes `unit` a conflict called `lease` if somebody else has taken the lease meanwhile.
    pub fn guard(&self, unit: &mut Unit) {
        unit.require("lease", &sql::HELD, args![self.name, self.holder, self.fence]);
    }
}

impl Leases {
    /// Leases kept in `store`.
    pub const fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// The lease `name` for `ttl`, unless somebody holds it. Every acquisition is a holder of its own.
    pub async fn acquire(&self, name: &'static str, ttl: Duration) -> Result<Option<Lease>, Unavailable> {
        let now = self.store.database_time().await?;
        let mut unit = own::unit(own::NO_REALM, &*self.clock, &*self.entropy);
        let holder = *Id::<()>::new(now, &*self.entropy).as_bytes();
        unit.returning("lease", &sql::ACQUIRE, args![name, holder, now, now.plus(ttl)], Expect::Any);
        let committed = self.store.commit(unit).await.map_err(own::fault)?;
        let fence = committed.first("lease", |row| row.get(0)).map_err(|error| own::column(&error))?;
        Ok(fence.map(|fence| Lease { name, holder, fence }))
    }

    /// Keeps `lease` for another `ttl` from now; false if somebody else has it.
    pub async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, Unavailable> {
        let until = self.store.database_time().await?.plus(ttl);
        let mut unit = own::unit(own::NO_REALM, &*self.clock, &*self.entropy);
        unit.one("lease", &sql::RENEW, args![lease.name, lease.holder, lease.fence, until]);
        own::done_unless(self.store.commit(unit).await, "lease")
    }

    /// Lets go of `lease`, so that the next runner need not wait for its end.
    pub async fn release(&self, lease: Lease) -> Result<(), Unavailable> {
        let mut unit = own::unit(own::NO_REALM, &*self.clock, &*self.entropy);
        unit.any("lease", &sql::RELEASE, args![lease.name, lease.holder, lease.fence]);
        self.store.commit(unit).await.map(drop).map_err(own::fault)
    }
}
