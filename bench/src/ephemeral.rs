//! Short-lived state with Redis, and with the database standing in for one that is away: how much later the answer comes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use claviger::SystemClock;
use claviger_crypto::SystemEntropy;
use claviger_kernel::{Clock as _, RealmId, Secret};
use claviger_storage::scratch::{ScratchRedis, Way};
use claviger_storage::{Ephemeral, RedisPatience};
use tokio::time::timeout;

use crate::Found;
use crate::callers::round;
use crate::figure::{Figure, Later};
use crate::place::{Engine, Place};

const REALM: RealmId = RealmId::from_bytes([1; 16]);
const KIND: &str = "bench";
/// What a page on which somebody signs in keeps.
const VALUE: [u8; 300] = [7; 300];
const LIFE: Duration = Duration::from_mins(5);
/// Few enough for the machine to keep up: the time of an answer counts, not how many there are.
const CALLERS: u64 = 2;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

/// Each caller puts a value and takes it, again and again: with Redis, and without, in turns.
pub(crate) async fn row() -> anyhow::Result<Vec<Found>> {
    let (one, two) = (Place::make(Engine::Postgres).await?, Place::make(Engine::Postgres).await?);
    let redis = ScratchRedis::take().await;
    let with = on_redis(&one, redis.url().expose().clone()).await?;
    until_used(&with, &redis).await?;
    let (link, cut) = redis.linked().await;
    link.set(Way::Cut);
    let without = on_redis(&two, cut.expose().clone()).await?;
    ensure!(without.redis_answers().is_err(), "the way to Redis is cut");
    let title = format!("short-lived values put and taken, PostgreSQL, {CALLERS} callers, {ROUNDS} rounds");
    let mut later = Later { title, with: Vec::new(), without: Vec::new(), goal: Duration::from_millis(5) };
    for _ in 0..ROUNDS {
        later.with.push(pairs(&with).await?);
        later.without.push(pairs(&without).await?);
    }
    ensure!(with.redis_answers().is_ok(), "Redis was away meanwhile");
    Ok(vec![Found::text(later.to_string())])
}

async fn on_redis(place: &Place, url: String) -> anyhow::Result<Ephemeral> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    Ok(Ephemeral::on_redis(&Secret::new(url), RedisPatience::ORDINARY, place.store.clone(), clock, entropy).await?)
}

/// Waits until the nodes, of which there is one, have agreed upon Redis. A key that had a row keeps to the database, hence
/// another one each time.
async fn until_used(values: &Ephemeral, redis: &ScratchRedis) -> anyhow::Result<()> {
    let used = async {
        let expires = SystemClock.now().plus(LIFE);
        for number in 0_u64.. {
            let key = format!("first {number}").into_bytes();
            values.put(REALM, KIND, &key, VALUE.to_vec(), expires).await?;
            if redis.names().await.iter().any(|name| name.ends_with(&key)) {
                break;
            }
            let _ = timeout(Duration::from_millis(50), core::future::pending::<()>()).await;
        }
        Ok(())
    };
    timeout(Duration::from_secs(30), used).await.context("Redis is not used")?
}

async fn pairs(values: &Ephemeral) -> anyhow::Result<Figure> {
    let values = values.clone();
    round(CALLERS, ROUND, u64::MAX, move |key| {
        let values = values.clone();
        async move {
            let key = key.to_be_bytes();
            values.put(REALM, KIND, &key, VALUE.to_vec(), SystemClock.now().plus(LIFE)).await?;
            let taken = values.take(REALM, KIND, &key).await?;
            ensure!(taken.as_deref() == Some(&VALUE[..]), "what was put is there");
            Ok(())
        }
    })
    .await
}
