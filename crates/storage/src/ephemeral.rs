//! Short-lived state behind one seam: sign-in flows, challenges, replay ids, rate counters.

use std::sync::Arc;

use claviger_kernel::{Clock, Entropy, RealmId, Timestamp, Unavailable};

use crate::{ColumnError, Committed, Expect, Row, Store, Unit, args, own};

pub(crate) mod sql {
    crate::statements! {
        /// Stores a value, in place of what stood there.
        pub(crate) PUT: "insert into ephemerals (realm_id, kind, key, value, count, expires_at) \
            values ($1, $2, $3, $4, 0, $5) on conflict (realm_id, kind, key) do update \
            set value = excluded.value, count = 0, expires_at = excluded.expires_at";
        /// The value and its expiry.
        pub(crate) GET: "select value, expires_at from ephemerals where realm_id = $1 and kind = $2 and key = $3";
        /// Removes the value and gives it back.
        pub(crate) TAKE: "delete from ephemerals where realm_id = $1 and kind = $2 and key = $3 \
            returning value, expires_at";
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

/// Short-lived values by realm, kind and key; each has an expiry, after which it does not exist.
///
/// Today they stand in the database. Lock-outs and TOTP steps are rows of their own and never come here. A value is
/// expired as soon as the clock handed in reads `expires`.
#[derive(Clone)]
pub struct Ephemeral {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

fn value(row: &Row<'_>) -> Result<(Vec<u8>, Timestamp), ColumnError> {
    Ok((row.get(0)?, row.get(1)?))
}

impl Ephemeral {
    /// Short-lived state in `store`.
    pub const fn in_database(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Stores `value` until `expires`, in place of what stood there.
    pub async fn put(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        value: Vec<u8>,
        expires: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut unit = self.unit(realm);
        unit.one("ephemeral", &sql::PUT, args![realm, kind, key, value, expires]);
        self.commit(unit).await.map(drop)
    }

    /// The value, left where it is.
    pub async fn get(&self, realm: RealmId, kind: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let found = self.store.get(&sql::GET, args![realm, kind, key], value).await?;
        Ok(self.living(found))
    }

    /// The value, which is gone afterwards: of any number of callers exactly one gets it.
    pub async fn take(&self, realm: RealmId, kind: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let mut unit = self.unit(realm);
        unit.returning("ephemeral", &sql::TAKE, args![realm, kind, key], Expect::Any);
        let taken = self.commit(unit).await?.first("ephemeral", value).map_err(|error| own::column(&error))?;
        Ok(self.living(taken))
    }

    /// Counts one up from zero and returns the count; the first sets the expiry, later ones keep it.
    pub async fn increment(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        expires: Timestamp,
    ) -> Result<u64, Unavailable> {
        let mut unit = self.unit(realm);
        let args = args![realm, kind, key, Vec::new(), expires, self.clock.now()];
        unit.returning("ephemeral", &sql::INCREMENT, args, Expect::Exactly(1));
        let count =
            self.commit(unit).await?.first("ephemeral", |row| row.get(0)).map_err(|error| own::column(&error))?;
        count.ok_or_else(|| Unavailable::new("the count was not given back"))
    }

    /// Drops up to `batch` expired values; returns how many. Called until it returns less.
    pub async fn expire(&self, batch: u32) -> Result<u64, Unavailable> {
        let mut unit = self.unit(own::NO_REALM);
        unit.returning("ephemeral", &sql::EXPIRE, args![self.clock.now(), batch], Expect::Any);
        Ok(self.commit(unit).await?.rows("ephemeral").len() as u64)
    }

    async fn commit(&self, unit: Unit) -> Result<Committed, Unavailable> {
        self.store.commit(unit).await.map_err(own::fault)
    }

    fn unit(&self, realm: RealmId) -> Unit {
        own::unit(realm, &*self.clock, &*self.entropy)
    }

    fn living(&self, found: Option<(Vec<u8>, Timestamp)>) -> Option<Vec<u8>> {
        found.filter(|(_, expires)| *expires > self.clock.now()).map(|(value, _)| value)
    }
}
