//! Units over the engine's own rows, which leave no audit event: they say nothing about anybody.

use claviger_kernel::{Clock, Entropy, RealmId, Timestamp, Unavailable, UnitId};

use crate::{ColumnError, CommitError, Committed, Expect, Store, Unit, args};

pub(crate) mod sql {
    crate::statements! {
        /// Drops some of the traces of quiet units.
        pub(crate) FORGET: shared("traces of every realm go alike") "delete from quiet_units \
            where at < $1 and (realm_id, id) in \
            (select realm_id, id from quiet_units where at < $1 order by at limit $2) returning at";
    }
}

/// The realm of units over rows that belong to none.
pub(crate) const NO_REALM: RealmId = RealmId::from_bytes([0; 16]);

pub(crate) fn unit(realm: RealmId, clock: &dyn Clock, entropy: &dyn Entropy) -> Unit {
    let now = clock.now();
    Unit::new(UnitId::new(now, entropy), realm, now, None)
}

/// A conflict where none is possible by the statement's form.
pub(crate) fn fault(error: CommitError) -> Unavailable {
    match error {
        CommitError::Conflict(label) => Unavailable::new(format!("unexpected conflict: {label}")),
        CommitError::Unavailable(unavailable) => unavailable,
    }
}

pub(crate) fn column(error: &ColumnError) -> Unavailable {
    Unavailable::new(error.to_string())
}

/// Drops up to `batch` traces of quiet units begun before `before`; returns how many. Called until it returns less.
///
/// A trace is looked up within seconds of its unit or never.
pub async fn forget_quiet_units(
    store: &Store,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    before: Timestamp,
    batch: u32,
) -> Result<u64, Unavailable> {
    let mut unit = unit(NO_REALM, clock, entropy);
    unit.returning("quiet_units", &sql::FORGET, args![before, batch], Expect::Any);
    Ok(store.commit(unit).await.map_err(fault)?.rows("quiet_units").len() as u64)
}

/// Drops up to `batch` entries of the change log from before `before`; returns how many. Called until it returns less.
///
/// Who has not looked at the log for as long loads everything again.
pub async fn forget_changes(
    store: &Store,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    before: Timestamp,
    batch: u32,
) -> Result<u64, Unavailable> {
    let mut unit = unit(NO_REALM, clock, entropy);
    unit.returning("change_log", &crate::changes::sql::FORGET, args![before, batch], Expect::Any);
    Ok(store.commit(unit).await.map_err(fault)?.rows("change_log").len() as u64)
}

/// Whether the unit was committed, where a conflict under `label` is an answer and not a fault.
pub(crate) fn done_unless(outcome: Result<Committed, CommitError>, label: &str) -> Result<bool, Unavailable> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.conflict() == Some(label) => Ok(false),
        Err(error) => Err(fault(error)),
    }
}
