//! Short-lived values as rows: where they stand by themselves, and where they stand in for Redis.

use std::sync::Arc;

use claviger_kernel::{Clock, Entropy, RealmId, Timestamp, Unavailable};

use super::Slot;
use crate::{ColumnError, Committed, Expect, Row, Store, Unit, Value, args, own};

pub(crate) mod sql {
    crate::statements! {
        /// Stores a value, in place of what stood there.
        pub(crate) PUT: "insert into ephemerals (realm_id, kind, key, value, count, expires_at) \
            values ($1, $2, $3, $4, 0, $5) on conflict (realm_id, kind, key) do update \
            set value = excluded.value, count = 0, expires_at = excluded.expires_at, taken = false";
        /// The value and its expiry, and whether it was taken.
        pub(crate) GET: "select value, expires_at, taken from ephemerals \
            where realm_id = $1 and kind = $2 and key = $3";
        /// Removes the value and gives it back.
        pub(crate) TAKE: "delete from ephemerals where realm_id = $1 and kind = $2 and key = $3 and not taken \
            returning value, expires_at";
        /// Marks the value taken and gives it back.
        pub(crate) MARK_TAKEN: "update ephemerals set taken = true \
            where realm_id = $1 and kind = $2 and key = $3 and not taken returning value, expires_at";
        /// Stores a value in place of the one that is expected there and has not expired ($7 is the time now).
        pub(crate) REPLACE: "update ephemerals set value = $5, expires_at = $6 \
            where realm_id = $1 and kind = $2 and key = $3 and value = $4 and not taken and expires_at > $7 \
            returning expires_at";
        /// Counts one up, anew if the old count has expired ($6 is the time now).
        pub(crate) INCREMENT: "insert into ephemerals (realm_id, kind, key, value, count, expires_at) \
            values ($1, $2, $3, $4, 1, $5) on conflict (realm_id, kind, key) do update set \
            count = case when ephemerals.expires_at > $6 then ephemerals.count + 1 else 1 end, \
            expires_at = case when ephemerals.expires_at > $6 then ephemerals.expires_at else excluded.expires_at end \
            returning count";
        /// Drops some of what has expired.
        pub(crate) EXPIRE: shared("expired rows of every realm go alike") "delete from ephemerals \
            where expires_at <= $1 and (realm_id, kind, key) in \
            (select realm_id, kind, key from ephemerals where expires_at <= $1 order by expires_at limit $2) \
            returning expires_at";
    }
}

/// What the database says of a key.
pub(super) enum Held {
    /// There is no row.
    Nothing,
    /// There is one, and it decides: a value, or none because it was taken or has expired.
    Row(Option<Vec<u8>>),
}

/// Short-lived values in the database.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

fn value(row: &Row<'_>) -> Result<(Vec<u8>, Timestamp), ColumnError> {
    Ok((row.get(0)?, row.get(1)?))
}

fn held(row: &Row<'_>) -> Result<(Vec<u8>, Timestamp, bool), ColumnError> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

impl Database {
    /// The time by the clock that all nodes share: one stores, another judges what has expired.
    pub(super) fn now(&self) -> Timestamp {
        self.shared(self.clock.now())
    }

    /// A time of this process by the clock that all nodes share.
    pub(super) fn shared(&self, time: Timestamp) -> Timestamp {
        self.store.shared_time(time)
    }

    pub(super) async fn put(&self, slot: Slot<'_>, value: &[u8], expires: Timestamp) -> Result<(), Unavailable> {
        let mut unit = self.unit(slot.realm);
        unit.one("ephemeral", &sql::PUT, slot.args(args![value, expires]));
        self.commit(unit).await.map(drop)
    }

    pub(super) async fn get(&self, slot: Slot<'_>) -> Result<Held, Unavailable> {
        let found = self.store.get(&sql::GET, slot.args(Vec::new()), held).await?;
        Ok(found.map_or(Held::Nothing, |(value, expires, taken)| {
            Held::Row((!taken && expires > self.now()).then_some(value))
        }))
    }

    /// Takes the value; with `leave` its row stays behind as taken.
    pub(super) async fn take(&self, slot: Slot<'_>, leave: bool) -> Result<Option<Vec<u8>>, Unavailable> {
        let mut unit = self.unit(slot.realm);
        let sql = if leave { &sql::MARK_TAKEN } else { &sql::TAKE };
        unit.returning("ephemeral", sql, slot.args(Vec::new()), Expect::Any);
        let taken = self.commit(unit).await?.first("ephemeral", value).map_err(|error| own::column(&error))?;
        Ok(taken.filter(|(_, expires)| *expires > self.now()).map(|(value, _)| value))
    }

    pub(super) async fn replace(
        &self,
        slot: Slot<'_>,
        old: &[u8],
        new: &[u8],
        expires: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut unit = self.unit(slot.realm);
        let args = slot.args(args![old, new, expires, self.now()]);
        unit.returning("ephemeral", &sql::REPLACE, args, Expect::Any);
        Ok(!self.commit(unit).await?.rows("ephemeral").is_empty())
    }

    pub(super) async fn increment(&self, slot: Slot<'_>, expires: Timestamp) -> Result<u64, Unavailable> {
        let mut unit = self.unit(slot.realm);
        let args = slot.args(args![Vec::new(), expires, self.now()]);
        unit.returning("ephemeral", &sql::INCREMENT, args, Expect::Exactly(1));
        let count = self.commit(unit).await?.first("ephemeral", |row| row.get(0));
        count.map_err(|error| own::column(&error))?.ok_or_else(|| Unavailable::new("the count was not given back"))
    }

    pub(super) async fn expire(&self, batch: u32) -> Result<u64, Unavailable> {
        let mut unit = self.unit(own::NO_REALM);
        unit.returning("ephemeral", &sql::EXPIRE, args![self.now(), batch], Expect::Any);
        Ok(self.commit(unit).await?.rows("ephemeral").len() as u64)
    }

    pub(super) async fn commit(&self, unit: Unit) -> Result<Committed, Unavailable> {
        self.store.commit(unit).await.map_err(own::fault)
    }

    pub(super) fn unit(&self, realm: RealmId) -> Unit {
        own::unit(realm, &*self.clock, &*self.entropy)
    }
}

impl Slot<'_> {
    /// The bound values that name the row, and `more` after them.
    fn args(self, more: Vec<Value>) -> Vec<Value> {
        let mut args = args![self.realm, self.kind, self.key];
        args.extend(more);
        args
    }
}
