//! Whose turn it is to bring keys on, and whether everybody is ready for the next key.
//!
//! Of all nodes one at a time acts by schedule: it holds the lease `key-rotation` while it does, and every unit asserts
//! that lease's fence, so that neither a clock that jumps nor a runner that slept makes a second one (F23). Commands work
//! on any node without the lease; what they change is compared and set. A pending key takes over once every live node
//! has told that its views hold it: what one signs, all can verify.

use core::time::Duration;
use std::sync::atomic::Ordering;

use claviger_audit::Cx;
use claviger_kernel::{KeyId, Timestamp, Unavailable};
use claviger_storage::nodes::{self, Mark};
use claviger_storage::{Lease, Leases};

use crate::view::RealmKeys;
use crate::{KeyRing, KeyState};

/// The lease of who brings keys on.
pub(crate) const LEASE: &str = "key-rotation";
/// For how long a rotator that has died holds up the next.
const TTL: Duration = Duration::from_secs(30);
/// How soon a step is tried again that another node does, or for which another node is not ready.
const AGAIN: Duration = Duration::from_secs(2);

/// The right to bring keys on.
pub(crate) struct Turn {
    leases: Leases,
    lease: Lease,
    kept_at: Timestamp,
}

impl Turn {
    /// Takes the turn, unless another node has it.
    pub(crate) async fn take(cx: &Cx) -> Result<Option<Self>, Unavailable> {
        let leases = Leases::new(cx.db.clone(), cx.clock.clone(), cx.entropy.clone());
        let taken = leases.acquire(LEASE, TTL).await?;
        Ok(taken.map(|lease| Self { leases, lease, kept_at: cx.now() }))
    }

    /// Keeps the turn if a good part of its time is over; false if another node has it now.
    pub(crate) async fn keep(&mut self, cx: &Cx) -> Result<bool, Unavailable> {
        let now = cx.now();
        // Safety hangs on the fence; by this node's clock it is only told when to ask.
        if now.since(self.kept_at) < TTL / 3 && now >= self.kept_at {
            return Ok(true);
        }
        self.kept_at = now;
        self.leases.renew(&self.lease, TTL).await
    }

    /// The lease that every unit of the turn asserts.
    pub(crate) const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Lets the next one in at once.
    pub(crate) async fn end(self) {
        if let Err(fault) = self.leases.release(self.lease).await {
            tracing::warn!(reason = fault.reason(), "the turn to bring keys on runs out by itself");
        }
    }
}

impl KeyRing {
    /// Nothing is due before a moment from now: another node is at work, or not ready.
    pub(crate) fn put_off(&self, now: Timestamp) {
        self.not_before.store(now.plus(AGAIN).micros(), Ordering::Relaxed);
    }

    /// Whatever is due is due again.
    pub(crate) fn put_on(&self) {
        self.not_before.store(i64::MIN, Ordering::Relaxed);
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        Timestamp::from_micros(self.not_before.load(Ordering::Relaxed))
    }

    /// Remembers since when, by the database's time, the pending keys of `loaded` have been in the store.
    pub(crate) async fn note_pending(&self, loaded: &RealmKeys) -> Result<(), Unavailable> {
        let pending = || loaded.keys.iter().filter(|key| key.state == KeyState::Pending).map(|key| key.id);
        {
            let mut marks = self.marks.lock();
            for over in loaded.keys.iter().filter(|key| key.state != KeyState::Pending) {
                marks.remove(&over.id);
            }
            if pending().all(|id| marks.contains_key(&id)) {
                return Ok(());
            }
        }
        let mark = Mark::now(&self.db).await?;
        let mut marks = self.marks.lock();
        for id in pending() {
            marks.entry(id).or_insert(mark);
        }
        Ok(())
    }

    /// Whether every live node has told that its views hold the pending key `next`. A node that has been silent for half
    /// a minute is not waited for: it answers nothing that needs a key made since.
    pub(crate) async fn known_everywhere(&self, next: KeyId) -> Result<bool, Unavailable> {
        let noted = self.marks.lock().get(&next).copied();
        let mark = if let Some(mark) = noted {
            mark
        } else {
            let now = Mark::now(&self.db).await?;
            *self.marks.lock().entry(next).or_insert(now)
        };
        let behind = nodes::behind(&self.db, mark).await?;
        if !behind.is_empty() {
            tracing::info!(key = %next, nodes = behind.len(), "the next key waits for nodes that have not loaded it");
        }
        Ok(behind.is_empty())
    }
}
