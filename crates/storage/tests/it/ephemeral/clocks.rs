//! Nodes whose clocks are apart: what one stores, another judges by the clock that all share.

use std::sync::Arc;
use std::time::Duration;

use claviger_kernel::{Clock as _, ManualClock, RealmId, Timestamp};
use claviger_storage::scratch::{Engine, Scratch, ScratchRedis, run};
use claviger_storage::{Ephemeral, FirstUse};

/// Less than a node's clock may be off: these stand still while the test goes on.
const OFF: Duration = Duration::from_secs(20);
/// How long an id is remembered: less than the clocks are apart.
const SPAN: Duration = Duration::from_secs(30);

struct Node {
    ephemeral: Ephemeral,
    clock: ManualClock,
}

/// Two nodes on one database, the first behind it by [`OFF`] and the second as much ahead.
async fn nodes(scratch: &Scratch, redis: Option<&ScratchRedis>) -> [Node; 2] {
    let database = scratch.database().unwrap();
    let owner = database.owner().await.unwrap();
    let node = async |off: fn(Timestamp) -> Timestamp| {
        let store = scratch.by_way_of(database.options()).await;
        let time = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint";
        let now = Timestamp::from_micros(owner.query_one(time, &[]).await.unwrap().get(0));
        let clock = ManualClock::new(off(now));
        store.keep_time(Arc::new(clock.clone()));
        store.catch_up().await.unwrap();
        let (keeps, entropy) = (Arc::new(clock.clone()), scratch.entropy());
        let ephemeral = match redis {
            None => Ephemeral::in_database(store, keeps, entropy),
            Some(redis) => {
                let patience = ScratchRedis::patience(Duration::from_mins(1));
                Ephemeral::on_redis(&redis.url(), patience, store, keeps, entropy).await.unwrap()
            }
        };
        Node { ephemeral, clock }
    };
    [node(|now| now.minus(OFF)).await, node(|now| now.plus(OFF)).await]
}

async fn an_id_is_used_once(scratch: Scratch, redis: Option<ScratchRedis>) {
    let [behind, ahead] = nodes(&scratch, redis.as_ref()).await;
    let realm: RealmId = scratch.id();
    // Issued after the moment from which uses are remembered, whichever node tells it.
    let issued = ahead.clock.now().plus(Duration::from_mins(1));
    for (turn, [first, second]) in [[&behind, &ahead], [&ahead, &behind]].into_iter().enumerate() {
        let id = [u8::try_from(turn).unwrap()];
        let uses = async |node: &Node| {
            let expires = node.clock.now().plus(SPAN);
            node.ephemeral.first_use(realm, "proof", &id, issued, expires).await.unwrap()
        };
        assert_eq!(uses(first).await, FirstUse::First);
        assert_eq!(uses(second).await, FirstUse::Again, "remembered by every node's clock");
        assert_eq!(uses(first).await, FirstUse::Again);
    }
}

async fn a_value_lives_as_long_as_it_should(scratch: Scratch, redis: Option<ScratchRedis>) {
    let [behind, ahead] = nodes(&scratch, redis.as_ref()).await;
    let realm: RealmId = scratch.id();
    let expires = behind.clock.now().plus(SPAN);
    behind.ephemeral.put(realm, "flow", b"key", b"value".to_vec(), expires).await.unwrap();
    assert_eq!(ahead.ephemeral.get(realm, "flow", b"key").await.unwrap().as_deref(), Some(&b"value"[..]));
    let expires = ahead.clock.now().plus(SPAN);
    assert!(ahead.ephemeral.replace(realm, "flow", b"key", b"value", b"other", expires).await.unwrap());
    behind.clock.advance(SPAN + OFF / 2);
    assert_eq!(behind.ephemeral.get(realm, "flow", b"key").await.unwrap(), None, "its time is over");
}

#[test]
fn an_id_is_used_once_however_far_apart_the_nodes_clocks_are() {
    run(Engine::Postgres, async |scratch| an_id_is_used_once(scratch, None).await);
}

#[test]
fn an_id_is_used_once_on_redis_however_far_apart_the_nodes_clocks_are() {
    run(Engine::Postgres, async |scratch| an_id_is_used_once(scratch, Some(ScratchRedis::take().await)).await);
}

#[test]
fn a_value_lives_as_long_as_it_should_on_nodes_whose_clocks_are_apart() {
    run(Engine::Postgres, async |scratch| a_value_lives_as_long_as_it_should(scratch, None).await);
}

#[test]
fn a_value_on_redis_lives_as_long_as_it_should_on_nodes_whose_clocks_are_apart() {
    run(Engine::Postgres, async |scratch| {
        a_value_lives_as_long_as_it_should(scratch, Some(ScratchRedis::take().await)).await;
    });
}
