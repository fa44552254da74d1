//! The master key is recognised at start and changed while the server runs.
//!
//! A change has three kinds of unit: the next master key becomes the one that wraps; the keys are wrapped anew, some at
//! a time; the old one goes once nothing is wrapped under it. In between each row opens with one of the two, both stand
//! where a restart finds them, and the next tick goes on (F06).

use std::sync::Arc;

use claviger_audit::{Cx, unit};
use claviger_kernel::{KeyId, RealmId, Secret, Unavailable};
use claviger_storage::{CommitError, Store, args};
use claviger_tenancy::Tenancy;

use crate::master::{Masters, Place};
use crate::rotate::in_realm;
use crate::sql::{self, MasterRow, WrappedKey};
use crate::{KeyRing, MasterError, MasterId, MasterKey, MasterOrigin, events};

/// Keys that one unit wraps anew.
const CHUNK: i64 = 50;
/// The master key belongs to the server, not to a realm.
const NO_REALM: RealmId = RealmId::from_bytes([0; 16]);

/// Finds among the master keys at hand those that the store needs; records the first one over an empty store.
pub(crate) async fn recognise(cx: &Cx, tenancy: &Tenancy, origin: &MasterOrigin) -> Result<Masters, MasterError> {
    let rows = recorded(&cx.db, cx.realm()).await?;
    let at_hand = origin.read()?;
    if rows.is_empty() && tenancy.all().is_empty() {
        return first(cx, origin, at_hand).await;
    }
    among(&rows, at_hand, origin)
}

/// The master keys of `rows` among those at hand.
fn among(rows: &[MasterRow], mut at_hand: Vec<MasterKey>, origin: &MasterOrigin) -> Result<Masters, MasterError> {
    let needed = rows.iter().find(|row| row.current).ok_or(MasterError::Record("incomplete"))?;
    let place = origin.place();
    let found = at_hand.first().map(MasterKey::id).ok_or_else(|| MasterError::Missing(place.clone()))?;
    let mut take = |row: &MasterRow| -> Result<Option<Arc<MasterKey>>, MasterError> {
        let Some(at) = at_hand.iter().position(|key| key.id() == MasterId(row.id)) else { return Ok(None) };
        let key = at_hand.swap_remove(at);
        if key.proves(&row.proof) { Ok(Some(Arc::new(key))) } else { Err(MasterError::Record("damaged")) }
    };
    let current = take(needed)?;
    let leaving = rows.iter().find(|row| !row.current);
    let left = leaving.map(&mut take).transpose()?;
    match (current, left) {
        (Some(current), None) => {
            // A change that was finished in the store, but not on the disk.
            origin.promote(current.id())?;
            Ok(Masters { current, leaving: None })
        }
        (Some(current), Some(Some(leaving))) => Ok(Masters { current, leaving: Some(leaving) }),
        (None, None | Some(None)) => Err(MasterError::Wrong { place, found, needed: MasterId(needed.id) }),
        (None, Some(Some(_))) => Err(MasterError::Half { needed: MasterId(needed.id), place }),
        (Some(_), Some(None)) => {
            let needed = MasterId(leaving.map_or(needed.id, |row| row.id));
            Err(MasterError::Half { needed, place })
        }
    }
}

async fn recorded(db: &Store, realm: RealmId) -> Result<Vec<MasterRow>, Unavailable> {
    db.list(realm, &sql::MASTERS, args![], MasterRow::read).await
}

/// The first start: uses the master key that was laid out, or makes one.
async fn first(cx: &Cx, origin: &MasterOrigin, at_hand: Vec<MasterKey>) -> Result<Masters, MasterError> {
    let key = at_hand.into_iter().next().map_or_else(|| origin.make(&*cx.entropy), Ok)?;
    let mut unit = unit(cx, events::master_key_recorded(key.id()));
    unit.one("master", &sql::MASTER_INSERT, args![key.id().0, key.proof(&*cx.entropy), unit.now()]);
    match cx.commit(unit).await {
        Ok(_) => Ok(Masters { current: Arc::new(key), leaving: None }),
        Err(CommitError::Unavailable(fault)) => Err(fault.into()),
        // Another node started over the same empty store, and was faster.
        Err(CommitError::Conflict(_)) => {
            let rows = recorded(&cx.db, cx.realm()).await?;
            let needed = rows.into_iter().find(|row| row.current).ok_or(MasterError::Record("incomplete"))?;
            if key.proves(&needed.proof) {
                return Ok(Masters { current: Arc::new(key), leaving: None });
            }
            Err(MasterError::Wrong { place: origin.place(), found: key.id(), needed: MasterId(needed.id) })
        }
    }
}

impl KeyRing {
    /// The id of the master key under which new keys are wrapped.
    pub fn master(&self) -> MasterId {
        self.masters.load().current.id()
    }

    /// Changes the master key to `next`, or to a new one where the master key stands in a file, and wraps every key anew.
    ///
    /// Interrupted at any point it is taken up by the next tick, or by calling this again.
    ///
    /// # Errors
    /// [`MasterError::UnderWay`] while another change is not finished; [`MasterError::Damaged`] if rows do not unwrap: the
    /// change then stays open, with both master keys needed, until they are restored or removed.
    pub async fn change_master(&self, cx: &Cx, next: Option<&Secret<String>>) -> Result<MasterId, MasterError> {
        let masters = self.masters.load_full();
        if masters.leaving.is_none() {
            let next = self.origin.next(next, masters.current.id(), &*cx.entropy)?;
            self.begin_change(cx, &masters.current, next).await?;
        } else if !next.is_none_or(|text| MasterKey::parse(text).is_ok_and(|key| key.id() == masters.current.id())) {
            return Err(MasterError::UnderWay);
        }
        self.finish_change(cx).await
    }

    /// Finds the master keys that the store needs now, if another node has changed them. Where one is not at hand the
    /// ring goes on with those that it has, and names in the log what is missing.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer.
    pub(crate) async fn look_at_masters(&self) -> Result<(), Unavailable> {
        let rows = recorded(&self.db, NO_REALM).await?;
        let known = self.masters.load_full();
        let of = |current| rows.iter().find(|row| row.current == current).map(|row| MasterId(row.id));
        if (of(true), of(false)) == (Some(known.current.id()), known.leaving.as_ref().map(|key| key.id())) {
            return Ok(());
        }
        match self.origin.read().and_then(|at_hand| among(&rows, at_hand, &self.origin)) {
            Ok(masters) => {
                self.masters.rcu(|now| {
                    // Not if this node has changed it meanwhile.
                    if Arc::ptr_eq(now, &known) { Arc::new(masters.clone()) } else { Arc::clone(now) }
                });
            }
            Err(problem) => tracing::error!(%problem, "another node has changed the master key"),
        }
        Ok(())
    }

    /// Takes up a change of the master key that was interrupted.
    pub(crate) async fn resume_change(&self, cx: &Cx) -> Result<(), Unavailable> {
        if self.masters.load().leaving.is_none() {
            return Ok(());
        }
        self.finish_change(cx).await.map(drop).map_err(|error| match error {
            MasterError::Unavailable(fault) => fault,
            other => Unavailable::new(other.to_string()),
        })
    }

    /// From here on the next master key wraps.
    pub(crate) async fn begin_change(
        &self,
        cx: &Cx,
        current: &Arc<MasterKey>,
        next: MasterKey,
    ) -> Result<(), MasterError> {
        let (from, to) = (current.id(), next.id());
        let mut unit = unit(cx, events::master_key_change_began(from, to));
        unit.one("master", &sql::MASTER_LEAVES, args![from.0, unit.now()]);
        unit.one("master", &sql::MASTER_INSERT, args![to.0, next.proof(&*cx.entropy), unit.now()]);
        unit.changed("master_key", to.0);
        match cx.commit(unit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(_)) => return Err(MasterError::UnderWay),
            Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
        }
        let leaving = Some(Arc::clone(current));
        self.masters.store(Arc::new(Masters { current: Arc::new(next), leaving }));
        Ok(())
    }

    /// Wraps what is left under the old master key, then lets it go.
    async fn finish_change(&self, cx: &Cx) -> Result<MasterId, MasterError> {
        let masters = self.masters.load_full();
        let current = masters.current.id();
        let Some(leaving) = &masters.leaving else { return Ok(current) };
        // A realm made since has wrapped under the new one, whichever node made it: its unit asserts that.
        self.tenancy.reload().await?;
        let mut damaged = 0;
        for realm in self.tenancy.all() {
            damaged += self.rewrap(&in_realm(cx, realm.id), leaving, &masters.current, CHUNK).await?;
            self.reload(realm.id).await?;
        }
        if damaged > 0 {
            return Err(MasterError::Damaged(damaged));
        }
        let mut unit = unit(cx, events::master_key_changed(leaving.id(), current));
        unit.one("master", &sql::MASTER_GONE, args![leaving.id().0, unit.now()]);
        unit.changed("master_key", current.0);
        match cx.commit(unit).await {
            // Two that finish the same change: the other was faster.
            Ok(_) | Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
        }
        self.origin.promote(current)?;
        // Not if another change has begun meanwhile.
        self.masters.rcu(|now| match &now.leaving {
            Some(left) if left.id() == leaving.id() => {
                Arc::new(Masters { current: Arc::clone(&masters.current), leaving: None })
            }
            _ => Arc::clone(now),
        });
        Ok(current)
    }

    /// Wraps the keys of the caller's realm anew, `chunk` in a unit, and counts those that do not unwrap.
    pub(crate) async fn rewrap(
        &self,
        cx: &Cx,
        from: &MasterKey,
        to: &MasterKey,
        chunk: i64,
    ) -> Result<usize, MasterError> {
        let mut damaged = 0;
        let mut after = KeyId::from_bytes([0; 16]);
        loop {
            let args = args![cx.realm(), from.id().0, after, chunk];
            let page = cx.db.list(cx.realm(), &sql::WRAPPED_UNDER, args, WrappedKey::read).await?;
            let Some(last) = page.last() else { return Ok(damaged) };
            after = last.id;
            damaged += rewrap_page(cx, from, to, &page).await?;
        }
    }
}

/// Wraps the keys of one page anew, in one unit, and counts those that do not unwrap.
pub(crate) async fn rewrap_page(
    cx: &Cx,
    from: &MasterKey,
    to: &MasterKey,
    page: &[WrappedKey],
) -> Result<usize, MasterError> {
    let wrapped: Vec<(KeyId, Vec<u8>)> = page.iter().filter_map(|key| rewrapped(cx, from, to, key)).collect();
    let damaged = page.len() - wrapped.len();
    if wrapped.is_empty() {
        return Ok(damaged);
    }
    let mut unit = unit(cx, events::keys_rewrapped(to.id(), wrapped.len() as u64));
    for (id, bytes) in wrapped {
        // Removed meanwhile, or wrapped by another runner: nothing is left to do for it.
        unit.any("key", &sql::REWRAP, args![cx.realm(), id, from.id().0, to.id().0, bytes]);
    }
    cx.commit(unit).await.map_err(|error| match error {
        CommitError::Conflict(label) => Unavailable::new(format!("a rewrap missed {label}")),
        CommitError::Unavailable(fault) => fault,
    })?;
    Ok(damaged)
}

fn rewrapped(cx: &Cx, from: &MasterKey, to: &MasterKey, key: &WrappedKey) -> Option<(KeyId, Vec<u8>)> {
    let realm: RealmId = cx.realm();
    let place = Place { realm, id: key.id, purpose: key.purpose, number: key.number };
    match from.unwrap(&place, &key.wrapped) {
        Ok(secret) => Some((key.id, to.wrap(&*cx.entropy, &place, secret.expose()))),
        Err(problem) => {
            tracing::error!(realm = %realm, key = %key.id, %problem, "damaged key left as it is");
            None
        }
    }
}
