//! Short-lived state behind one seam: sign-in flows, challenges, replay ids, rate counters.
//!
//! It stands in the database, or on Redis (or Valkey) with the database standing in whenever Redis cannot answer. It is
//! never the truth about a session, a revocation or a lock-out: those are rows of their own.

mod database;
mod redis;
mod turn;

use std::sync::Arc;

use claviger_kernel::{Clock, Entropy, RealmId, Secret, Timestamp, Unavailable};

use self::database::{Database, Held};
use self::redis::{Redis, RedisFault};
use self::turn::Turns;
use crate::{OpenError, Store};

pub use self::redis::Patience as RedisPatience;

pub(crate) use self::database::sql;
pub(crate) use self::turn::sql as turn_sql;

/// Short-lived values by realm, kind and key; each has an expiry, after which it does not exist.
///
/// A value is expired as soon as the clock handed in reads `expires`; where nodes' clocks differ, as soon as the database's
/// reads what the storing node took it to be at `expires` ([`Store::shared_time`]). Nothing here outlives a fault for certain: a caller
/// must be able to go on (begin anew, ask again) when a value is gone before its time.
#[derive(Clone)]
pub struct Ephemeral {
    database: Database,
    redis: Option<Arc<OnRedis>>,
}

struct OnRedis {
    redis: Redis,
    turns: Arc<Turns>,
}

/// The name of one value.
#[derive(Clone, Copy)]
struct Slot<'a> {
    realm: RealmId,
    kind: &'static str,
    key: &'a [u8],
}

/// What [`Ephemeral::first_use`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstUse {
    /// Nobody has used the id before.
    First,
    /// It was used before.
    Again,
    /// It was issued before the moment from which uses are remembered: it must be refused.
    Forgotten,
}

impl Ephemeral {
    /// Short-lived state in `store`.
    pub const fn in_database(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { database: Database { store, clock, entropy }, redis: None }
    }

    /// Short-lived state on the Redis at `url` (`redis://user:password@host:port/number`), with `store` behind it.
    ///
    /// A Redis that cannot be reached does not stop anything: the database stands in until it can.
    ///
    /// # Errors
    /// [`OpenError::Options`] for an address that cannot be used at all.
    pub async fn on_redis(
        url: &Secret<String>,
        patience: RedisPatience,
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let database = Database { store, clock, entropy };
        let turns = Arc::new(Turns::new(database.clone()));
        let redis = Redis::open(url, Arc::clone(&turns), patience).await?;
        Ok(Self { database, redis: Some(Arc::new(OnRedis { redis, turns })) })
    }

    /// Whether Redis, if there is one, answers; the reason if not. Nothing but speed depends on it.
    pub fn redis_answers(&self) -> Result<(), Unavailable> {
        self.redis.as_ref().map_or(Ok(()), |on| on.redis.answers())
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
        let (slot, expires) = (Slot { realm, kind, key }, self.database.shared(expires));
        let Some(on) = &self.redis else { return self.database.put(slot, &value, expires).await };
        // A row decides for its key: where one is, a new value must not stand anywhere else. So it is, too, where Redis
        // may have taken the value without saying so.
        if matches!(self.database.get(slot).await?, Held::Nothing)
            && on.in_turn(on.redis.put(slot, &value, expires)).await?.is_some()
        {
            return Ok(());
        }
        self.database.put(slot, &value, expires).await
    }

    /// The value, left where it is.
    pub async fn get(&self, realm: RealmId, kind: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let slot = Slot { realm, kind, key };
        let row = self.database.get(slot);
        let Some(on) = &self.redis else { return row.await.map(Held::value) };
        let (row, copy) = futures_util::future::join(row, on.redis.get(slot)).await;
        match row? {
            Held::Row(value) => Ok(value),
            Held::Nothing => gone_while_down(copy),
        }
    }

    /// The value, which is gone afterwards: of any number of callers exactly one gets it.
    pub async fn take(&self, realm: RealmId, kind: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let slot = Slot { realm, kind, key };
        let Some(on) = &self.redis else { return self.database.take(slot, false).await };
        let (row, copy) = futures_util::future::join(self.database.get(slot), on.redis.take(slot)).await;
        match row? {
            Held::Row(None) => Ok(None),
            Held::Row(Some(_)) => self.database.take(slot, true).await,
            Held::Nothing => gone_while_down(copy),
        }
    }

    /// Stores `new` until `expires` if `old` stands there; whether it did. Of parallel callers with the same `old` one
    /// succeeds, unless `new` is the same too.
    pub async fn replace(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        old: &[u8],
        new: &[u8],
        expires: Timestamp,
    ) -> Result<bool, Unavailable> {
        let (slot, expires) = (Slot { realm, kind, key }, self.database.shared(expires));
        let Some(on) = &self.redis else { return self.database.replace(slot, old, new, expires).await };
        match self.database.get(slot).await? {
            Held::Row(None) => Ok(false),
            Held::Row(Some(_)) => self.database.replace(slot, old, new, expires).await,
            Held::Nothing => match on.redis.replace(slot, old, new, expires).await {
                Ok(done) => Ok(done),
                Err(RedisFault::Down | RedisFault::Emptied) => Ok(false),
                Err(RedisFault::Unknown(fault)) => Err(fault),
            },
        }
    }

    /// Counts one up from zero and returns the count; the first sets the expiry, later ones keep it.
    ///
    /// A count may begin anew when Redis fails or comes back. Where that must not be, see [`Ephemeral::first_use`].
    pub async fn increment(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        expires: Timestamp,
    ) -> Result<u64, Unavailable> {
        let (slot, expires) = (Slot { realm, kind, key }, self.database.shared(expires));
        let Some(on) = &self.redis else { return self.database.increment(slot, expires).await };
        match on.in_turn(on.redis.increment(slot, expires)).await? {
            Some(count) => Ok(count),
            None => self.database.increment(slot, expires).await,
        }
    }

    /// Whether this is the first use of an id that may be used once (the `jti` of an assertion or of a proof), on
    /// whatever node. It is remembered until `expires`.
    ///
    /// `issued` is when the id was made; by how much a maker's clock may run ahead of ours must be taken off it.
    pub async fn first_use(
        &self,
        realm: RealmId,
        kind: &'static str,
        key: &[u8],
        issued: Timestamp,
        expires: Timestamp,
    ) -> Result<FirstUse, Unavailable> {
        let count = self.increment(realm, kind, key, expires).await?;
        // Asked afterwards: counting may just have moved from one place to the other.
        Ok(match count {
            _ if issued < self.since().await? => FirstUse::Forgotten,
            1 => FirstUse::First,
            _ => FirstUse::Again,
        })
    }

    /// From when on every use of an id is remembered. What was issued before may have been counted where nobody looks
    /// any more: on a Redis that has been emptied, restarted or replaced, or in the other of the two places.
    pub async fn since(&self) -> Result<Timestamp, Unavailable> {
        match &self.redis {
            None => Ok(Timestamp::from_micros(i64::MIN)),
            Some(on) => on.turns.since().await,
        }
    }

    /// Drops up to `batch` expired values; returns how many. Called until it returns less.
    pub async fn expire(&self, batch: u32) -> Result<u64, Unavailable> {
        self.database.expire(batch).await
    }
}

impl OnRedis {
    /// Does `work` on Redis if it is Redis' turn and it answers; otherwise sees to it that the database's turn is on.
    async fn in_turn<T>(&self, work: impl Future<Output = Result<T, RedisFault>>) -> Result<Option<T>, Unavailable> {
        if self.turns.is_on().await? {
            if self.redis.answers().is_ok() {
                return Ok(None);
            }
        } else if let Ok(done) = work.await {
            return Ok(Some(done));
        }
        self.turns.stand_in().await?;
        Ok(None)
    }
}

impl Held {
    fn value(self) -> Option<Vec<u8>> {
        match self {
            Self::Nothing => None,
            Self::Row(value) => value,
        }
    }
}

/// While Redis is known to be down its values count as gone, so that people begin anew instead of waiting for it.
fn gone_while_down(copy: Result<Option<Vec<u8>>, RedisFault>) -> Result<Option<Vec<u8>>, Unavailable> {
    match copy {
        Ok(value) => Ok(value),
        Err(RedisFault::Down | RedisFault::Emptied) => Ok(None),
        Err(RedisFault::Unknown(fault)) => Err(fault),
    }
}
